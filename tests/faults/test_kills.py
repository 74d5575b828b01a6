"""Ends the real command at any moment; what it finds in the end must be what it would have found at once."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import fault_sizes
from tensorboard_events import scalars
from tftransfer.cli import command_line
from tftransfer.records import record_files

pytestmark = pytest.mark.faults

ROOT = pathlib.Path(__file__).parent.parent.parent
HANGUPS = fault_sizes.pick(2, 10)
KILLS = int(os.environ.get("TFTRANSFER_KILLS", fault_sizes.pick(4, 20)))
LONGEST_SECONDS = 600  # of one process; more is a hang
RECIPE = ("--image_size=32", "--width=0.05", "--steps=400", "--batch_size=16", "--evaluations=7", "--split_seed=1")


@pytest.fixture(scope="module")
def options(photographs, tmp_path_factory):
    """Options of a training whose images are prepared before anything is killed."""
    cache = tmp_path_factory.mktemp("cache")
    return [
        "--treatment=BnB",
        "--n=2",
        "--dataset=folder",
        f"--data_dir={photographs}",
        f"--cache_dir={cache}",
        *RECIPE,
    ]


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory):
    """The study of a command that nobody interrupted, without checkpoints."""
    runs = tmp_path_factory.mktemp("whole")
    process = start([*options, f"--runs_dir={runs}", "--checkpoint_minutes=0"])
    _, output = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0, output
    return essence(runs)


def start(options):
    words = [sys.executable, "-u", "-m", "tftransfer.run", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=heed_interrupts
    )


def heed_interrupts():
    """Undoes what a shell does to the commands that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def essence(runs):
    """Returns the results of a folder of studies that no interruption may change: all but wall-clock time."""
    (study,) = runs.iterdir()
    results = {}
    for record in record_files.read_study(study):
        history = {name: column for name, column in record.content["history"].items() if name != "seconds"}
        results[record.name] = (record.weights_digest, record.result, history, scalars(record.folder))
    return results


def until_it_trains(process):
    """Waits until a process trains; returns False if it ended before. What it says later is read and dropped."""
    output = []
    for line in process.stdout:
        output.append(line)
        if "training on" in line:
            drop_output(process)
            return True
    return False


def drop_output(process):
    """Reads and drops a process's output, so that it never waits for a reader."""
    process.reader = threading.Thread(target=process.stdout.read, daemon=True)
    process.reader.start()


def end(process, number):
    """Sends a signal; returns the exit code and what stood in standard error."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    code = process.wait(LONGEST_SECONDS)
    if hasattr(process, "reader"):
        process.reader.join()
    with process.stdout, process.stderr:
        return code, process.stderr.read()


def until_it_has_saved(process, runs):
    """Waits until a process has written a checkpoint or has ended; what it says is read and dropped."""
    before = checkpoint_files(runs)
    drop_output(process)
    while process.poll() is None and checkpoint_files(runs) <= before:
        time.sleep(0.01)


def checkpoint_files(runs):
    return {path.name for path in runs.glob("*/.checkpoints/*/[0-9]*-step*.npz")}


def test_killed_again_and_again(options, whole, tmp_path, tally):
    """At moments drawn at random: a third of them while it starts and builds, the others while it trains."""
    rng, kills, trainings, steps_seen = random.Random(0), 0, 0, []
    while kills < KILLS:
        runs = tmp_path / f"training{trainings}"
        words = [*options, f"--runs_dir={runs}", "--checkpoint_minutes=0.001"]
        before, process = kills, start(words)
        while kills < KILLS:
            if kills % 3 == 2:
                time.sleep(rng.uniform(0, 8))
            else:
                until_it_has_saved(process, runs)
                time.sleep(rng.uniform(0, 1.5))
            if end(process, signal.SIGKILL)[0] != -signal.SIGKILL:
                break  # it was done before
            kills += 1
            steps_seen.append(newest_steps(runs))
            process = start(words)
        else:
            process.communicate(timeout=LONGEST_SECONDS)
        survived = process.returncode == 0 and essence(runs) == whole
        tally.fault("SIGKILL of run", survived, kills - before)
        assert survived, (trainings, kills)
        assert not list(runs.glob("*/.checkpoints"))
        trainings += 1
    print(f"{kills} kills of {trainings} trainings; newest checkpoints at each: {steps_seen}")
    assert any(steps_seen), "no kill met a checkpoint: it was not tested"


def newest_steps(runs):
    files = sorted(runs.glob("*/.checkpoints/*/[0-9]*-step*.npz"))  # none that is being written
    return int(files[-1].name.split("step")[1].split("-")[0]) if files else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_soon_with_a_checkpoint(number, options, whole, tmp_path, tally):
    words = [*options, f"--runs_dir={tmp_path}"]
    process = start(words)
    assert until_it_trains(process)
    while process.poll() is None and not list(tmp_path.glob("*/*/events*")):
        time.sleep(0.05)
    time.sleep(0.5)  # in the middle of the first of two networks, which train for some seconds
    sent = time.monotonic()
    code, output = end(process, number)
    seconds = time.monotonic() - sent
    expected = {signal.SIGTERM: command_line.EXIT_TERMINATED, signal.SIGINT: command_line.EXIT_INTERRUPTED}[number]
    kept = newest_steps(tmp_path)
    out, _ = start(words).communicate(timeout=LONGEST_SECONDS)
    survived = code == expected and "goes on from there" in output and essence(tmp_path) == whole
    tally.fault(f"{signal.Signals(number).name} of run", survived)
    print(f"ended {seconds:.1f} s after {number!r}, checkpoint at step {kept}")
    assert survived, (code, output)
    assert len(output.strip().splitlines()) == 1, output
    assert f"goes on from its checkpoint at step {kept}" in out


def test_hung_up_at_random_moments(options, whole, tmp_path, tally):
    """A terminal that is closed at any moment of a training, a few times in a row: exit code 129, then it goes on."""
    rng, done, number, steps_seen = random.Random(9), 0, 0, []
    while done < HANGUPS:
        runs = tmp_path / f"training{number}"
        words, before, code = [*options, f"--runs_dir={runs}"], done, None
        while done < HANGUPS and code != 0:
            process = start(words)
            if until_it_trains(process):
                time.sleep(rng.uniform(0, 3))
            code, error = end(process, signal.SIGHUP)
            if code != 0:  # else it was done before
                done += 1
                steps_seen.append(newest_steps(runs))
                tally.fault("SIGHUP of run: exit code 129, one line", code == 129 and error.count("\n") == 1)
                assert code == 128 + signal.SIGHUP, error
                assert error.count("\n") == 1, error
        process = start(words)
        output, error = process.communicate(timeout=LONGEST_SECONDS)
        survived = process.returncode == 0 and essence(runs) == whole
        tally.fault("SIGHUP of run", survived, done - before)
        assert survived, (number, done, output, error)
        number += 1
    print(f"checkpoints after each SIGHUP: {steps_seen}")
    assert any(steps_seen), "no signal met a training: it was not tested"


def damage(kind, path):
    content = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "bit flipped":
        path.write_bytes(content[:500] + bytes([content[500] ^ 4]) + content[501:])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "gone":
        path.unlink()


def test_damaged_checkpoints_are_never_used(options, whole, tmp_path, tally):
    words = [*options, f"--runs_dir={tmp_path}/begun", "--checkpoint_minutes=0.001"]

    def two_checkpoints():
        return len(list(tmp_path.glob("begun/*/.checkpoints/*/*.npz"))) >= 2

    while not two_checkpoints():  # a kill may meet the moment between two networks
        shutil.rmtree(tmp_path / "begun", ignore_errors=True)
        process = start(words)
        while process.poll() is None and not two_checkpoints():
            time.sleep(0.02)
        end(process, signal.SIGKILL)
    for kind, which in (("truncated", [-1]), ("bit flipped", [-1, -2]), ("empty", [-1]), ("gone", [-1, -2])):
        runs = tmp_path / kind.replace(" ", "-")
        shutil.copytree(tmp_path / "begun", runs)
        files = sorted(runs.glob("*/.checkpoints/*/*.npz"))
        for index in which:
            damage(kind, files[index])
        process = start([*options, f"--runs_dir={runs}"])
        out, output = process.communicate(timeout=LONGEST_SECONDS)
        survived = process.returncode == 0 and essence(runs) == whole
        survived &= (" is damaged" in out) == (kind != "gone")
        tally.fault(f"checkpoint {kind}", survived, len(which))
        assert survived, (kind, out, output)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 700 KB, less than two checkpoints and a record need."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root alone: a full disk was NOT tried")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_ends_in_one_line_or_not_at_all(options, whole, small_disk, tmp_path, tally):
    """Its checkpoints do not fit beside a file of others; later there is room again."""
    words = [*options, f"--runs_dir={small_disk}/runs", "--checkpoint_minutes=0.001"]
    (small_disk / "others").write_bytes(bytes(500_000))
    process = start(words)
    out, output = process.communicate(timeout=LONGEST_SECONDS)
    clear = process.returncode == 0 or (process.returncode == 2 and len(output.strip().splitlines()) == 1)
    counted = [json.loads(path.read_text())["status"] for path in small_disk.glob("runs/*/*/record.json")]
    (small_disk / "others").unlink()
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    again = start(words)
    last, _ = again.communicate(timeout=LONGEST_SECONDS)
    survived = clear and again.returncode == 0 and essence(small_disk / "runs") == whole
    tally.fault("full disk while checkpointing", survived)
    print(f"exit code {process.returncode}, {len(counted)} record(s), then {again.returncode}: {output.strip()}")
    assert survived, (out, output, last)
    assert "No space left" in out + output
