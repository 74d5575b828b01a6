"""Records of networks that were never trained, written as real ones are."""

import dataclasses
import pathlib

import numpy as np

from tftransfer.experiment import plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.records import record_files

CLASSES = 40
WEIGHTS = "1a2b3c4d" * 8
"""SHA-256 of pretrained weights."""
# Points below or above the base, by role and n, before noise: roughly the paper's.
EFFECTS = {
    "AnB": (0.3, -0.1, -0.6, -2.5, -4.7, -4.5, -8.3), "BnB": (0.3, 0.0, -0.2, -1.9, -3.0, -0.5, 0.0),
    "AnB+": (0.3, 0.6, 1.3, 1.0, 1.1, 1.2, 1.2), "BnB+": (0.3, 0.6, 1.2, 1.3, 1.1, 0.9, 1.2),
}  # fmt: skip


def cell(
    label: str, split_seed: int = 0, target: str | None = None, source: str | None = None, base: bool = True, **options
) -> plan.Cell:
    """Returns the network of a literal label (`A4B+`, `A:k4t3n1:B`, `base` with a target).

    With a `source` A and B are no halves: it is the SHA-256 of pretrained weights, or the name of A's data set.
    """
    if source is not None:
        of_pretrained = len(source) == 64
        split = splits.whole(CLASSES) if of_pretrained else splits.whole(CLASSES, CLASSES, source)
        treatment = treatments.parse(label, target=target)
        if of_pretrained and treatment.source == "A":
            treatment = dataclasses.replace(treatment, pretrained=source)
        options |= {"split": splits.WHOLE} | ({} if of_pretrained else {"source_dataset": source})
        return plan.Cell(treatment, split, Config(**options), base)
    stages = {name: options.pop(name) for name in ("preserve", "release_step") if name in options}
    split = splits.random_split(CLASSES, split_seed)
    return plan.Cell(treatments.parse(label, target=target, **stages), split, Config(**options))


def content(of: plan.Cell, top1: float | None, checks: int = 4, **changes) -> dict:
    """Returns the content of a record; a network without a score diverged."""
    treatment = of.treatment
    done = top1 is not None
    steps = [100 * (i + 1) for i in range(checks)]
    curve = [(top1 or 0) * (1 - 0.5**i) for i in range(1, checks)] + [top1]
    source = {"key": record_files.key(of.source.identity("f" * 64, None)), "weights": "2" * 64} if of.source else None
    whole = {
        "name": of.name,
        "status": record_files.DONE if done else record_files.DIVERGED,
        "treatment": {"label": treatment.label},
        "result": {
            "top1": top1, "top5": min(1.0, top1 + 0.2) if done else None, "per_class_top1": top1,
            "cross_entropy": 2 - top1 if done else None, "minus_base": None, "chance": 0.05,
        },
        "integrity": {
            "frozen_blocks": [], "frozen_blocks_unchanged": True, "fine_tuned_blocks": [],
            "fine_tuned_blocks_moved": True, "diverged_at_step": None if done else 7,
            "left_chance": done and top1 > 0.1, "steps": 400,
            "target_classes_seen_by_source": 20 if treatment.source_base == treatment.target else 0,
            "steps_of_source": 400 if treatment.source_base else 0,
        },
        "cost": {
            "seconds": 60.0, "train_seconds": 50.0, "images_per_second": 500.0, "train_steps": 400,
            "train_images": 4000, "validation_images": 1000, "trained_parameters": 1000,
        },
        "weights": {"kept": False, "sha256": "2" * 64},
        "history": {
            "step": steps, "epoch": [s / 100 for s in steps], "seconds": [s / 10 for s in steps],
            "learning_rate": [0.01] * checks, "loss": [3 - 2 * (v or 0) for v in curve], "top1": curve,
            "val_top1": curve, "val_top5": curve, "val_cross_entropy": curve,
        },
        "command": "python -m tftransfer.run --treatment=AnB --n=4",
        "versions": {"python": "3.11.7", "tftransfer": "0.1.0", "tensorflow": "2.21.0"},
        "machine": {"system": "Linux x86_64", "processor": "a processor", "cores": 2, "memory_gib": 8.0},
        "finished": "2026-11-20T20:06:50+00:00",
        "identity": of.identity("f" * 64, source),
        "reference": None,
    }  # fmt: skip
    return whole | changes


def write_pair(
    study: pathlib.Path, source: str = WEIGHTS, base: bool = True, seeds: int = 3, noise: float = 0.004, start: int = 0
) -> int:
    """Writes a study of a pair that is no halves: families over n and single policies. Returns how many."""
    rng, count = np.random.default_rng(start), 0
    for seed in range(start, start + seeds):
        scores = {f"A:k{n}t{7 - n}n1:B": 0.62 + 0.01 * n * (5 - n) for n in range(1, 7)}
        scores |= {f"A:k{n}d{7 - n}n1:B": 0.35 + 0.03 * n for n in range(1, 7)}
        scores |= {f"A{n}B": 0.62 - 0.004 * n**2 for n in range(1, 8)} | {f"A{n}B+": 0.6 + 0.01 * n for n in (3, 7)}
        scores |= {"A:k1t1k5n1:B": 0.57, "A:k2t1k4n1:B": 0.59, "A:k4t1k2n1:B": 0.61, "A:n2k5n1:B": 0.55}
        for label, top1 in scores.items():
            write(study, label, top1 + float(rng.normal(0, noise)), source=source, base=base, seed=seed)
        if base:
            write(study, "base", 0.58 + float(rng.normal(0, noise)), source=source, target="B", seed=seed)
        count += len(scores) + base
    return count


def write(study: pathlib.Path, label: str, top1: float | None, split_seed: int = 0, **options) -> record_files.Record:
    """Writes one network's record into a study."""
    of = cell(label, split_seed, **options)
    return record_files.write(study / of.name, content(of, top1))


def write_paper_like(study: pathlib.Path, noise: float = 0.003, split_seeds: int = 3, **options) -> int:
    """Writes a balanced study, 58 networks a split: with three splits 174 records. Returns how many."""
    rng, count = np.random.default_rng(0), 0
    for split_seed in range(split_seeds):
        bases = {target: float(0.6 + rng.normal(0, 0.01)) for target in "AB"}
        for target, base in bases.items():
            write(study, "base", base, split_seed, target=target, **options)
            count += 1
            for role, points in EFFECTS.items():
                source = target if role.startswith("B") else {"A": "B", "B": "A"}[target]
                for n, effect in enumerate(points, start=1):
                    top1 = base + effect / 100 + float(rng.normal(0, noise))
                    label = f"{source}{n}{target}{'+' if role.endswith('+') else ''}"
                    write(study, label, top1, split_seed, **options)
                    count += 1
    return count


def add_diagnostics(study: pathlib.Path) -> None:
    """Gives the networks of a study the arrays that training keeps beside records."""
    from tftransfer.training import diagnostics  # TensorFlow

    rng = np.random.default_rng(0)
    for record in record_files.read_study(study):
        arrays = {"filters": rng.integers(0, 256, (8, 5, 5, 3)).astype(np.uint8)}
        if record.identity["treatment"]["source"]:
            arrays["blocks"] = np.array(["conv1", "conv2", "fc6"])
            arrays |= {name: rng.uniform(0, 1, 3).astype("float32") for name in ("with_base", "source_with_base")}
        saved = diagnostics.save(record.folder, arrays)
        record_files.write(record.folder, {**record.content, "diagnostics": saved})
