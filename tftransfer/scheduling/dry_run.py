"""What a sweep would train, and what that would cost, told without training. Nothing here imports TensorFlow."""

import collections
import pathlib
from collections.abc import Sequence

from tftransfer import identities, records, treatments
from tftransfer.config import Config
from tftransfer.data import preparing
from tftransfer.models import names as model_names
from tftransfer.plan import Cell
from tftransfer.scheduling import estimate, local, view
from tftransfer.scheduling.board import Board


def text(options: Config, cells: Sequence[Cell], study: pathlib.Path, workers: int, retry_failed: bool) -> str:
    """Returns what a sweep would do.

    Args:
        options: The options that all commands share.
        cells: The networks.
        study: The study's folder.
        workers: Processes at a time; 0 for one on each GPU.
        retry_failed: True if networks that failed or diverged would be tried again.

    Raises:
        ValueError: If the folder holds a network of another configuration.
    """
    board = Board(study)
    left, table = [], collections.defaultdict(collections.Counter)
    for cell in cells:
        record = records.read(study / cell.name)
        if record:
            identities.check(record, cell)
        state = record.status if record else "failed" if board.failure(cell) else "to train"
        table[_row(cell)][state] += 1
        left += [cell] if state == "to train" or (retry_failed and state != records.DONE) else []
    rows = [f"study      {study}", f"data set   {options.dataset}", ""]
    rows.append(f"{'networks':<42}{'all':>6}{'done':>7}{'to train':>10}{'failed':>8}")
    total = collections.Counter()
    for name, counts in table.items():
        total += counts
        rows.append(_count(name, counts))
    rows += [_count("all", total), "", *_costs(options, left, workers)]
    if model_names.blocks_of(options.model, options.blocks) is None:
        rows.append(f"not checked  --model={options.model} is built only to train: its blocks, and so --n and --blocks")
    return "\n".join(rows)


def _row(cell: Cell) -> str:
    """Returns the line of the plan that a network is counted in."""
    kind = cell.split.name.rstrip("0123456789") if cell.config.split == "random" else cell.split.name
    target = " on all classes" if cell.treatment.target == "all" else f", {kind}"
    reduced = ", k images per class" if cell.images_per_class else ""
    return f"{treatments.role(cell.treatment)}{target}{reduced}"


def _count(name: str, counts: collections.Counter) -> str:
    bad = counts["failed"] + counts[records.DIVERGED]
    return f"{name:<42}{sum(counts.values()):>6}{counts[records.DONE]:>7}{counts['to train']:>10}{bad:>8}"


def _costs(options: Config, left: Sequence[Cell], workers: int) -> list[str]:
    """Returns what the networks will cost that are left."""
    at_a_time = workers or len(local.gpus()) or 1
    cost = estimate.estimate(left, preparing.images_per_class(options), at_a_time)
    if cost.hours is None:
        time_text = "not known: `python -m tftransfer.bench` with the same options measures this machine"
    else:
        most = "at most " if cost.upper else "about "
        time_text = f"{most}{view.duration(3600 * cost.hours)} on this machine, by speeds measured here"
    disk = "not known" if cost.disk_bytes is None else f"about {cost.disk_bytes / 1e9:.2g} GB in runs"
    return [f"time       {time_text}", f"disk       {disk}"]
