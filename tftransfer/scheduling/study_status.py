"""How far a study is: the networks by state, the present accuracies, the speed, and the time left."""

import dataclasses
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tftransfer.experiment import treatments
from tftransfer.experiment.treatments import Treatment
from tftransfer.records import record_files, record_warnings
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
        treatment: What is done to it.
        state: `done`, `running`, `silent`, `waiting` or `failed`.
        name: Its name.
        top1: Its last, or present, validation top-1, a share of 1.
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
        failures: Why networks failed, by name.
        unreadable: Records that cannot be used, a sentence each; their networks do not count.
        stages: What groups do that no evaluation tells of yet: `9 networks: compiling the first step`.
        silent: What is known of networks whose process gives no sign of life, by name.
    """

    study: str
    lines: tuple[Line, ...]
    images_per_second: float | None
    seconds_left: float | None
    failures: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    silent: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def count(self, state: str) -> int:
        """Returns how many networks are in a state."""
        return sum(line.state == state for line in self.lines)

    def named(self) -> dict[str, list[str]]:
        """Returns the names of networks with warnings or failures, by code, the gravest first."""
        found: dict[str, list[str]] = {}
        for line in self.lines:
            for code in line.codes:
                found.setdefault(code, []).append(line.name)
        rank = [SILENT, *jobs.FAILURE_WORDS.values(), SKIPPED, *record_warnings.CODES]
        return dict(sorted(found.items(), key=lambda item: rank.index(item[0])))


def look(
    study: pathlib.Path, found: dict[str, Record] | None = None, lost: Mapping[str, str] | None = None
) -> Overview:
    """Returns how far a study is, from its folder alone, whoever trains it.

    Args:
        study: Its folder.
        found: Records by name that were read before; new ones are added, so that a second look is quick.
        lost: Words for networks that a sweep which has just ended did not train, as it knows them; some are not kept.

    Raises:
        ValueError: If there is neither a record nor a plan.
    """
    board, found = SweepFolder(study), {} if found is None else found
    unreadable = _read_new(study, found)
    wanted = board.plan()
    if not (wanted or found or unreadable):
        raise ValueError(f"{study} holds no study: neither a record nor a plan. {_others(study.parent)}")
    beats, failures = board.beats(), board.failures()
    running = {name: heartbeat for heartbeat in beats.values() for name in heartbeat.networks}
    silent = {
        name: (heartbeat, why)
        for heartbeat, why in board.silent().values()
        for name in heartbeat.networks
        if name not in running and name not in found and name not in failures
    }
    broken = {name: board.failure_word(name) for name in failures} | dict(lost or {})
    useless = {*broken, *(name for name, record in found.items() if record.status != record_files.DONE)}
    lines = []
    for name in sorted({*wanted, *found}):
        record, heartbeat = found.get(name), running.get(name)
        if not (record or heartbeat or name in silent or name in broken) and str(wanted[name].get("source")) in useless:
            broken[name] = SKIPPED
        line = _line(name, wanted, record, heartbeat, broken)
        if name in silent and line.state == WAITING:
            line = dataclasses.replace(line, state=SILENT, top1=silent[name][0].networks[name], codes=(SILENT,))
        lines.append(line)
    speeds = [
        len(heartbeat.networks) * heartbeat.images_per_second
        for heartbeat in beats.values()
        if heartbeat.images_per_second
    ]
    left = _seconds_left(wanted, found, beats, broken)
    stages = tuple(
        f"{_networks(len(heartbeat.networks))}: {heartbeat.stage}" for heartbeat in beats.values() if heartbeat.stage
    )
    reasons = {name: why for name, (_, why) in silent.items()}
    return Overview(study.name, tuple(lines), sum(speeds) or None, left, failures, unreadable, stages, reasons)


def _others(runs: pathlib.Path) -> str:
    """Returns which studies there are instead, and how to ask for one."""
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


def _read_new(study: pathlib.Path, found: dict[str, Record]) -> tuple[str, ...]:
    """Adds the records that were not read before; returns why some cannot be: they must not hide the others."""
    unreadable = []
    for path in sorted(study.glob(f"*/{record_files.RECORD}")):
        if path.parent.name not in found and not path.parent.name.startswith("."):
            try:
                record = record_files.read(path.parent)
            except (ValueError, OSError) as error:
                unreadable.append(str(error))
                continue
            if record:
                found[path.parent.name] = record
    return tuple(unreadable)


def _line(
    name: str,
    wanted: Mapping[str, Mapping],
    record: Record | None,
    heartbeat: Heartbeat | None,
    broken: Mapping[str, str],
) -> Line:
    """Returns what is known of one network."""
    known = record.identity if record else wanted[name]
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


def _count(value: object) -> int:
    """Returns a number of images; plans of others may hold anything, or nothing."""
    return value if isinstance(value, int) else 0


def _kind(treatment: Treatment) -> str:
    """Returns what decides a network's cost: whether it is frozen."""
    return "frozen" if treatment.frozen else "whole"


def _seconds_left(
    wanted: Mapping[str, Mapping],
    found: Mapping[str, Record],
    beats: Mapping[str, Heartbeat],
    broken: Mapping[str, str],
) -> float | None:
    """Returns the time that is left if networks go on to cost what those of their kind did; None if unknown."""
    costs: dict[str, list[float]] = {}
    for record in found.values():
        kind = _kind(Treatment(**record.identity["treatment"]))
        costs.setdefault(kind, []).append(record.content["cost"]["seconds"])
    at_work = {name for heartbeat in beats.values() for name in heartbeat.networks}
    left = [
        max((heartbeat.time - heartbeat.started) * (heartbeat.steps / heartbeat.step - 1), 0.0)
        for heartbeat in beats.values()
        if heartbeat.step
    ]
    waiting = [name for name in wanted if name not in found and name not in broken and name not in at_work]
    kinds = [_kind(Treatment(**wanted[name]["treatment"])) for name in waiting]
    if len(left) < len(beats) or not set(kinds) <= costs.keys():
        return None
    to_come = sum(statistics.fmean(costs[kind]) for kind in kinds)
    return (sum(left) + to_come) / max(1, len(beats))


def by_role(lines: Iterable[Line]) -> dict[tuple[str, str], dict[int, list[Line]]]:
    """Returns networks by role (mirrored treatments count as the one written for B), variant and n, in reading order.

    Networks that differ in images per class, preserved blocks or release step are never in one list: `variant` says in
    words what is not at its default.
    """
    table: dict[tuple[str, int, int, int], dict[int, list[Line]]] = {}
    for line in lines:
        treatment = line.treatment
        kind = (treatments.role(treatment), line.images_per_class, treatment.preserve, treatment.release_step)
        table.setdefault(kind, {}).setdefault(treatment.n, []).append(line)
    known = list(treatments.TREATMENTS)
    order = sorted(table, key=lambda kind: (known.index(kind[0]) if kind[0] in known else len(known), *kind))
    return {(role, treatments.variant(*rest)): dict(sorted(table[role, *rest].items())) for role, *rest in order}


def compared(bases: Sequence[Line], lines: Iterable[Line]) -> list[Line]:
    """Returns the bases that other networks are compared with; all of them if none is.

    Only their mean may stand beside the others' means: bases that are only sources are of other halves.
    """
    used = {_own(line) for line in lines if not line.treatment.is_base}
    return [line for line in bases if _own(line) in used] or list(bases)


def _own(line: Line) -> tuple:
    """Returns what a network and its base have in common."""
    return line.treatment.target, *line.unit, line.images_per_class
