"""The progress of a study: networks by state, present accuracies, speed, and the time left."""

import dataclasses
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tftransfer.experiment import treatments
from tftransfer.experiment.treatments import Treatment
from tftransfer.records import identities, record_files, record_warnings
from tftransfer.records.record_files import Record
from tftransfer.scheduling import jobs
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import escaping

DONE, RUNNING, WAITING, FAILED = "done", "running", "waiting", "failed"
SILENT = "silent"  # its process is stopped, or has given no sign of life for a minute
_STUDIES_SHOWN = 20
SKIPPED = "skipped"  # a failed network whose source cannot serve


@dataclasses.dataclass(frozen=True)
class Line:
    """One network.

    Attributes:
        treatment: Its treatment.
        state: `done`, `running`, `silent`, `waiting` or `failed`.
        name: Its name.
        top1: Its last, or present, validation top-1, 0 to 1.
        minus_base: That less its base's, once it is done.
        images_per_class: Of its target; 0 for all.
        unit: Split and seed. Networks of one target, unit and number of images have one base.
        codes: Its warnings, or why it failed: `diverged`, `no memory`, `leak`, `at chance`, `unbalanced` ...
    """

    treatment: Treatment
    state: str
    name: str
    top1: float | None = None
    minus_base: float | None = None
    images_per_class: int = 0
    unit: tuple[str, str] = ("", "")
    codes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Overview:
    """A study at one moment.

    Attributes:
        study: Its name.
        lines: Its networks.
        images_per_second: Of all running networks together.
        seconds_left: Until all is done, as far as can be told.
        failures: Reasons of failures by network name.
        unreadable: Why records cannot be used, a sentence each; their networks do not count.
        stages: The work of groups before their first evaluation: `9 networks: compiling the first step`.
        silent: Why a process counts as silent, by network name.
        fraction: Fraction of all networks' training that is over, 0 to 1.
    """

    study: str
    lines: tuple[Line, ...]
    images_per_second: float | None
    seconds_left: float | None
    failures: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    silent: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fraction: float = 0.0

    def count(self, state: str) -> int:
        """Returns the number of networks in a state."""
        return sum(line.state == state for line in self.lines)

    def named(self) -> dict[str, list[str]]:
        """Returns the names of networks with warnings or failures, by code, the gravest first."""
        names: dict[str, list[str]] = {}
        for line in self.lines:
            for code in line.codes:
                names.setdefault(code, []).append(line.name)
        rank = [SILENT, *jobs.FAILURE_WORDS.values(), SKIPPED, *record_warnings.CODES]
        return dict(sorted(names.items(), key=lambda item: rank.index(item[0])))


def look(
    study: pathlib.Path, records: dict[str, Record] | None = None, lost: Mapping[str, str] | None = None
) -> Overview:
    """Returns the progress of a study from its folder alone, whoever trains it.

    Args:
        study: Its folder.
        records: Records by name that were read before; new ones are added, so that a second look is quick.
        lost: Words by name for networks that a sweep which has just ended did not train; the folder lacks some of them.

    Raises:
        ValueError: If there is neither a record nor a plan.
    """
    sweep_folder, records = SweepFolder(study), {} if records is None else records
    unreadable = _read_new(study, records)
    planned = sweep_folder.plan()
    if not (planned or records or unreadable):
        raise ValueError(f"{study} holds no study: neither a record nor a plan. {_others(study.parent)}")
    heartbeats, failures = sweep_folder.heartbeats(), sweep_folder.failures()
    running = {name: heartbeat for heartbeat in heartbeats.values() for name in heartbeat.networks}
    silent = {
        name: (heartbeat, why)
        for heartbeat, why in sweep_folder.silent().values()
        for name in heartbeat.networks
        if name not in running and name not in records and name not in failures
    }
    broken = {name: sweep_folder.failure_word(name) for name in failures} | dict(lost or {})
    useless = {*broken, *(name for name, record in records.items() if record.status != record_files.DONE)}
    lines = []
    for name in sorted({*planned, *records}):
        record, heartbeat = records.get(name), running.get(name)
        if (
            not (record or heartbeat or name in silent or name in broken)
            and str(planned[name].get("source")) in useless
        ):
            broken[name] = SKIPPED
        line = _line(name, planned, record, heartbeat, broken)
        if name in silent and line.state == WAITING:
            line = dataclasses.replace(line, state=SILENT, top1=silent[name][0].networks[name], codes=(SILENT,))
        lines.append(line)
    speeds = [
        len(heartbeat.networks) * heartbeat.images_per_second
        for heartbeat in heartbeats.values()
        if heartbeat.images_per_second
    ]
    left = _seconds_left(planned, records, heartbeats, broken)
    stages = tuple(f"{_networks(len(each.networks))}: {each.stage}" for each in heartbeats.values() if each.stage)
    reasons, over = {name: why for name, (_, why) in silent.items()}, _fraction(lines, heartbeats.values())
    known = _compared(lines, records)
    return Overview(study.name, known, sum(speeds) or None, left, failures, unreadable, stages, reasons, over)


def _fraction(lines: Sequence[Line], heartbeats: Iterable[Heartbeat]) -> float:
    """Returns the fraction of all networks' training that is over, 0 to 1."""
    over = sum(line.state in (DONE, FAILED) for line in lines)
    over += sum(len(heartbeat.networks) * heartbeat.step / max(1, heartbeat.steps) for heartbeat in heartbeats)
    return min(1.0, over / max(1, len(lines)))


def _others(runs: pathlib.Path) -> str:
    """Returns a sentence that names the studies of a folder and how to ask for one."""
    folders = [path for path in runs.glob("[!.]*") if path.is_dir()]
    names = sorted(
        path.name for path in folders if any(path.glob(f"*/{record_files.RECORD}")) or SweepFolder(path).plan()
    )
    if not names:
        return f"There is no study in {runs} either: give its folder, --study=RUNS/STUDY."
    shown = escaping.first(names, _STUDIES_SHOWN)
    return f"Studies in {runs}: {shown}. Ask for one with --study=NAME, or with its folder."


def _networks(count: int) -> str:
    return "1 network" if count == 1 else f"{count} networks"


def _read_new(study: pathlib.Path, records: dict[str, Record]) -> tuple[str, ...]:
    """Adds new records to `records`; returns errors instead of raising them, as they must not hide the others."""
    unreadable = []
    for path in sorted(study.glob(f"*/{record_files.RECORD}")):
        if path.parent.name not in records and not path.parent.name.startswith("."):
            try:
                record = record_files.read(path.parent)
            except (ValueError, OSError) as error:
                unreadable.append(str(error))
                continue
            if record:
                records[path.parent.name] = record
    return tuple(unreadable)


def _line(
    name: str,
    planned: Mapping[str, Mapping],
    record: Record | None,
    heartbeat: Heartbeat | None,
    broken: Mapping[str, str],
) -> Line:
    """Returns the line of one network."""
    known = record.identity if record else planned[name]
    line = Line(
        Treatment(**known["treatment"]), WAITING, name, images_per_class=_count(known.get("images_per_class")),
        unit=(str(known.get("split")), str(known.get("seed"))),
    )  # fmt: skip
    if record:
        ended, result = DONE if record.status == record_files.DONE else FAILED, record.result
        scores = {"top1": result["top1"], "minus_base": result["minus_base"]}
        return dataclasses.replace(line, state=ended, **scores, codes=record_warnings.codes(record.content))
    if heartbeat:
        return dataclasses.replace(line, state=RUNNING, top1=heartbeat.networks[name])
    if name in broken:
        return dataclasses.replace(line, state=FAILED, codes=(broken[name],))
    return line


def _compared(lines: Sequence[Line], records: Mapping[str, Record]) -> tuple[Line, ...]:
    """Returns networks with the difference from a base that was trained after them."""
    done = [line for line in lines if line.state == DONE and line.top1 is not None]
    recipes = {line.name: identities.digest(records[line.name].identity) for line in done}
    bases = {(*_own(line), recipes[line.name]): line.top1 for line in done if line.treatment.is_reference}
    late = {
        line.name: line.top1 - bases[base]
        for line in done
        if line.minus_base is None and (base := (*_own(line), recipes[line.name])) in bases
    }
    return tuple(dataclasses.replace(line, minus_base=late.get(line.name, line.minus_base)) for line in lines)


def _count(value: object) -> int:
    """Returns a number of images; plans of others may hold anything, or nothing."""
    return value if isinstance(value, int) else 0


def _kind(treatment: Treatment) -> str:
    """Returns the kind of a network's cost: frozen or whole."""
    return "frozen" if treatment.frozen else "whole"


def _seconds_left(
    planned: Mapping[str, Mapping],
    records: Mapping[str, Record],
    heartbeats: Mapping[str, Heartbeat],
    broken: Mapping[str, str],
) -> float | None:
    """Returns the seconds left if networks cost what finished ones of their kind did; None if unknown."""
    costs: dict[str, list[float]] = {}
    for record in records.values():
        kind = _kind(Treatment(**record.identity["treatment"]))
        costs.setdefault(kind, []).append(record.content["cost"]["seconds"])
    at_work = {name for heartbeat in heartbeats.values() for name in heartbeat.networks}
    left = [
        max((heartbeat.time - heartbeat.started) * (heartbeat.steps / heartbeat.step - 1), 0.0)
        for heartbeat in heartbeats.values()
        if heartbeat.step
    ]
    waiting = [name for name in planned if name not in records and name not in broken and name not in at_work]
    kinds = [_kind(Treatment(**planned[name]["treatment"])) for name in waiting]
    if len(left) < len(heartbeats) or not set(kinds) <= costs.keys():
        return None
    to_come = sum(statistics.fmean(costs[kind]) for kind in kinds)
    return (sum(left) + to_come) / max(1, len(heartbeats))


def by_role(lines: Iterable[Line]) -> dict[tuple[str, str], dict[int, list[Line]]]:
    """Returns networks by role (mirrored treatments count as the one written for B), variant and n, in reading order.

    Networks that differ in images per class, preserved blocks or release step are never in one list: `variant` says in
    words what is not at its default. Nor are two policies of one family and n: their role is their own policy.
    """
    lines = list(lines)
    policies: dict[tuple[str, int | None], set[str]] = {}
    for line in lines:
        policies.setdefault((treatments.role(line.treatment), line.treatment.n), set()).add(line.treatment.policy)
    table: dict[tuple[str, int, int, int], dict[int, list[Line]]] = {}
    for line in lines:
        treatment = line.treatment
        role = treatments.role(treatment)
        if len(policies[role, treatment.n]) > 1:
            role = f"{role.partition(':')[0]}:{treatment.policy}:{role.rpartition(':')[2]}"
        kind = (role, line.images_per_class, treatment.preserve, treatment.release_step)
        table.setdefault(kind, {}).setdefault(treatment.n, []).append(line)
    known = list(treatments.TREATMENTS)

    def place(kind: tuple[str, int, int, int]) -> tuple:
        family = kind[0].partition("-w")[0]
        return (known.index(family) if family in known else len(known), *kind)

    order = sorted(table, key=place)
    return {(role, treatments.variant(*rest)): dict(sorted(table[role, *rest].items())) for role, *rest in order}


def compared(bases: Sequence[Line], lines: Iterable[Line]) -> list[Line]:
    """Returns the bases that other networks are compared with, or all bases if there are none.

    Only their mean may stand beside the others' means: bases that are only sources are of other halves.
    """
    used = {_own(line) for line in lines if not line.treatment.is_base}
    return [line for line in bases if _own(line) in used] or list(bases)


def _own(line: Line) -> tuple:
    """Returns the key that a network shares with its base: target, split, seed and images per class."""
    return line.treatment.target, *line.unit, line.images_per_class
