"""Real trainings in odd surroundings: streams that are closed, a strict umask, another number of threads later."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from test_kills import end, newest_steps, start, until_it_has_saved

import fault_sizes
import harness
from commands import BASE, essence
from tftransfer.cli import command_line
from tftransfer.records import record_files

pytestmark = pytest.mark.faults
CLOSED = [">&-", "2>&-", ">&- 2>&-", "<&-", ">&- 2>&- <&-"]
OTHERS = 0o077  # bits of a mode that let group and others in


def shell(line, folder):
    """Runs a line of a shell, with `RUN` for the command; returns its exit code and what it wrote to standard error."""
    run = f"{sys.executable} -m tftransfer.run"
    environment = os.environ | {"PYTHONPATH": str(harness.TESTS.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        ["bash", "-c", line.replace("RUN", run)], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=harness.LONGEST_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("closed", CLOSED[: fault_sizes.pick(3, 5)])
def test_closed_streams(closed, small, whole, tmp_path, tally):
    """Whatever would be printed goes nowhere, and no file of the study gets the number of a stream."""
    options = " ".join([*BASE, *small, f"--runs_dir={tmp_path}/runs"])
    code, error = shell(f"RUN {options} {closed}", tmp_path)
    survived = code == 0 and "Traceback" not in error and essence(tmp_path / "runs") == essence(whole)
    tally.fault(f"closed streams: {closed}", survived)
    assert survived, (code, error)
    code, error = shell(f"RUN --treatment=BnB --n=99 {closed}", tmp_path)
    tally.fault(f"closed streams: {closed}", code == 2)
    assert code == 2
    assert error.count("\n") == (0 if "2>" in closed else 1), error


def open_to_others(folder):
    """Returns the files and folders below one that group or others may enter, and how many were looked at."""
    paths = [folder, *folder.rglob("*")]
    return [str(path.relative_to(folder)) for path in paths if path.lstat().st_mode & OTHERS], len(paths)


def test_a_strict_umask(photographs, whole, tmp_path, tally):
    """Prepared images, checkpoints, records, events and reports; checkpoints are seen before they are removed."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    options = [
        *BASE, "--dataset=folder", f"--data_dir={photographs}", f"--cache_dir={home}/cache", f"--runs_dir={home}/runs",
        "--image_size=32", "--width=0.05", "--batch_size=16", "--evaluations=2", "--checkpoint_minutes=0.001",
    ]  # fmt: skip
    before = os.umask(0o077)
    try:
        process = start([*options, "--steps=4000"])
        until_it_has_saved(process, home / "runs")
        checkpointed = newest_steps(home / "runs")
        assert end(process, signal.SIGTERM)[0] == command_line.EXIT_TERMINATED
        code, error = shell(f"RUN {' '.join(options)} --steps=12 --study=done && {sys.executable} -m tftransfer.report "
                            f"--study={home}/runs/done --format=md,csv --out={home}/report", tmp_path)  # fmt: skip
    finally:
        os.umask(before)
    open_files, looked_at = open_to_others(home)
    survived = code == 0 and checkpointed > 0 and not open_files
    tally.fault("umask 077", survived, looked_at)
    assert survived, (code, error, checkpointed, open_files)


def with_threads(count, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, str(count))


def test_another_number_of_threads(small, tmp_path, tally, monkeypatch):
    """Goes on with a message, to a record that says so; `--resume=exact` refuses, and keeps the checkpoint."""
    options = [word for word in small if not word.startswith("--steps")]
    for number in range(fault_sizes.pick(1, 5)):
        runs = tmp_path / f"runs{number}"
        words = [*BASE, *options, "--steps=600", f"--runs_dir={runs}", "--checkpoint_minutes=0.001"]
        with_threads(2, monkeypatch)
        process = start(words)
        until_it_has_saved(process, runs)
        assert end(process, signal.SIGTERM)[0] == command_line.EXIT_TERMINATED
        kept = newest_steps(runs)
        with_threads(1, monkeypatch)
        exact = start([*words, "--resume=exact"])
        _, refusal = exact.communicate(timeout=harness.LONGEST_SECONDS)
        refused = exact.returncode == command_line.EXIT_BAD_INPUT and newest_steps(runs) == kept
        refused &= len(refusal.strip().splitlines()) == 1 and "threads.intra_op: 2 there, 1 here" in refusal
        tally.fault("other threads: --resume=exact", refused)
        assert refused, (exact.returncode, refusal, kept, newest_steps(runs))
        going_on = start(words)
        output, error = going_on.communicate(timeout=harness.LONGEST_SECONDS)
        (study,) = runs.iterdir()
        resumed = [record.content["resumed"] for record in record_files.read_study(study)]
        survived = going_on.returncode == 0 and "threads.intra_op: 2 there, 1 here" in output + error
        survived &= [(one["step"], one["inexact"]) for (one,) in resumed] == [(kept, True)]
        tally.fault("other threads: --resume=any", survived)
        assert survived, (going_on.returncode, output, error, resumed)
        assert not list(pathlib.Path(runs).glob("*/.checkpoints"))
