"""A Keras callback with the history of a group's training: metrics, divergence, speed."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

METRICS = ("loss", "top1", "val_top1", "val_top5", "val_cross_entropy")
_STEPS_BETWEEN_CHECKS = 25
_FIRST_STEPS = 5  # compile and warm up; not counted in speed


def of_network(logs: Mapping[str, Any], network: str, metric: str) -> float | None:
    """Returns a network's metric; Keras leaves the output's name out if there is one output only."""
    prefix, name = ("val_", metric[4:]) if metric.startswith("val_") else ("", metric)
    for candidate in (f"{prefix}{network}_{name}", f"{prefix}{name}"):
        if candidate in logs:
            return float(logs[candidate])
    return None


class TrainingHistory(keras.callbacks.Callback):
    """Keeps the history of every network and stops when all have diverged.

    A network that diverges has no history from then on, so that its record is the same whether it was trained alone,
    where training stops, or with others that go on.

    Args:
        networks: Names of the group's networks.
        steps_per_epoch: Steps in a pass over the half.
        rate: The rate of a step, from the number of steps before it.
        report: Called with step, and the newest row of history of each network that has one, after every evaluation
            and where a network diverges.
        stage: Told when the first step is done, which takes much longer than the next ones.

    Attributes:
        histories: Columns by network: step, epoch, seconds, learning_rate, loss, top1, val_top1 ...
        diverged: Networks whose loss is no longer finite, and the step at which this was seen.
        step: Steps done.
    """

    def __init__(
        self,
        networks: Sequence[str],
        steps_per_epoch: int,
        rate: Callable[[int], Any],
        report: Callable[[int, Mapping[str, Mapping[str, float]]], None] | None = None,
        stage: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__()
        self.networks = tuple(networks)
        self.histories: dict[str, dict[str, list[Any]]] = {name: {} for name in networks}
        self.diverged: dict[str, int] = {}
        self.step = 0
        self._steps_per_epoch = steps_per_epoch
        self._rate = rate
        self._report, self._stage = report, stage
        self._step_seconds: list[float] = []
        self._earlier: Mapping[str, Any] = {"seconds": 0.0, "train_seconds": 0.0, "seconds_per_step": None}
        self._started = self._last = time.perf_counter()

    @property
    def seconds_per_step(self) -> float:
        """Median over the training steps without the first few and evaluations; those of this process, if any."""
        steady = self._step_seconds[_FIRST_STEPS:]
        earlier = self._earlier["seconds_per_step"]
        if not steady and earlier is not None:
            return earlier
        return float(np.median(steady or self._step_seconds)) if self._step_seconds else math.nan

    @property
    def train_seconds(self) -> float:
        """Sum over all training steps, compilation included, evaluations left out."""
        return self._earlier["train_seconds"] + float(sum(self._step_seconds))

    @property
    def earlier_seconds(self) -> float:
        """Seconds that the checkpoint from which training went on had taken."""
        return self._earlier["seconds"]

    @property
    def all_diverged(self) -> bool:
        """Whether there is nothing left to train."""
        return len(self.diverged) == len(self.networks)

    def state(self) -> dict[str, Any]:
        """Returns histories, divergence and times for `resume`, as JSON has them."""
        return {
            "step": self.step,
            "histories": self.histories,
            "diverged": self.diverged,
            "seconds": time.perf_counter() - self._started,
            "train_seconds": self.train_seconds,
            "seconds_per_step": self.seconds_per_step if self._step_seconds else self._earlier["seconds_per_step"],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state` of another process, and reports its history again."""
        self.step = state["step"]
        self.histories = {name: state["histories"][name] for name in self.networks}
        self.diverged = dict(state["diverged"])
        self._earlier = {name: state[name] for name in self._earlier}
        self._started -= state["seconds"]
        for step in sorted({step for history in self.histories.values() for step in history.get("step", ())}):
            rows = {}
            for name, history in self.histories.items():
                if step in history.get("step", ()):
                    index = history["step"].index(step)
                    rows[name] = {column: values[index] for column, values in history.items()}
            self._tell(rows)

    def rest(self) -> None:
        """Leaves the time since the last step out of the next one."""
        self._last = time.perf_counter()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._last = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._last = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += 1
        now = time.perf_counter()
        self._step_seconds.append(now - self._last)
        self._last = now
        if len(self._step_seconds) == 1:
            self._stage(f"first step done, {self._step_seconds[0]:.0f} s; the next ones are quicker")
        if self.step % _STEPS_BETWEEN_CHECKS == 0:
            self._keep(self._look_for_divergence(logs or {}), {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = logs or {}
        training = [name for name in self.networks if name not in self.diverged]
        self._look_for_divergence(logs)
        self._keep(training, logs)

    def _keep(self, networks: Sequence[str], logs: Mapping[str, Any]) -> None:
        """Adds a row to the history of some networks and reports it."""
        if not networks:
            return
        rows = {}
        for name in networks:
            row = {"step": self.step, "epoch": self.step / self._steps_per_epoch}
            row |= {"seconds": time.perf_counter() - self._started, "learning_rate": self._rate_of_last_step()}
            row |= {metric: of_network(logs, name, metric) for metric in METRICS}
            rows[name] = {c: value if value is not None and math.isfinite(value) else None for c, value in row.items()}
            for column, value in rows[name].items():
                self.histories[name].setdefault(column, []).append(value)
        self._tell(rows)

    def _rate_of_last_step(self) -> float:
        """Returns the learning rate of the step just done; the optimizer's own is already that of the next."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)  # inside loss scaling
        done = int(keras.ops.convert_to_numpy(optimizer.iterations))
        return float(keras.ops.convert_to_numpy(self._rate(max(0, done - 1))))

    def _tell(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Reports rows of history; missing values are NaN."""
        if self._report:
            step = next(iter(rows.values()))["step"]
            named = {name: {c: math.nan if v is None else v for c, v in row.items()} for name, row in rows.items()}
            self._report(step, named)

    def _look_for_divergence(self, logs: Mapping[str, Any]) -> list[str]:
        """Returns the networks whose loss is no longer finite, which it was when last looked at."""
        new = []
        for name in self.networks:
            loss = of_network(logs, name, "loss")
            if name not in self.diverged and loss is not None and not math.isfinite(loss):
                self.diverged[name] = self.step
                new.append(name)
        if self.all_diverged:
            self.model.stop_training = True
        return new
