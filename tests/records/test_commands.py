import pathlib
import shlex

import pytest

import fake_study
from tftransfer.cli import command_line
from tftransfer.execution import run_config
from tftransfer.execution.run_config import RunConfig
from tftransfer.records import commands, record_files
from tftransfer.reporting import collected

ROOT = pathlib.Path(__file__).parents[2]


def parsed(command, tmp_path):
    """Returns the options of a command whose placeholders are filled in."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "tftransfer.run"]
    words = [word.replace("FILE.json", str(tmp_path / "s.json")).replace("FOLDER", str(tmp_path)) for word in words]
    options, given = command_line.parse(RunConfig, words[2:], "usage")
    return options, run_config.parse_treatment(options, given)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dataset": "folder", "data_dir": "/home/me/images"}, "--data_dir=FOLDER"),
        ({"dataset": "tiny_imagenet", "data_dir": "/home/me/tiny"}, "--data_dir=FOLDER"),
        ({"dataset": "cifar100", "data_dir": "/home/me/tfds"}, "--data_dir=FOLDER"),
        ({"split": "file", "split_file": "/home/me/halves.json"}, "--split_file=FILE.json"),
        ({"lr_multipliers": "conv1:0.5,conv2:0.1"}, ""),
        ({}, ""),
    ],
)
def test_a_records_command_can_be_run_and_names_no_path(options, expected, tmp_path):
    results = pytest.importorskip("tftransfer.execution.record_content")
    cell = fake_study.cell("A4B", **options)
    command = results.command_of(cell)
    assert expected in command.split() or not expected
    assert "/home" not in command
    found, treatment = parsed(command, tmp_path)
    assert treatment.label == "A4B"
    kept = {name: value for name, value in options.items() if name not in ("data_dir", "split_file")}
    assert {name: getattr(found, name) for name in kept} == kept
    assert bool(found.data_dir) == ("data_dir" in options)


def test_a_report_completes_the_commands_of_older_records(tmp_path):
    content = fake_study.content(fake_study.cell("A4B", dataset="folder"), 0.5)
    record_files.write(tmp_path / "x", content)
    rows = dict(collected.collect(str(tmp_path), []).making)
    assert rows["command"] == "python -m tftransfer.run --treatment=AnB --n=4 --data_dir=FOLDER"


@pytest.mark.parametrize("folder", sorted((ROOT / "runs/published").glob("tiny*")), ids=lambda path: path.name)
def test_commands_in_reports_of_published_studies_can_be_run(folder, tmp_path):
    for topic, text in collected.collect(str(folder), []).making:
        if topic == "command":
            assert parsed(text, tmp_path)[0].data_dir


def test_what_is_there_is_not_added():
    identity = {"recipe": {"dataset": "folder"}, "split": "file-1a2b"}
    whole = "python -m tftransfer.run --data_dir=FOLDER --split_file=FILE.json"
    assert commands.complete(whole, identity) == whole
