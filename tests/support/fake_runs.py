"""Made-up networks with everything that TensorBoard shows of real ones, written by the project's own writers."""

import contextlib
import hashlib
import pathlib

import numpy as np

import fake_study
from tftransfer.experiment import plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.records import event_files, record_files

WALL_TIME = 1.7e9
BASES = {"A": 0.64, "B": 0.6}
BOTH_DIRECTIONS = ("AnB", "BnB", "AnB+", "BnB+", "BnA", "AnA", "BnA+", "AnA+")


def cells(families=BOTH_DIRECTIONS, blocks=range(1, 8), split_seeds=(0,), **options) -> list[plan.Cell]:
    """Returns the bases of both halves and each treatment at every n, split by split: 58 networks a split."""
    found = []
    for seed in split_seeds:
        split = splits.random_split(fake_study.CLASSES, seed)
        wanted = [treatments.base(target) for target in "AB"]
        wanted += [treatments.parse(family, n=n) for n in blocks for family in families]
        found += [plan.Cell(treatment, split, Config(**options)) for treatment in wanted]
    return found


def top1(cell: plan.Cell) -> float:
    """Returns a network's score: roughly the paper's effect, and noise that its name decides."""
    treatment = cell.treatment
    seed = int(hashlib.sha256(cell.name.encode()).hexdigest()[:8], 16)
    score = BASES[treatment.target] + np.random.default_rng(seed).normal(0, 0.003)
    if treatment.source in BASES:
        role = "BnB" if treatment.source == treatment.target else "AnB"
        score += fake_study.EFFECTS[role + "+" * treatment.fine_tuned][treatment.n - 1] / 100
    elif treatment.source == "R":
        score *= np.exp(-0.25 * treatment.n)
    return round(float(score), 4)


def content(cell: plan.Cell, **changes) -> dict:
    """Returns the content of a network's record."""
    whole = fake_study.content(cell, top1(cell))
    whole["result"]["minus_base"] = round(top1(cell) - top1(cell.reference), 4)
    return whole | changes


def begin(study: pathlib.Path, cell: plan.Cell, rows: int = 1) -> event_files.EventFile:
    """Writes what a network has written after `rows` evaluations, and returns its open event file."""
    event_files.write_experiment(study, WALL_TIME)
    events, history = event_files.EventFile(study / cell.name), content(cell)["history"]
    for index in range(rows):
        row = {column: values[index] for column, values in history.items()}
        events.scalars(row["step"], event_files.row(row, 20), WALL_TIME + row["seconds"])
    return events


def finish(study: pathlib.Path, cell: plan.Cell, **changes) -> record_files.Record:
    """Writes all that a finished network leaves: scalars, its row in HParams, its record."""
    with contextlib.closing(begin(study, cell, rows=2)) as events:
        event_files.write_result(events, study.name, content(cell, **changes), WALL_TIME + 60)
    return record_files.write(study / cell.name, content(cell, **changes))
