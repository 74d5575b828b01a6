import dataclasses
import pathlib
import subprocess
import sys
import time

import pytest
from fake_trials import needs_keras_tuner

from tftransfer import tune
from tftransfer.cli import command_line
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.system import processes
from tftransfer.tuning import process
from tftransfer.tuning.study import DIVERGED, FAILED, OK

ROOT = pathlib.Path(__file__).parents[2]


def test_what_a_process_said_last_is_the_reason(tmp_path, monkeypatch):
    def fails(program, limit=None):
        monkeypatch.setattr(processes, "words", lambda *_: [sys.executable, "-c", program])
        return process.Trainer("store", "random0", "B", [0, 1]).train(tmp_path, Config(), limit)

    assert fails("raise ValueError('no images')").error == "ValueError: no images"
    assert (
        fails("import os; os.kill(os.getpid(), 9)").error
        == "ended by signal 9 (SIGKILL), as a system out of memory does"
    )
    assert fails("raise SystemExit(3)").error == "ended with exit code 3 and said nothing"
    assert fails("").status == FAILED, "no outcome was written"
    assert fails("import time; time.sleep(60)", limit=0.1) is None


def test_a_trial_does_not_outlive_a_search_that_is_killed():
    trial = "import time\nfrom tftransfer.system import processes\nprocesses.end_with_parent()\n"
    trial += "print(1, flush=True)\ntime.sleep(60)"
    search = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {trial!r}])"
    parent = subprocess.Popen([sys.executable, "-c", search], stdout=subprocess.PIPE, cwd=ROOT)
    with parent:
        assert parent.stdout.readline() == b"1\n"
        parent.kill()
        started = time.monotonic()
        assert parent.stdout.read() == b"", "ends when the trial has closed it, too"
    assert time.monotonic() - started < 30


@pytest.mark.slow
@needs_keras_tuner
def test_a_trial_in_a_process_of_its_own(options, tmp_path):
    parsed, _ = command_line.parse(tune.TuneConfig, ["tune.py", *options], "usage")
    store = prepared_images.prepare(parsed)
    trainer = process.Trainer(store.path, "random0", "B", [0, 2])
    one = dataclasses.replace(parsed.start(), evaluations=1)
    first, second = (trainer.train(tmp_path / name, one, None) for name in "ab")
    assert first.status == OK, first.error
    assert (first.top1, first.cross_entropy) == (second.top1, second.cross_entropy), "runs repeat"
    assert first.peak_memory_mb > 100
    diverged = trainer.train(tmp_path / "c", dataclasses.replace(one, learning_rate=1e30, warmup_steps=0), None)
    assert diverged.status == DIVERGED
    assert "not finite" in diverged.error
    failed = process.Trainer(str(tmp_path / "nowhere"), "random0", "B", [0, 2]).train(tmp_path / "d", one, None)
    assert failed.status == FAILED
    assert "StoreError" in failed.error
    assert trainer.train(tmp_path / "e", one, 0.5) is None
