"""Clocks that jump by up to a day, forward and back: nothing waits, hurries or lies because of them."""

import inspect
import random
import time

import numpy as np
import pytest
from test_kills_of_parts import sweep_essence

import harness
from commands import BASE, command, essence
from tftransfer.records import record_files
from tftransfer.scheduling import study_status
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.tuning import search

pytestmark = pytest.mark.faults


@pytest.fixture
def jumping(monkeypatch):
    """At each look the clock has jumped; the monotonic one goes on."""
    rng, real = random.Random(0), time.time
    monkeypatch.setattr(time, "time", lambda: real() + rng.uniform(-86400, 86400))


def test_a_sweep(tmp_path, tally):
    harness.complete("sweep", tmp_path / "whole")
    harness.complete("sweep", tmp_path / "jumping", "clock")
    survived = sweep_essence(tmp_path / "jumping") == sweep_essence(tmp_path / "whole")
    survived &= study_status.look(tmp_path / "jumping").count("running") == 0
    tally.fault("clock jumps during a sweep", survived)
    assert survived


def test_intervals_of_checkpoints(tmp_path, jumping, tally):
    checkpoints = Checkpoints(tmp_path, say=str)
    checkpoints.restore({})
    due = [checkpoints.due(1000) for _ in range(200)]
    checkpoints.save(1, {"x": np.zeros(3)}, {})
    due += [checkpoints.due(1000) for _ in range(200)]
    tally.fault("clock jumps between checkpoints", not any(due), 400)
    assert not any(due)


def test_a_training(small, whole, tmp_path, jumping, tally):
    code = command([*BASE, *small, f"--runs_dir={tmp_path}/runs"])
    (study,) = (tmp_path / "runs").iterdir()
    (record,) = record_files.read_study(study)
    seconds = record.content["history"]["seconds"]
    survived = code == 0 and essence(tmp_path / "runs") == essence(whole)
    survived &= seconds == sorted(seconds) and 0 < record.content["cost"]["seconds"] < 3600
    tally.fault("clock jumps during a training", survived)
    assert survived, (code, seconds)


def test_the_budget_of_a_search_is_measured_by_a_clock_that_nobody_sets(tally):
    clock = inspect.signature(search.Search).parameters["clock"].default
    survived = clock is time.monotonic
    tally.fault("clock jumps during a search", survived)
    assert survived, clock
