"""The types of the public names in `tftransfer/__init__.pyi`; `python -m tests.support.stubs` writes the file.

Commands are modules that can be called and are loaded when they are needed, which no type checker can see.
"""

import dataclasses
import importlib
import pathlib

STUB = pathlib.Path(__file__).parents[2] / "tftransfer" / "__init__.pyi"
# Command -> the name of its options, the option that may come without its name, and what a call returns.
COMMANDS = {
    "advise": ("AdviseConfig", "model", "Advice"),
    "bench": ("BenchConfig", "time_budget", "dict[str, float] | None"),
    "describe": ("DescribeConfig", "network", "pathlib.Path | None"),
    "export": ("ExportConfig", "network", "pathlib.Path | None"),
    "report": ("ReportConfig", "study", "_Report"),
    "run": ("RunConfig", "treatment", "Record"),
    "sweep": ("SweepConfig", "treatments", "Study"),
    "tune": ("TuneConfig", "time_budget", "_Tuned"),
}
_HEAD = """# Made by `python -m tests.support.stubs` from the options of the commands.
import pathlib
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, TypeAlias

from tftransfer import analysis as analysis
from tftransfer import models as models
from tftransfer import scores as scores
from tftransfer.calls import CommandError as CommandError
from tftransfer.experiment import splits as splits
from tftransfer.models.blocks import blocks as blocks
from tftransfer.models.blocks import legal_cuts as legal_cuts
from tftransfer.records.inputs import preprocessing as preprocessing
from tftransfer.results import Advice as Advice
from tftransfer.results import Record as Record
from tftransfer.results import Report as _Report
from tftransfer.results import Study as Study
from tftransfer.training import optimizers as optimizers
from tftransfer.training.weights import load as load
from tftransfer.transfer import transplant as transplant
from tftransfer.tune import Tuned as _Tuned

__version__: str

_One: TypeAlias = str | PathLike[str] | int | float
_Value: TypeAlias = _One | Iterable[_One] | Mapping[str, _One]
"""
# Options that take objects in hand, see `calls.objects`.
_OBJECTS = ("dataset", "source_dataset", "model", "pretrained", "study", "network", "cells", "time_budget")


def _type(field: dataclasses.Field) -> str:
    """Returns the type of an option's keyword."""
    if field.name in _OBJECTS:
        return "Any"
    return {bool: "bool", int: "int", float: "float"}.get(type(field.default), "_Value")


def text() -> str:
    """Returns the stub of today's options."""
    parts = []
    for command, (config, first, returns) in COMMANDS.items():
        fields = dataclasses.fields(getattr(importlib.import_module(f"tftransfer.{command}"), config))
        named = {field.name: f"    {field.name}: {_type(field)} | None = ...," for field in fields}
        lines = [named.pop(first), "    *,", *named.values(), "    flagfile: _Value | None = ...,"]
        parts.append("\n".join([f"def {command}(", *lines, f") -> {returns}: ..."]))
    return "\n".join([_HEAD, *parts, ""]).replace(": Any | None", ": Any")


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
