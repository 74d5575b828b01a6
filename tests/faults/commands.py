"""The real command in the process of the tests, and its exit code and results."""

import pathlib

import pytest

from tftransfer import run
from tftransfer.cli import command_line
from tftransfer.records import record_files

BASE = ("--treatment=base", "--target=B")


def command(options, main=run.main, name="run") -> int:
    """Runs a command in this process, as `python -m` does; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        command_line.main(main, [name, *options])
    return ended.value.code


def messages(error: str) -> list[str]:
    """Returns the lines on standard error without warnings: a training of a few steps is warned of."""
    return [line for line in error.strip().splitlines() if not line.startswith("WARNING: ")]


def essence(runs: pathlib.Path) -> dict[str, tuple]:
    """Returns the results of a folder of studies that no fault may change: all but wall-clock time."""
    (study,) = (path for path in runs.iterdir() if path.is_dir())
    results = {}
    for record in record_files.read_study(study):
        history = {name: column for name, column in record.content["history"].items() if name != "seconds"}
        results[record.name] = (record.weights_digest, record.result, history)
    return results
