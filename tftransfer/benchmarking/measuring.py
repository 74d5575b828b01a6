"""The order of measurements: cases start one after another, then take turns until the time is over."""

import contextlib
import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tftransfer.benchmarking import cases
from tftransfer.benchmarking.cases import Case
from tftransfer.benchmarking.process import Worker, WorkerError
from tftransfer.experiment.config import Config

_FRACTION_OF_TURNS = 0.85  # of the time that is left after the starts; the replicas get the rest
_MOST_ROUNDS = 15
_LONGEST_TURN_SECONDS = 4.0


@dataclasses.dataclass(frozen=True)
class Measured:
    """The measurements of one case.

    Attributes:
        case: The case.
        turns: Of each turn `seconds_per_step`, `waiting` (fraction) and `matmul` (multiply-adds per second).
        start_seconds: Time from the start of the process to its first steady step.
        compile_seconds: Part of it for building, tracing and the first steps.
        multiply_adds: Multiply-adds of a step for one image, of all networks.
        peak_memory_mb: Peak memory of its process, in megabytes.
        device: The device that it ran on.
        drawn: Whether the images were drawn instead of read from the data set.
        error: Why it was not measured; "" if it was.
    """

    case: Case
    turns: tuple[dict[str, float], ...] = ()
    start_seconds: float = 0.0
    compile_seconds: float = 0.0
    multiply_adds: int = 0
    peak_memory_mb: float = 0.0
    device: str = ""
    drawn: bool = False
    error: str = ""

    def median(self, column: str) -> float:
        """Returns the median of a column of the turns."""
        return statistics.median(turn[column] for turn in self.turns)

    def images_per_second(self, batch_size: int) -> tuple[float, float, float]:
        """Returns median, lowest and highest images per second over the turns; each image counts once."""
        speeds = sorted(batch_size / turn["seconds_per_step"] for turn in self.turns)
        return statistics.median(speeds), speeds[0], speeds[-1]

    def fraction_of_peak(self, batch_size: int) -> float:
        """Returns the median rate of training steps as a fraction of that of matrix products at the same time."""
        needed = self.multiply_adds * batch_size
        return statistics.median(needed / turn["seconds_per_step"] / turn["matmul"] for turn in self.turns)


def measure(config: Config, chosen: Sequence[Case], seconds: float, say: Callable[[str], None]) -> list[Measured]:
    """Measures cases in turn for `seconds`, starts included.

    A case that fails or is too slow to start has an error; the others are measured.
    """
    deadline = time.perf_counter() + seconds

    def left() -> float:
        return deadline - time.perf_counter()

    found: list[Measured] = []
    with contextlib.ExitStack() as stack:
        workers: dict[int, Worker] = {}
        for number, case in enumerate(chosen):
            say(f"{case.text}: starting")
            worker = stack.enter_context(Worker(config, case.kind, case.frozen))
            try:
                ready = worker.answer(left())
                found.append(_started(case, worker, ready))
                workers[number] = worker
            except WorkerError as error:
                worker.close()
                found.append(Measured(case, error=str(error)))
        _take_turns(found, workers, left() * _FRACTION_OF_TURNS, left)
    return [m if m.turns or m.error else dataclasses.replace(m, error="no time was left for a turn") for m in found]


def _started(case: Case, worker: Worker, ready: dict[str, Any]) -> Measured:
    return Measured(case, start_seconds=worker.age_seconds, **ready)


def _take_turns(found: list[Measured], workers: dict[int, Worker], seconds: float, left: Callable[[], float]) -> None:
    """Trains each case for a short time, in rounds, so that disturbances affect all of them."""
    until = time.perf_counter() + seconds
    length = max(0.2, min(_LONGEST_TURN_SECONDS, seconds / max(1, len(workers)) / _MOST_ROUNDS - 1.0))
    longest = 0.0
    for _ in range(_MOST_ROUNDS):
        if not workers or time.perf_counter() + longest > until:
            return
        started = time.perf_counter()
        for number, worker in list(workers.items()):
            try:
                turn = worker.ask(length, left())
            except WorkerError as error:
                workers.pop(number).close()
                found[number] = dataclasses.replace(found[number], error=str(error), turns=())
                continue
            memory = turn.pop("peak_memory_mb")
            found[number] = dataclasses.replace(
                found[number], turns=(*found[number].turns, turn), peak_memory_mb=memory
            )
        longest = max(longest, time.perf_counter() - started)


def replicas(config: Config, seconds: float) -> dict[str, Any]:
    """Compares one replica with two; returns the result of `stepping.largest_difference`, or an `error`."""
    if config.batch_size % 2:
        return {"error": f"a batch of {config.batch_size} does not divide by two"}
    with Worker(config, cases.REPLICAS) as worker:
        try:
            return worker.answer(seconds)
        except WorkerError as error:
            return {"error": str(error)}


def load() -> float:
    """Returns the load average of the last minute, 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
