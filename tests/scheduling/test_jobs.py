"""How a job's process ended, from its exit code and what it left."""

import signal
import subprocess
import sys

import pytest

import fake_study
from tftransfer.cli import command_line
from tftransfer.scheduling import jobs


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (-9, jobs.CRASHED, "ended by signal 9 (SIGKILL), as a system out of memory does"),
        (-15, jobs.TERMINATED, "ended by signal 15 (SIGTERM): somebody asked it to end"),
        (command_line.EXIT_TERMINATED, jobs.TERMINATED, "ended by signal 15 (SIGTERM): somebody asked it to end"),
        (128 + signal.SIGHUP, jobs.TERMINATED, "ended by signal 1 (SIGHUP): somebody asked it to end"),
        (command_line.EXIT_INTERRUPTED, jobs.TERMINATED, "ended by signal 2 (SIGINT): somebody asked it to end"),
        (74, jobs.NO_DISK, "step 300 of 400"),
        (1, jobs.FAILED, "step 300 of 400"),
        (255, jobs.FAILED, "step 300 of 400"),
    ],
)
def test_a_signal_that_the_process_handled_is_still_a_signal(code, status, message, tmp_path):
    (tmp_path / "job.log").write_text("step 300 of 400\n")
    end = jobs.ended(tmp_path, "job", code)
    assert end.status == status
    assert end.message.startswith(message)
    assert jobs.End.from_json(end.as_json()) == end


ASKED = """
import os, signal, sys
from tftransfer.scheduling import worker

worker.main = lambda path: os.kill(os.getpid(), getattr(signal, sys.argv[1]))
code = open(worker.__file__).read().partition('if __name__ == "__main__":')[2]
exec("if True:" + code, vars(worker))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_worker_that_a_signal_asks_to_end_says_so_by_its_exit_code(name, tmp_path):
    code = subprocess.run([sys.executable, "-c", ASKED, name], check=False).returncode
    assert jobs.ended(tmp_path, "job", code).status == jobs.TERMINATED


def test_networks_of_other_numbers_of_images_train_in_groups_of_their_own():
    """They see other batches, so that they cannot share a step."""
    few, all_images = (fake_study.cell("A1B", images_per_class=number) for number in (10, 0))
    assert jobs.group_key(few) != jobs.group_key(all_images)
    assert jobs.group_key(fake_study.cell("A1B")) == jobs.group_key(fake_study.cell("B2B"))
