"""Trains the networks of a whole study, in the right order, many at a time.

    python -m tftransfer.sweep --treatments=BnB,AnB --n=1-7 --split_seeds=0-3 --seeds=0-1

Options are checked, and `--dry_run` and `--status` answer, without TensorFlow; the networks train in processes of their
own.
"""

import collections
import contextlib
import dataclasses
import importlib.util
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tftransfer
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, MACHINE, at_least, no_nul, option, plain_name
from tftransfer.data import datasets
from tftransfer.data.store import Store
from tftransfer.execution import best_weights, preview
from tftransfer.experiment import grids, splits, treatments, unused_options
from tftransfer.experiment.config import BUDGETS, Config
from tftransfer.experiment.grids import Grid
from tftransfer.experiment.plan import Cell
from tftransfer.models import catalog
from tftransfer.records import record_files, record_warnings
from tftransfer.records.identities import Versions, strays
from tftransfer.scheduling import display, dry_run, local, study_status
from tftransfer.scheduling.ray import cluster, ray_runner
from tftransfer.scheduling.scheduler import DIVERGED, DONE, FAILED, SKIPPED, Scheduler, State
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.system import escaping, limits, processes, untrusted_files

_USAGE = """
usage: python -m tftransfer.sweep --treatments=BnB,AnB --n=1-7 [options]

Trains all networks of a grid of treatments, blocks, halves, splits and seeds, with the bases that they wait for.
Networks of one target half and seed train in lockstep: frozen blocks that they share are computed once. The same
command goes on after an interruption. --dry_run says how many networks, hours and bytes; --status says how far a study
is. Irregular studies are unions: --cells="treatments=AnB n=1-7 split_seeds=0-3" --cells="treatments=BnB+ n=3".

Exit code: 0 all networks are trained and sound; 3 some are not, each named with diverged, no memory, killed, failed,
skipped or not frozen; 4 all are trained, some with warnings: leak, at chance, overfitted ...; 2 bad input.
"""
RUNNERS = {"local": "processes on this machine", "ray": "tasks of a Ray cluster (extra ray)"}
_AXES = tuple(field.name for field in dataclasses.fields(Grid))
_WARNINGS_SHOWN = 20


def _listed(default: str, help_: str) -> str:
    return option(default, COMMAND, help_)


@dataclasses.dataclass(frozen=True)
class SweepConfig(Config):
    """The options of `python -m tftransfer.sweep`."""

    treatments: str = _listed(
        "", "base, BnB, AnB, BnB+, AnB+, RnB, SnB: source A is the other half, B the target's own"
    )
    n: str = _listed("", "blocks to copy: numbers and ranges as in 1-3,7, names of blocks, or all")
    targets: str = _listed("A,B", "targets: A, B, and all (for base, RnB, SnB)")
    split_seeds: str = _listed("0", "seeds of random splits, as in 0-3")
    seeds: str = _listed("0", "seeds of the networks, as in 0-4")
    images_per_class: str = _listed("0", "first k training images of each class of the target, as in 10,100; 0: all")
    preserve: str = _listed("0", "blocks above the n frozen ones that are copied and fine-tuned, as in 0,2")
    release_step: str = _listed("0", "steps from which on preserved blocks train; 0: at once")
    cells: tuple = option((), COMMAND, "a grid of its own, may be repeated: words AXIS=VALUES of the options above")
    budget: str = option(
        "equal_steps", COMMAND, "equal_total adds bases trained as long as source and target", choices=BUDGETS
    )
    retry_failed: bool = option(False, COMMAND, "train networks again that failed or diverged before")
    dry_run: bool = option(False, COMMAND, "print the number of networks, what is done, hours and disk, then stop")
    status: bool = option(False, COMMAND, "print how far the study is, or that of --study=FOLDER, then stop")
    version: bool = option(False, COMMAND, "print the version, then stop")
    group_size: int = option(0, MACHINE, "most networks in lockstep; 0: as many as memory holds", at_least(0))
    workers: int = option(0, MACHINE, "groups at a time; 0: one for each GPU or machine", at_least(0))
    runner: str = option("local", MACHINE, "who trains", choices=RUNNERS)
    ray_address: str = option("", MACHINE, "--runner=ray: HOST:PORT of the cluster; empty: the one that runs here")
    study: str = option(
        "", MACHINE, "name of the study's folder; made from data, model, split and recipe; --status: or a path", no_nul
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        super().__post_init__()
        expected = None if self.status or not self.study else plain_name(self.study)
        if expected:
            raise ValueError(f"Bad --study (name of the study's folder). Expected {expected}. Received: {self.study!r}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    started = time.perf_counter()
    options, given = command_line.parse(SweepConfig, argv, _USAGE)
    if options.version:
        escaping.say(f"tftransfer {tftransfer.__version__}")
        return 0
    if options.status:
        escaping.say(display.text(study_status.look(_study(options, given))))
        return 0
    study, asked = _study(options, given), _grids(options, given)
    catalog.check_reachable(options.model)
    names, kinds = datasets.describe_classes(options.dataset, options.data_dir or None)
    cells, found = _cells(options, asked, names, kinds), preview.images(options)
    preview.check(cells, study, found)
    if options.dry_run:
        blocks = catalog.blocks_of(options.model, options.blocks)
        counted = all(grid.is_counted(blocks) for grid in asked)
        escaping.say(dry_run.text(options, cells, names, study, found, counted))
        return 0
    return _train(options, given, asked, study, found, started)


def _study(options: SweepConfig, given: set[str]) -> pathlib.Path:
    """Returns the study's folder."""
    kinds = [grid.split for grid in _grids(options, given)] if not options.status else []
    if options.status and options.study:
        path, below = pathlib.Path(options.study), pathlib.Path(options.runs_dir) / options.study
        is_name = plain_name(options.study) is None
        return below if below.is_dir() or (is_name and not path.is_dir()) else path.absolute()
    return pathlib.Path(options.runs_dir) / options.study_name("-".join(dict.fromkeys(kinds)).replace(",", "-"))


def _grids(options: SweepConfig, given: set[str]) -> list[Grid]:
    """Returns the grids that were asked for; raises ValueError if there is none or options contradict each other."""
    for one, many in (("seed", "seeds"), ("split_seed", "split_seeds")):
        if one in given:
            raise ValueError(f"In a sweep say --{many}, a list as in 0-3. Received: --{one}={getattr(options, one)}")
    if options.ray_address and options.runner != "ray":
        raise ValueError(f"--ray_address needs --runner=ray. Received: --runner={options.runner}")
    unused_options.refuse(options, given)
    defaults = {axis: getattr(options, axis) for axis in _AXES}
    if options.cells:
        return [grids.read(text, defaults) for text in options.cells]
    if not options.treatments:
        raise ValueError(
            f"Which networks? Expected --treatments with some of {', '.join(_roles())}, or --cells. Received neither."
        )
    return [Grid(**defaults)]


def _roles() -> list[str]:
    """Returns the treatments that are written for target B."""
    return [name for name in treatments.TREATMENTS if name == "base" or treatments.parse(name, 1).target == "B"]


def _cells(
    options: SweepConfig,
    asked: Sequence[Grid],
    names: Sequence[str],
    kinds: Sequence[str | None],
    blocks: Sequence[str] | None = None,
) -> list[Cell]:
    """Returns the networks with their bases."""
    common = Config(**_shared(options))

    def split_of(kind: str, split_seed: int) -> splits.Split:
        return splits.make(kind, names, kinds, split_seed, options.split_file or None)

    cells = grids.union(asked, common, split_of, options.budget == "equal_total", blocks)
    if options.release_step != "0" and not any(cell.treatment.release_step for cell in cells):
        raise ValueError(
            f"--release_step says when preserved blocks train: it needs --preserve. Received: {options.release_step}"
        )
    return cells


def _shared(options: SweepConfig) -> dict[str, Any]:
    """Returns the options that all commands have; for axes of the grid their defaults stand."""
    return {name: value for name, value in options.shared().items() if name not in _AXES}


def _train(
    options: SweepConfig,
    given: set[str],
    asked: Sequence[Grid],
    study: pathlib.Path,
    found: preview.Images | None,
    started: float,
) -> int:
    """Prepares the images, trains what is missing and says how it went."""
    limits.require_address_space()
    record_files.check_writable(pathlib.Path(options.runs_dir))
    with contextlib.ExitStack() as stack:
        # A cluster that does not answer is told before images are prepared.
        joined = stack.enter_context(cluster.joined(options.ray_address)) if options.runner == "ray" else None
        sweep = _run(options, given, asked, study, found, joined)
    return _end(sweep, study, time.perf_counter() - started)


def _run(
    options: SweepConfig,
    given: set[str],
    asked: Sequence[Grid],
    study: pathlib.Path,
    found: preview.Images | None,
    joined: cluster.Cluster | None,
) -> Scheduler:
    """Prepares the images and trains what is missing, here or on a cluster."""
    store, blocks, architecture = _prepare(options, given)
    cells = _cells(options, asked, store.class_names, store.class_kinds, blocks)
    found = found or preview.Images(store.counts("train"), store.counts("val"))
    preview.check(cells, study, found)
    for caution in preview.cautions([cell for cell in cells if not record_files.read(study / cell.name)], found):
        escaping.say(f"WARNING: {caution}", sys.stderr)
    escaping.say(f"weights: kept are {dry_run.kept(options)}")
    study.mkdir(parents=True, exist_ok=True)
    SweepFolder(study).write_plan(cells)
    with display.live(study) as (update, say):
        if joined:
            runner = ray_runner.RayRunner(study, store, joined, options.workers, say)
        else:
            runner = local.LocalRunner(study, str(store.path), options.workers)
        versions = Versions(store.fingerprint, architecture, model_is_known=True)
        sweep = Scheduler(cells, study, runner, options.group_size, options.retry_failed, say, versions)
        sweep.run(update)
    return sweep


def _prepare(options: SweepConfig, given: set[str]) -> tuple[Store, Sequence[str], dict[str, Any] | None]:
    """Returns the prepared images, the model's blocks and its architecture; a process of its own makes and finds them.

    The architecture is None where the model's name says it.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, answer = pathlib.Path(folder) / "request.json", pathlib.Path(folder) / "answer.json"
        request.write_text(json.dumps({"config": _shared(options), "given": sorted(given)}), encoding="utf-8")
        words = processes.words("tftransfer.scheduling.prepare", str(request), str(answer))
        code = subprocess.run(words, env=processes.environment(), check=False).returncode
        if code < 0:  # it had no time to say why
            escaping.say(
                f"python -m tftransfer.sweep: the process that prepares the images was {processes.by_signal(-code)}. "
                f"What is prepared is kept: give the same command again, with more free memory if that was it.",
                sys.stderr,
            )
            raise SystemExit(command_line.EXIT_FAILED)
        if code:
            raise SystemExit(code)  # it has said why
        found = untrusted_files.read_json(answer)
        return Store.open(found["store"]), found["blocks"], found["architecture"]


def _end(sweep: Scheduler, study: pathlib.Path, seconds: float) -> int:
    """Prints how a sweep went; returns the exit code."""
    states = list(sweep.states.values())
    lost = {state.cell.name: state for state in states if state.state in (FAILED, SKIPPED)}
    words = {name: state.word or state.state for name, state in lost.items()}
    if any(state.now for state in states):
        _show_figure(study)
    warnings = _warnings(states, {name: f"{name} {words[name]}: {state.reason}" for name, state in lost.items()})
    more = len(warnings) - _WARNINGS_SHOWN
    for warning in [*warnings[:_WARNINGS_SHOWN], *([f"and {more} more, see the records"] if more > 0 else [])]:
        escaping.say(f"WARNING: {warning}", sys.stderr)
    for note in _notes(states)[:_WARNINGS_SHOWN]:
        escaping.say(f"NOTE: {note}", sys.stderr)
    escaping.say(display.text(study_status.look(study, lost=words)))
    counts = collections.Counter(state.state for state in states)
    code, codes = _judged(states)
    now = sum(state.now for state in states)
    escaping.say(f"seconds    {seconds:.0f} ({now} trained, {counts[DONE] + counts[DIVERGED] - now} there before)")
    for record in best_weights.prune(study):
        score = f"{100 * record.result['top1']:.1f} %"
        which = f"{record.content['treatment']['label']} of {record.identity['split']}"
        escaping.say(f"weights    kept of {which}, the best of its half, {score}: {record.folder}")
    escaping.say(f"records    {study}")
    escaping.say(f"compare    tensorboard --logdir {shlex.quote(str(study))}")
    if code:
        escaping.say(f"warnings   {', '.join(f'{n} {word}' for word, n in codes.items())} (exit code {code})")
    return code


def _warnings(states: Sequence[State], lost: Mapping[str, str]) -> list[str]:
    """Returns a sweep's warnings, each distinct one once: networks without a record first, then the gravest."""
    warnings = [
        (state.record.name, warning)
        for state in states
        if state.record
        for warning in record_warnings.of(state.record.content)
    ]
    ranked = sorted(warnings, key=lambda item: record_warnings.CODES.index(item[1].code))
    trained = [state.record for state in states if state.record]
    stray = [(record.name, f"its {base} was trained again, with other weights") for record, base in strays(trained)]
    return escaping.distinct([*lost.items(), *stray, *((name, warning.text) for name, warning in ranked)])


def _notes(states: Sequence[State]) -> list[str]:
    """Returns what a user may want to know of networks whose scores can be trusted."""
    notes = [
        (state.record.name, note)
        for state in states
        if state.record
        for note in record_warnings.notes(state.record.content)
    ]
    return escaping.distinct((name, note.text) for name, note in notes)


def _judged(states: Sequence[State]) -> tuple[int, collections.Counter]:
    """Returns a sweep's exit code, and the number of networks by code of a warning or word of a failure."""
    trained = [state.record.content for state in states if state.record]
    found = collections.Counter(code for content in trained for code in record_warnings.codes(content))
    found += collections.Counter(state.word or state.state for state in states if not state.record)
    if not all(state.record and record_warnings.sound(state.record) for state in states):
        return command_line.EXIT_FAILED, found
    return command_line.EXIT_WARNINGS if found else 0, found


def _show_figure(study: pathlib.Path) -> None:
    """Puts the study's figure into TensorBoard, where the extra `report` is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "matplotlib", "pandas", "scipy")):
        return
    words = processes.words("tftransfer.reporting.study_figure", str(study))
    done = subprocess.run(words, env=processes.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        escaping.say(f"The study's figure was not drawn: {done.stderr.strip().splitlines()[-1:]}", sys.stderr)


if __name__ == "__main__":
    command_line.main(main)
