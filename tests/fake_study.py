"""Studies whose networks were never trained: made-up scores, written by the project's own writers."""

import contextlib
import dataclasses
import hashlib
import pathlib

import numpy as np

from tftransfer import plan, records, splits, tensorboard_view, treatments
from tftransfer.config import Config

WALL_TIME = 1.7e9
CLASSES, CHANCE = 20, 0.1
BASE_TOP1 = {"A": 0.64, "B": 0.6}
# Points that a network loses with each block: by the role of its source and whether it is fine-tuned.
_SLOPES = {("own", False): -0.004, ("own", True): 0.002, ("other", False): -0.012, ("other", True): 0.004}
_ROLES = {"A": {"A": "own", "B": "other"}, "B": {"A": "other", "B": "own"}}
PAPER = ("BnB", "AnB", "BnB+", "AnB+", "AnA", "BnA", "AnA+", "BnA+")


def cells(families=PAPER, blocks=range(1, 8), split_seeds=(0,), config=None):
    """Returns the bases of both halves and every treatment in `families` at every n, split by split."""
    config, found = config or Config(learning_rate=0.01), []
    for seed in split_seeds:
        split = splits.random_split(CLASSES, seed)
        wanted = [treatments.base(target) for target in "AB"]
        wanted += [treatments.parse(family, n=n) for family in families for n in blocks]
        found += [plan.Cell(treatment, split, config) for treatment in wanted]
    return found


def top1(cell):
    """Returns the score of a network: the same for the same name."""
    treatment = cell.treatment
    noise = np.random.default_rng(int(hashlib.sha256(cell.name.encode()).hexdigest()[:8], 16)).normal(0, 0.004)
    base = BASE_TOP1[treatment.target]
    if treatment.is_base:
        return round(base + noise, 4)
    if treatment.source == "R":
        return round(base * np.exp(-0.3 * treatment.n) + noise, 4)
    slope = _SLOPES[_ROLES[treatment.target][treatment.source], treatment.fine_tuned]
    return round(base + slope * treatment.n + noise, 4)


def content(cell, **changes):
    """Returns the content of a network's record."""
    base = cell.treatment.is_reference
    source = {"key": "0" * 64, "weights": "0" * 64} if cell.source else None
    return {
        "name": cell.name,
        "status": records.DONE,
        "treatment": dataclasses.asdict(cell.treatment) | {"label": cell.treatment.label},
        "result": {
            "top1": top1(cell),
            "top5": 0.9,
            "per_class_top1": top1(cell),
            "cross_entropy": 1.5,
            "minus_base": 0.0 if base else round(top1(cell) - top1(cell.reference), 4),
            "chance": CHANCE,
        },
        "integrity": {
            "frozen_blocks": [], "frozen_blocks_unchanged": True, "fine_tuned_blocks": [],
            "fine_tuned_blocks_moved": True, "diverged_at_step": None, "left_chance": True,
            "target_classes_seen_by_source": 0, "updates": 100, "updates_of_source": 0 if base else 100,
        },
        "reference": None if base else {"key": "0" * 64, "weights": "0" * 64},
        "cost": {
            "seconds": 12.0, "train_seconds": 10.0, "images_per_second": 640.0, "train_steps": 100,
            "train_images": 4000, "validation_images": 1000, "trained_parameters": 1000,
        },
        "weights": {"kept": False, "sha256": "0" * 64},
        "history": {
            "step": [50, 100], "epoch": [0.8, 1.6], "seconds": [5.0, 10.0], "learning_rate": [0.01, 0.0],
            "loss": [3.0, 2.0], "top1": [0.2, 0.5], "val_top1": [0.3, top1(cell)], "val_top5": [0.8, 0.9],
            "val_cross_entropy": [2.0, 1.5],
        },
        "command": "", "versions": {}, "machine": {}, "finished": "2026-11-20T20:06:50+00:00",
        "identity": cell.identity("f" * 64, source),
    } | changes  # fmt: skip


def begin(study, cell, rows=1):
    """Writes what a network in training has written after `rows` evaluations, and returns its open event file."""
    tensorboard_view.write_experiment(study, WALL_TIME)
    history = content(cell)["history"]
    events = tensorboard_view.EventFile(study / cell.name)
    for index in range(rows):
        row = {column: values[index] for column, values in history.items()}
        events.scalars(row["step"], tensorboard_view.row(row), WALL_TIME + row["seconds"])
    return events


def finish(study, cell, **changes):
    """Writes everything that a finished network leaves: its events, its row in HParams, its record."""
    with contextlib.closing(begin(study, cell, rows=2)) as events:
        tensorboard_view.write_result(events, study.name, content(cell, **changes), WALL_TIME + 12)
    return records.write(study / cell.name, content(cell, **changes))


def write(study: pathlib.Path, networks):
    """Writes a study of finished networks."""
    return [finish(study, cell) for cell in networks]
