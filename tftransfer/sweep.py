"""Trains the networks of a whole study, in the right order, many at a time.

    python -m tftransfer.sweep --treatments=BnB,AnB --n=1-7 --split_seeds=0-3 --seeds=0-1

Options are checked, and `--dry_run` and `--status` answer, without TensorFlow; the networks train in processes of their
own.
"""

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tftransfer
from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.execution import pretrained_file, preview
from tftransfer.experiment import image_options, pairs
from tftransfer.experiment.grids import Grid
from tftransfer.models import catalog
from tftransfer.pretrained.description import IMAGENET
from tftransfer.records import record_files
from tftransfer.records.identities import Versions
from tftransfer.results import Study
from tftransfer.scheduling import display, dry_run, local, prepare, study_status, summary, sweep_config
from tftransfer.scheduling.ray import cluster, ray_runner
from tftransfer.scheduling.scheduler import Scheduler, State
from tftransfer.scheduling.sweep_config import SweepConfig
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.system import caller, escaping, limits

_USAGE = """
usage: python -m tftransfer.sweep --treatments=BnB,AnB --n=1-7 [options]

Trains all networks of a study: a grid of treatments, numbers of copied blocks, target halves, splits and seeds, and
the bases that they copy from. Networks of one target half and seed train as a group in one process, in lockstep, so
that frozen blocks which they share are computed once. Finished networks are kept: after an interruption the same
command goes on.

Treatments are written for target B: AnB copies the first n blocks of the network of the other half and freezes them,
BnB those of B's own base; + fine-tunes them. `python -m tftransfer.run --list` explains all of them.

First look: --dry_run prints the number of networks, hours and disk space. While it runs: --status prints the progress.
More than one grid: --cells="treatments=AnB n=1-7 split_seeds=0-3" --cells="treatments=BnB+ n=3"

Exit code: 0 all networks are trained and sound; 3 some are not, each named with diverged, no memory, killed, failed,
skipped or not frozen; 4 all are trained, some with warnings: leak, at chance, overfitted ...; 2 bad input.
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    started = time.perf_counter()
    options, given = command_line.parse(SweepConfig, argv, _USAGE)
    if options.version:
        escaping.say(f"tftransfer {tftransfer.__version__}")
        return 0
    asked = [] if options.status else sweep_config.grids_of(options, given)
    if not (options.status and options.study):
        options = image_options.resolve(options, escaping.say, pretrained_file.known_size(options))
    options, pretrained = _with_pretrained(options, given)
    study = sweep_config.study_folder(options, given)
    if options.status:
        escaping.say(display.text(study_status.look(study)))
        return 0
    catalog.check_reachable(options.model)
    names, kinds = pairs.describe_classes(options)
    cells = sweep_config.cells_of(options, asked, names, kinds, pretrained=pretrained)
    images = preview.images(options)
    preview.check(cells, study, images)
    if options.dry_run:
        blocks = catalog.blocks_of(options.model, options.blocks)
        counted = all(grid.is_counted(blocks) for grid in asked)
        escaping.say(dry_run.text(options, cells, names, study, images, counted))
        return 0
    limits.require_address_space()
    record_files.check_writable(pathlib.Path(options.runs_dir))
    states = _train(options, given, asked, study, images, pretrained)
    caller.result(study=str(study.absolute()))
    return summary.show(states, study, time.perf_counter() - started)


def _with_pretrained(options: SweepConfig, given: set[str]) -> tuple[SweepConfig, str]:
    """Returns the options with the input that pretrained weights know, and the SHA-256 of their file; "" without."""
    if not options.pretrained:
        return options, ""
    file = pretrained_file.opened(options, given, download=not (options.dry_run or options.status))
    for note in () if options.status else file.notes:
        escaping.say(note)
    here = {name: os.path.abspath(value) for name in ("pretrained", "pretrained_classes")
            if (value := getattr(options, name)) not in ("", IMAGENET)}  # fmt: skip
    return dataclasses.replace(file.config, **here), file.described.sha256


def _train(
    options: SweepConfig,
    given: set[str],
    asked: Sequence[Grid],
    study: pathlib.Path,
    images: preview.Images | None,
    pretrained: str,
) -> list[State]:
    """Prepares the images and trains the missing networks, here or on a cluster; returns all networks."""
    with contextlib.ExitStack() as stack:
        # Before the images are prepared: a cluster that does not answer should not cost that time.
        joined = stack.enter_context(cluster.joined(options.ray_address)) if options.runner == "ray" else None
        store, blocks, architecture = prepare.in_own_process(options.common(), given)
        cells = sweep_config.cells_of(options, asked, store.class_names, store.class_kinds, blocks, pretrained)
        images = images or preview.Images(store.counts("train"), store.counts("val"))
        preview.check(cells, study, images)
        left = [cell for cell in cells if not record_files.read(study / cell.name)]
        for caution in preview.cautions(left, images):
            escaping.say(f"WARNING: {caution}", sys.stderr)
        escaping.say(f"weights: kept are {dry_run.kept(options)}")
        study.mkdir(parents=True, exist_ok=True)
        SweepFolder(study).write_plan(cells)
        update, say = stack.enter_context(display.live(study))
        if joined:
            runner = ray_runner.RayRunner(study, store, joined, options.workers, say)
        else:
            runner = local.LocalRunner(study, [each.path for each in store.stores], options.workers)
        versions = Versions(store.fingerprint, architecture, model_is_known=True)
        sweep = Scheduler(cells, study, runner, options.group_size, options.retry_failed, say, versions)
        sweep.run(update)
        return list(sweep.states.values())


def _study(made: Mapping[str, Any]) -> Study:
    return Study(made["study"])


calls.make_callable(
    __name__, SweepConfig, """Trains the networks of a study, many at a time; returns the `Study`.

    tftransfer.sweep(treatments=["BnB", "AnB"], n=range(1, 8))

    What is done is kept: after an interruption the same call goes on. The options are those of `python -m
    tftransfer.sweep --help`.

    Raises:
        ValueError: If an option is unknown or wrong.
        CommandError: If some networks could not be trained or are not sound; its `result` is the study.
    """, first="treatments", returns=_study,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
