"""What processes on this machine leave in the study while they run and when they have ended."""

import json
import pathlib
import time

import pytest

from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.scheduling import jobs, local
from tftransfer.scheduling.jobs import End, Job
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import processes

JOB = Job(tuple(grids.union([Grid("base", targets="B")], Config(), lambda *_: splits.random_split(10, 0))))


class Process:
    """Runs until its test ends it."""

    def __init__(self, request):
        self.request, self.returncode = pathlib.Path(request), None
        name = self.request.name.removesuffix(".json")
        self.left, self.sweep_folder = self.request.with_name(f"{name}.end.json"), SweepFolder(self.request.parents[2])
        now = time.time()
        self.sweep_folder.write_heartbeat(name, Heartbeat({JOB.cells[0].name: None}, 0, 9, None, now, now, "here 1"))

    def poll(self):
        return self.returncode

    def end(self, end):
        self.left.write_text(json.dumps(end.as_json()))
        self.returncode = 0


@pytest.fixture
def started(monkeypatch):
    processes_started = []

    def start(words, log, extra_env, own_session):
        log.touch()
        processes_started.append(Process(words[-1]))
        return processes_started[-1]

    monkeypatch.setattr(processes, "start", start)
    return processes_started


def test_a_group_gives_a_sign_of_life_before_its_process_can(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "start", lambda words, log, extra_env, own_session: None)
    local.LocalRunner(tmp_path, ["store"], workers=1).start(JOB)
    (heartbeat,) = SweepFolder(tmp_path).heartbeats().values()
    assert heartbeat.stage == "loading TensorFlow"
    assert list(heartbeat.networks) == [cell.name for cell in JOB.cells]


def test_sweeps_of_one_study_that_do_the_same_job_keep_out_of_each_others_way(tmp_path, started):
    one, other = (local.LocalRunner(tmp_path, ["store"], workers=1) for _ in range(2))
    one.start(JOB)
    other.start(JOB)
    first, second = started
    assert first.request != second.request
    first.end(End(jobs.OK))
    assert one.finished() == [(JOB, End(jobs.OK))]
    assert not first.request.exists(), "what ended well leaves nothing"
    assert second.request.exists()
    assert len(SweepFolder(tmp_path).heartbeats()) == 1
    second.end(End(jobs.OK))
    assert other.finished() == [(JOB, End(jobs.OK))]
    assert not list(SweepFolder(tmp_path).jobs.iterdir())


def test_a_job_that_failed_is_not_said_to_run_and_leaves_its_log(tmp_path, started):
    """Its last sign of life may be a second old."""
    runner = local.LocalRunner(tmp_path, ["store"], workers=1)
    runner.start(JOB)
    assert SweepFolder(tmp_path).heartbeats()
    full = End(jobs.NO_MEMORY, "needs 80 GB")
    started[0].end(full)
    assert runner.finished() == [(JOB, full)]
    assert not SweepFolder(tmp_path).heartbeats()
    assert list(SweepFolder(tmp_path).jobs.glob("*.log"))
