"""Cells of a small plan, and records that nobody trained, for tests of what a sweep does with them."""

from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files

CONFIG = Config(steps=10)


def cells(*asked):
    asked = asked or (Grid("AnB,BnB", "1-2"),)
    return grids.union(asked, CONFIG, lambda kind, seed: splits.random_split(10, seed))


def write_record(study, cell, status=record_files.DONE, kept=True, integrity=None):
    source = {"key": "k", "weights": "w"} if cell.source else None
    content = {
        "name": cell.name, "status": status, "identity": cell.identity("f", source), "treatment": {"label": "x"},
        "result": {"top1": 0.5, "minus_base": 0.0}, "cost": {"seconds": 1.0}, "history": {},
        "integrity": integrity or {},
        "weights": {"kept": kept and cell.treatment.is_reference, "sha256": "w"},
    }  # fmt: skip
    if content["weights"]["kept"]:
        (study / cell.name).mkdir(parents=True, exist_ok=True)
        (study / cell.name / record_files.WEIGHTS).write_bytes(b"weights")
    return record_files.write(study / cell.name, content)
