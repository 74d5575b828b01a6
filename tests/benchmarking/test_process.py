"""Processes of cases, played by small scripts."""

import sys
import time

import pytest

from tftransfer.benchmarking import process
from tftransfer.experiment.config import Config


@pytest.fixture
def play(tmp_path, monkeypatch):
    def start(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return process.Worker(Config(), "base", (("", 0),))

    return start


def test_answers_come_one_a_line(play):
    with play('read request; echo \'{"ready": 1}\'; read seconds; echo "{\\"given\\": $seconds}"; read more') as worker:
        assert worker.answer(10) == {"ready": 1}
        assert worker.ask(2.5, 10) == {"given": 2.5}


def test_a_process_that_ends_says_why(play):
    with play("read request; echo some note >&2; echo 'ValueError: too small' >&2; exit 1") as worker:
        with pytest.raises(process.WorkerError, match=r"^ValueError: too small$"):
            worker.answer(10)
        with pytest.raises(process.WorkerError, match="too small"):
            worker.ask(1.0, 10)


def test_a_process_that_is_killed_says_so(play):
    with play("read request; kill -9 $$") as worker, pytest.raises(process.WorkerError, match="out of memory"):
        worker.answer(10)


def test_a_process_that_takes_too_long_is_left_and_ended(play):
    with play("read request; exec sleep 60") as worker:
        with pytest.raises(process.WorkerError, match="time was over"):
            worker.answer(0.2)
        alive = worker._process
    assert alive.poll() is not None


def test_a_process_ends_with_its_input(play):
    worker = play("read request; while read line; do :; done; exit 0")
    worker._process.stdin.close()
    for _ in range(100):
        if worker._process.poll() is not None:
            break
        time.sleep(0.1)
    assert worker._process.poll() == 0
    worker.close()
