"""Starts processes of `workloads` and ends them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).parents[1]
SUPPORT = TESTS / "support"
WORKLOADS = TESTS / "faults" / "workloads.py"
LONGEST_SECONDS = 300  # of one process; more is a hang


def start(*words: object) -> subprocess.Popen:
    """Starts a workload in a process group of its own, and waits until it has loaded what it needs."""
    path = os.pathsep.join([str(TESTS.parent), str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(WORKLOADS), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        start_new_session=True,
    )
    process.stdout.readline()
    return process


def kill(process: subprocess.Popen, seconds: float, whole_group: bool = False) -> bool:
    """Ends a workload by SIGKILL after some time; returns False if it had ended before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
    process.wait(LONGEST_SECONDS)
    process.stdout.close()
    return alive


def complete(*words: object) -> str:
    """Runs a workload to its end; returns its output."""
    process = start(*words)
    output, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0, output
    return output


def wait_for(condition, seconds: float = 60) -> bool:
    """Waits until a condition holds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(condition())
