"""Curves that the paper has no name for: preserved blocks, staged release, pretrained weights."""

import dataclasses

import fake_study
from tftransfer.records import record_files
from tftransfer.reporting.looks import Curve

FOREIGN = "1a2b3c4d" * 8
NEW = [
    Curve("AnB", 2), Curve("AnB", 2, 500), Curve("BnB", 2), Curve("BnB", 2, 500), Curve(f"AnB-w{FOREIGN[:8]}"),
    Curve(f"AnB+-w{FOREIGN[:8]}"),
]  # fmt: skip


def write(study, label, top1, split_seed=0, pretrained="", **options):
    """Writes one network's record into a study; `pretrained` is the SHA-256 of its source's weights."""
    of = fake_study.cell(label, split_seed, **options)
    of = dataclasses.replace(of, treatment=dataclasses.replace(of.treatment, pretrained=pretrained))
    content = fake_study.content(of, top1)
    content["treatment"] = {"label": of.treatment.label}
    return record_files.write(study / of.name, content)
