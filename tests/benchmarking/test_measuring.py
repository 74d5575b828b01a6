import pytest

from tftransfer.benchmarking import cases, measuring
from tftransfer.benchmarking.process import WorkerError
from tftransfer.experiment.config import Config

BASE, FROZEN, _ = cases.chosen(Config(), 300.0)
TURNS = tuple({"seconds_per_step": seconds, "waiting": 0.1, "matmul": 1e9} for seconds in (0.1, 0.4, 0.2))


def test_one_disturbed_turn_does_not_move_the_medians():
    measured = measuring.Measured(BASE, TURNS, multiply_adds=10**6)
    assert measured.images_per_second(50) == pytest.approx((250, 125, 500))
    assert measured.fraction_of_peak(50) == pytest.approx(0.25)
    assert measured.median("waiting") == 0.1


class Failing:
    """A worker whose frozen case ends at once, and whose base ends in its second turn."""

    def __init__(self, config, kind, frozen=()):
        self.kind, self.turns, self.age_seconds = kind, 0, 1.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        pass

    def answer(self, limit_seconds):
        if self.kind != BASE.kind:
            raise WorkerError("too large")
        return {"multiply_adds": 1, "compile_seconds": 1.0, "device": "CPU", "drawn": True, "peak_memory_mb": 1.0}

    def ask(self, seconds, limit_seconds):
        self.turns += 1
        if self.turns == 2:
            raise WorkerError("out of memory")
        return {**TURNS[0], "peak_memory_mb": 2.0}


def test_a_case_that_fails_has_an_error_and_no_numbers(monkeypatch):
    monkeypatch.setattr(measuring, "Worker", Failing)
    base, frozen = measuring.measure(Config(), (BASE, FROZEN), 10.0, lambda line: None)
    assert (base.error, base.turns) == ("out of memory", ())
    assert frozen.error == "too large"


def test_an_odd_batch_is_not_divided():
    assert "does not divide by two" in measuring.replicas(Config(batch_size=63), 1.0)["error"]
