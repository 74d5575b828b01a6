"""The command `bench`, mostly with measurements that are made up; the real ones are in tests/benchmarking."""

import json
import pathlib

import pytest

from tftransfer import bench
from tftransfer.benchmarking import cases, measuring
from tftransfer.benchmarking.process import WorkerError
from tftransfer.cli import command_line
from tftransfer.scheduling import speeds

READY = {"multiply_adds": 10**6, "compile_seconds": 1.0, "device": "one_device: CPU", "drawn": True}


class FakeWorker:
    """Answers as a case's process does, at once."""

    failures = {}  # noqa: RUF012
    waiting = 0.01

    def __init__(self, config, kind, frozen=()):
        self.kind, self.networks, self.turns, self.age_seconds = kind, len(frozen), 0, 7.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        pass

    def answer(self, limit_seconds):
        if self.kind in self.failures:
            raise WorkerError(self.failures[self.kind])
        if self.kind == cases.REPLICAS:
            return {"difference": 1e-7, "strategy": "mirrored: CPU x 2", "steps": 1, "peak_memory_mb": 1.0}
        return {**READY, "peak_memory_mb": 100.0}

    def ask(self, seconds, limit_seconds):
        self.turns += 1
        seconds = (0.1 if self.turns != 2 else 0.9) * (self.networks if self.networks > 1 else 1)
        return {"seconds_per_step": seconds, "waiting": self.waiting, "matmul": 1e9, "peak_memory_mb": 150.0}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measuring, "Worker", FakeWorker)
    monkeypatch.setattr(measuring, "load", lambda: 0.0)

    def command(*words):
        code = bench.main(["bench.py", f"--cache_dir={tmp_path / 'cache'}", *words])
        return code, capsys.readouterr().out

    return command


def test_the_table_has_medians_and_the_speeds_are_kept(run, tmp_path):
    code, text = run("--batch_size=50")
    assert code == 0
    rows = {line[:18].strip(): line[18:].split() for line in text.splitlines()}
    assert rows["base"][:5] == ["500", "56", "to", "500", "100.0"], "one turn was disturbed; the median was not"
    assert "lockstep of 14" in rows
    assert "1.0e-07" in text
    known = speeds.known(bench.BenchConfig(cache_dir=str(tmp_path / "cache"), batch_size=50))
    assert known.seconds_per_step == {"base": 0.1, "frozen": 0.1, "lockstep": pytest.approx(0.1)}
    assert known.networks["lockstep"] == 14
    assert known.start_seconds["base"] == 7.0
    content = json.loads(pathlib.Path(tmp_path, "cache", speeds.FILE).read_text())
    (entry,) = content["entries"].values()
    assert entry["speeds"]["base"]["details"]["peak_memory_mb"] == 150.0
    assert entry["speeds"]["base"]["details"]["fraction_of_matmul"] == pytest.approx(0.5)


def test_what_limits_is_said(run, monkeypatch):
    assert "arithmetic: 50 %" in run("--batch_size=50")[1]
    assert "no matrix product: steps reach 10 %" in run("--batch_size=10")[1]
    monkeypatch.setattr(FakeWorker, "waiting", 0.4)
    monkeypatch.setattr(measuring, "load", lambda: 99.0)
    text = run()[1]
    assert "waits for images 40 %" in text
    assert "load 99.0" in text


def test_a_contender_that_fails_is_named_and_the_others_are_measured(run, monkeypatch, tmp_path):
    monkeypatch.setattr(FakeWorker, "failures", {"lockstep": "out of memory", "replicas": "no such device"})
    code, text = run()
    assert code == 0
    assert "not measured: out of memory" in text
    assert "not compared: no such device" in text
    assert set(speeds.known(bench.BenchConfig(cache_dir=str(tmp_path / "cache"))).seconds_per_step) == {
        "base",
        "frozen",
    }


def test_nothing_measured_is_a_failure_and_nothing_is_kept(run, monkeypatch, tmp_path):
    monkeypatch.setattr(FakeWorker, "failures", dict.fromkeys(("base", "frozen", "lockstep"), "bang"))
    assert run()[0] == command_line.EXIT_FAILED
    assert speeds.known(bench.BenchConfig(cache_dir=str(tmp_path / "cache"))) is None


def test_replicas_need_an_even_batch(run):
    assert "a batch of 63 does not divide by two" in run("--batch_size=63")[1]


def test_short_times_and_loss_scaling_leave_towers_out(run):
    assert "lockstep of 6" in run("--time_budget=90s")[1]
    assert "lockstep" not in run("--precision=mixed_float16")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--time_budget=20s"], "Expected at least 60s"),
        (["--time_budget=5"], "90s, 20m or 2h"),
        (["--dataset=no_such_set"], "no_such_set"),
        (["--optimizer=adamw", "--momentum=0.5"], "--momentum would change nothing"),
        (["--batch_size=0"], "at least 1"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(run, words, message):
    with pytest.raises(ValueError, match=message):
        run(*words)


def test_the_cache_must_be_writable(run, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ValueError, match="--cache_dir=FOLDER"):
        run()
