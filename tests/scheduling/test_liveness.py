"""Processes that live, are stopped or have gone, told by clocks that nobody sets."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tftransfer.scheduling import display, liveness, study_status

NOW = 1000.0
ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def worker(study):
    """A process that gives a sign of life in place of the tests' own, and lives on."""
    code = (
        "import pathlib, sys, time\nfrom tftransfer.scheduling.sweep_folder import SweepFolder\n"
        "folder = SweepFolder(pathlib.Path(sys.argv[1]))\nfolder.write_heartbeat('job', folder.heartbeats()['job'])\n"
        "print('written', flush=True)\ntime.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(study)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout.readline() == b"written\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_stopped_process_is_named_at_once_and_one_that_has_gone_is_not(study, worker):
    assert study_status.look(study).count("running") == 2
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent")) == (0, 2)
    assert f"stopped; `kill -CONT {worker.pid}` lets it go on" in display.text(overview)
    worker.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, worker.pid, os.WCONTINUED)
    assert study_status.look(study).count("running") == 2
    worker.kill()
    worker.wait()
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent"), overview.count("waiting")) == (0, 0, 3)


def test_a_stopped_process_whose_sweep_has_gone_is_not_said_to_go_on(study, worker):
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["parent"] = 2**30
    path.write_text(json.dumps(content))
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    shown = display.text(study_status.look(study))
    assert f"its sweep has gone, so that `kill -CONT {worker.pid}` ends it" in shown
    assert "lets it go on" not in shown
    worker.send_signal(signal.SIGCONT)


def test_a_number_that_another_process_has_now_is_not_taken_for_it(study, worker):
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["started"] = "1"
    path.write_text(json.dumps(content))
    assert study_status.look(study).count("running") == 0


@pytest.mark.parametrize(("seconds", "state"), [(5, "running"), (3600, "silent"), (90_000, "waiting")])
def test_signs_of_another_machine_are_as_old_as_the_file_system_says(seconds, state, study, monkeypatch):
    """Its clock may be days off."""
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["machine"], content["time"] = "another", NOW + 10**6
    path.write_text(json.dumps(content))
    stamp = path.stat().st_mtime - seconds
    os.utime(path, (stamp, stamp))
    overview = study_status.look(study)
    assert overview.count(state) == (2 if state != "waiting" else 3)


@pytest.mark.parametrize("seconds", [-86400, 86400])
def test_a_clock_that_jumps_neither_hides_what_lives_nor_keeps_what_is_gone(study, later, monkeypatch, seconds):
    monkeypatch.setattr("time.time", lambda: NOW + seconds)
    assert study_status.look(study).count("running") == 2
    later(61)
    assert study_status.look(study).count("running") == 0


def test_a_stamp_of_this_process_is_alive_and_young(tmp_path):
    stamp = liveness.stamp_now()
    assert liveness.state(stamp) == liveness.ALIVE
    assert not liveness.is_orphan(stamp)
    assert liveness.age(stamp, tmp_path / "none", written=0.0, now=1e9) < 60, "the time of day does not count"


@pytest.mark.parametrize("stamp", [None, 3, [], {}, {"process": "1"}, {"process": -1, "machine": ""}], ids=str)
def test_a_damaged_stamp_is_unknown_and_as_old_as_the_time_of_day_says(stamp, tmp_path):
    assert liveness.state(stamp) == liveness.UNKNOWN
    assert not liveness.is_orphan(stamp)
    assert liveness.age(stamp, tmp_path / "none", written=100.0, now=130.0) == 30.0
