"""A sweep's networks, hours and disk, without training. Nothing here imports TensorFlow."""

import collections
import pathlib
from collections.abc import Sequence

from tftransfer.execution import preview
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.models import catalog
from tftransfer.records import record_files
from tftransfer.scheduling import display, estimate, local
from tftransfer.scheduling.sweep_folder import SweepFolder

_SPLITS_SHOWN = 4
_WIDTH = 42  # of the names of rows, unless one is longer
_UNKNOWN = "not known before the model is built"


def text(
    options: Config,
    cells: Sequence[Cell],
    names: Sequence[str],
    study: pathlib.Path,
    images: preview.Images | None,
    counted: bool = True,
) -> str:
    """Returns the plan of a sweep as text: images, networks, their state, time and disk.

    Args:
        options: The options of the sweep.
        cells: The networks.
        names: Names of the classes.
        study: The study's folder.
        images: The number of images, None if it is not known yet.
        counted: False if only building the model tells how many networks copy blocks: `cells` has one for each kind.
    """
    sweep_folder = SweepFolder(study)
    left, table = [], collections.defaultdict(collections.Counter)
    for cell in cells:
        record = record_files.read(study / cell.name)
        state = record.status if record else "failed" if sweep_folder.failure(cell) else "to train"
        table[_row(cell)][state] += 1
        left += [cell] if state == "to train" or (options.retry_failed and state != record_files.DONE) else []
    rows = [f"study     {study}", *preview.data_rows(options, names, images), *_halves(cells, names)]
    rows += [f"length    {_length(cells, images)}", ""]
    width = max(_WIDTH, 2 + max(map(len, table), default=0))
    rows.append(f"{'networks':<{width}}{'all':>6}{'done':>7}{'to train':>10}{'failed':>8}")
    total = collections.Counter()
    for name, counts in table.items():
        total += counts
        rows.append(
            _count(name, counts, width) if counted or name.startswith("base") else f"{name:<{width}}{_UNKNOWN:>31}"
        )
    rows += [_count("all", total, width) if counted else f"{'all':<{width}}{_UNKNOWN:>31}", ""]
    rows += (
        costs(left, images.training if images else None, options.workers, keep_best=True)
        if counted
        else [f"time      {_UNKNOWN}"]
    )
    rows += [f"weights   kept are {kept(options)}"]
    rows += [f"caution   {caution}" for caution in preview.cautions(left, images)]
    if catalog.blocks_of(options.model, options.blocks) is None:
        rows.append(f"not checked: --model={options.model} is built only to train: its blocks, and so --n and --blocks")
    return "\n".join(rows)


def _row(cell: Cell) -> str:
    """Returns the name of the row that counts a network."""
    kind = cell.split.name.rstrip("0123456789") if cell.config.split == "random" else cell.split.name
    target = " on all classes" if cell.treatment.target == "all" else f", {kind}"
    reduced = ", k images per class" if cell.images_per_class else ""
    return f"{treatments.role(cell.treatment)}{target}{reduced}"


def _count(name: str, counts: collections.Counter, width: int) -> str:
    bad = counts["failed"] + counts[record_files.DIVERGED]
    return f"{name:<{width}}{sum(counts.values()):>6}{counts[record_files.DONE]:>7}{counts['to train']:>10}{bad:>8}"


def _halves(cells: Sequence[Cell], names: Sequence[str]) -> list[str]:
    """Returns the classes of the halves of the first splits."""
    splits = list({cell.split.name: cell.split for cell in cells}.values())
    rows = [row for split in splits[:_SPLITS_SHOWN] for row in preview.half_rows(split, names)]
    return [
        *rows,
        *([f"          and {len(splits) - _SPLITS_SHOWN} more splits"] if len(splits) > _SPLITS_SHOWN else []),
    ]


def _length(cells: Sequence[Cell], images: preview.Images | None) -> str:
    """Returns the length of training in steps."""
    lengths = {preview.steps(cell, images) for cell in cells}
    if None in lengths:
        return "depends on the images"
    few, many = min(lengths), max(lengths)
    return f"{few if few == many else f'{few} to {many}'} steps of {cells[0].config.batch_size} images"


def kept(options: Config) -> str:
    """Returns the rule by which weights are kept, as text."""
    of_half = "" if options.split == splits.WHOLE else " of each half"
    return (
        "those of all networks"
        if options.keep_weights
        else f"those of bases and of the best network{of_half}; --keep_weights keeps all"
    )


def costs(left: Sequence[Cell], per_class: Sequence[int] | None, workers: int, keep_best: bool = False) -> list[str]:
    """Returns the time and disk of the networks that are left, two lines of text.

    Args:
        left: The networks.
        per_class: Training images of each class of the data set, None if not known.
        workers: Processes at a time; 0 for one on each GPU.
        keep_best: True if the weights of the best network of each half are kept.
    """
    cost = estimate.estimate(left, per_class, workers or len(local.gpus()) or 1, keep_best)
    if cost.hours is None:
        time_text = "not known: `python -m tftransfer.bench` with the same options measures this machine"
    else:
        most = "at most " if cost.upper else "about "
        time_text = f"{most}{display.duration(3600 * cost.hours)} on this machine, by speeds measured here"
    disk = "not known" if cost.disk_bytes is None else f"about {cost.disk_bytes / 1e9:.2g} GB in runs"
    return [f"time      {time_text}", f"disk      {disk}"]
