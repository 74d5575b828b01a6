"""The real command in the process of the tests, and what it must end with."""

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


def essence(runs: pathlib.Path) -> dict[str, tuple]:
    """Returns what no fault must change in a folder of studies, wall-clock time left out."""
    (study,) = (path for path in runs.iterdir() if path.is_dir())
    found = {}
    for record in record_files.read_study(study):
        history = {name: column for name, column in record.content["history"].items() if name != "seconds"}
        found[record.name] = (record.weights_digest, record.result, history)
    return found
