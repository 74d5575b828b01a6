"""The process that prepares the images of a sweep."""

import json
import sys

import pytest

from tftransfer import sweep
from tftransfer.cli import command_line
from tftransfer.data.store import Store
from tftransfer.scheduling import prepare
from tftransfer.system import processes


@pytest.fixture
def options(tmp_path):
    return [f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}"]


def test_a_preparing_process_that_is_killed_is_told_of(options, tmp_path, monkeypatch, capsys):
    code = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(processes, "words", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(SystemExit) as ended:
        sweep.main(["sweep.py", "--treatments=base", *options])
    assert ended.value.code == command_line.EXIT_FAILED
    output = capsys.readouterr().err
    assert "prepares the images was ended by signal 9 (SIGKILL), as a system out of memory does" in output


def test_a_preparing_process_that_fails_has_said_why(monkeypatch, capsys):
    monkeypatch.setattr(processes, "words", lambda *_: [sys.executable, "-c", "raise SystemExit(2)"])
    with pytest.raises(SystemExit) as ended:
        prepare.in_own_process({}, [])
    assert ended.value.code == command_line.EXIT_BAD_INPUT
    assert capsys.readouterr().err == ""


def test_the_answer_names_the_images_the_blocks_and_no_architecture_that_is_built_in(photographs, tmp_path):
    options = {"dataset": "folder", "data_dir": str(photographs), "cache_dir": str(tmp_path), "image_size": 32}
    request, answer = tmp_path / "request.json", tmp_path / "answer.json"
    request.write_text(json.dumps({"config": options, "given": []}))
    prepare.main(["prepare", str(request), str(answer)])
    content = json.loads(answer.read_text())
    assert len(Store.open(content["stores"][0]).class_names) == 6
    assert content["blocks"][0] == "conv1"
    assert content["architecture"] is None
