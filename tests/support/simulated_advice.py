"""An advice whose trainings are made up: their scores and costs are formulas, and a clock counts the costs."""

import numpy as np

from easy_study import EasyStore
from tftransfer.advising import advisor, candidates, schedule, state
from tftransfer.experiment.config import Config
from tftransfer.training import trainer

WORK = (100, 300, 200, 200, 100, 50, 20, 5)
SPEED = schedule.Speed(step=0.1, forward=0.05, start=2.0)


class KilledError(Exception):
    """The call was killed."""


def best_is(policy, best=0.9, worst=0.5):
    """Returns scores of which one candidate has the best; others lose by the number of blocks that they differ in."""
    wanted = candidates.Candidate("", policy, "").decisions

    def quality(candidate):
        if candidate.is_scratch:
            return worst
        apart = sum(a != b for a, b in zip(candidate.decisions, wanted, strict=True))
        return max(worst, best - 0.05 * apart - 0.02 * (candidate.name not in (policy, candidates.ALL_TUNED)))

    return quality


class Laboratory:
    """Trains nothing: a candidate's score and cost are formulas.

    Args:
        folder: Folder of the advice.
        quality: Top-1 of a candidate at the end.
        killed_at: Number of the score at which the call is killed; None for never.
        spoiled: Name of a candidate whose kept blocks change.
        diverging: Names of candidates whose loss is not finite.
    """

    def __init__(self, folder, quality=None, killed_at=None, spoiled="", diverging=()):
        self.folder, self.quality = folder, quality or best_is("k3t4n1")
        self.killed_at, self.spoiled, self.diverging = killed_at, spoiled, diverging
        self.now, self.scored, self.begun, self.said, self.rates = 0.0, [], [], [], {}
        self.task = easy_task(folder)

    def advise(self, monkeypatch, budget=4000.0, tolerance=0.005, key="k" * 64, started=30.0, **options):
        """Returns what a call of the command finds out; the call takes `started` seconds before."""
        began = self.now
        self.now += started
        options = {"width": 0.1, "batch_size": 32, "steps": 400, "views": 2} | options
        self.stand_in(monkeypatch)
        monkeypatch.setattr(state.atomic, "write_text", lambda path, text: path.write_text(text))  # waits for no disk
        asked = advisor.Advisor(
            Config(**options), self.task, {}, WORK, state.State(self.folder, key), budget, tolerance, self.said.append,
            clock=lambda: self.now, started=began,
        )  # fmt: skip
        return asked.run()

    def stand_in(self, monkeypatch):
        """Lets the phases of every advice train here."""
        monkeypatch.setattr(advisor, "LiveTraining", lambda *words: _Training(self, *words))
        monkeypatch.setattr(advisor, "FeatureBank", lambda *words: _Bank(self, words[2]))


def easy_task(folder):
    store = EasyStore(folder)
    return trainer.Task("whole", "B", 6, store.select("train", range(6)), store.select("val", range(6)), None)


class _Bank:
    def __init__(self, laboratory, task):
        laboratory.now += 3 * len(task.training) / 32 * SPEED.forward
        self._labels = np.asarray(task.training.labels)

    def pooled(self):
        rng = np.random.default_rng(0)
        return {
            depth: np.eye(6)[self._labels] * depth / 4 + rng.normal(size=(len(self._labels), 6)) for depth in (1, 3, 7)
        }


class _Training:
    are_features = False

    def __init__(self, laboratory, candidate, config, task, source, bank=None):
        self._lab, self._candidate, self._config, self._task = laboratory, candidate, config, task
        self._cost, self.step, self.seconds = candidate.cost(WORK), 0, 0.0
        self._takes(schedule.start_seconds(self._cost, SPEED))
        laboratory.begun.append(candidate.name)

    def _takes(self, seconds):
        self._lab.now += seconds
        self.seconds += seconds

    @property
    def diverged(self):
        return self._candidate.name in self._lab.diverging and self.step > 0

    def advance(self, step):
        self._takes(max(0, step - self.step) * self._cost * SPEED.step)
        self.step = max(self.step, step)

    def correct(self):
        if self._lab.killed_at == len(self._lab.scored):
            raise KilledError
        held = np.asarray(self._task.validation.ids)
        self._takes(len(held) / 32 * self._cost * SPEED.forward)
        name, seed = self._candidate.name, self._config.seed
        self._lab.scored.append((name, int(held[0]), seed, self.step, round(self._config.learning_rate, 6)))
        if self.diverged:
            return np.zeros(len(held), bool)
        done = self.step / self._config.steps
        level = self._lab.quality(self._candidate) * (1 - 0.3 * (1 - done))
        hard = np.random.default_rng(7).random(1000)[held]  # the same images are hard for all
        own = np.random.default_rng([seed, *name.encode(), int(held[0])]).random(len(held))
        return 0.8 * hard + 0.2 * own < level

    def proofs(self):
        return ("conv1",) if self._candidate.name == self._lab.spoiled else ()
