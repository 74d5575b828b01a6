"""The search: trains the starting recipe, then those that an oracle proposes, until the time is spent."""

import dataclasses
import math
import pathlib
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from tftransfer.experiment.config import Config
from tftransfer.tuning import budget, oracles, space, view
from tftransfer.tuning.space import Choices
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Result, Study, Trial, winner

Train = Callable[[pathlib.Path, Config, float | None], Result | None]
_FAILURES_IN_A_ROW = 3
_LEAST_FRACTION = 0.5  # of its length to which a trial may be shortened when the time runs out
_SHORTEST_EPOCHS = 1.0  # after less than one epoch a score says little about a recipe
_GRACE = 0.1  # of the budget, for a trial that takes longer than expected


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a search, the trials of earlier calls included.

    Attributes:
        seconds: Time of all trials.
        trials: Number of trials; 0 for no limit.
    """

    seconds: float
    trials: int = 0


@dataclasses.dataclass(frozen=True)
class Scope:
    """The recipes that are searched.

    Attributes:
        start: The recipe that is tried first.
        choices: Values to try.
        tuner: A key of `oracles.TUNERS`.
        images: Number of training images of a trial.
    """

    start: Config
    choices: Choices
    tuner: str
    images: int


class Search:
    """One call of the search in a study; trials of earlier calls are not repeated.

    Args:
        study: Its folder.
        scope: The recipes that are searched.
        train: Trains a recipe in a trial's folder, within a limit of seconds.
        limits: Its limits.
        say: Called with lines for the user.
        clock: Returns seconds since any fixed time.
    """

    def __init__(
        self,
        study: Study,
        scope: Scope,
        train: Train,
        limits: Limits,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study, self._scope, self._train = study, scope, train
        self._limits, self._say, self._clock = limits, say, clock
        self._trials = {_key(trial.asked): trial for trial in study.trials()}
        self._spent_before = study.lost_seconds + sum(trial.seconds for trial in self._trials.values())
        self._started = clock()

    @property
    def trials(self) -> list[Trial]:
        """All trials that ended, by number."""
        return sorted(self._trials.values(), key=lambda trial: trial.number)

    @property
    def spent_seconds(self) -> float:
        """Time of all trials of earlier calls, and of this call."""
        return self._spent_before + self._clock() - self._started

    @property
    def left_seconds(self) -> float:
        """Time that is left."""
        return self._limits.seconds - self.spent_seconds

    def run(self) -> None:
        """Searches; tells the user why it ends."""
        self._say(f"Search ended: {self._run()}.")

    def _run(self) -> str:
        """Searches; returns why it ends."""
        default = space.tuned(self._scope.start)
        known = self._trials.get(_key(default))
        if known is None or known.status == FAILED:  # all others are compared with it
            self._one(default, known.number if known else 1, limit=None)
        scope = self._scope
        bracket = self._bracket() if scope.tuner == "hyperband" else None
        with tempfile.TemporaryDirectory(prefix="tftransfer-tune-") as scratch:
            oracle = oracles.Oracle(scope.tuner, scope.choices, scope.start.seed, bracket, pathlib.Path(scratch))
            return self._follow(oracle, failures=int(self._trials[_key(default)].status == FAILED))

    def _follow(self, oracle: oracles.Oracle, failures: int) -> str:
        """Trains what an oracle proposes, after `failures` in a row; returns why the search ends."""
        while (proposal := oracle.ask()) is not None:
            asked, values = proposal
            trial = self._trials.get(_key(values))
            if trial is None:
                if self._limits.trials and len(self._trials) >= self._limits.trials:
                    return f"{len(self._trials)} trials done (--trials)"
                trained = self._fitted(values)
                if trained is None:
                    return f"no time for another trial ({budget.duration(self.left_seconds)} left)"
                trial = self._one(values, self._study.next_number(), self._limit_seconds(), trained)
                if trial is None:
                    return "the time is spent; a longer --time_budget goes on from here"
                failures = failures + 1 if trial.status == FAILED else 0
                if failures == _FAILURES_IN_A_ROW:
                    return f"{failures} trials in a row failed"
            oracle.tell(asked, trial.top1 if trial.status == OK else 0.0)
        return "nothing is left to try"

    def _one(
        self, asked: Mapping[str, Any], number: int, limit: float | None, trained: Mapping[str, Any] | None = None
    ) -> Trial | None:
        """Trains a recipe and records its result; None if the time ran out."""
        values, started = dict(asked if trained is None else trained), self._clock()
        folder = self._study.folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        self._say(f"trial {number}{' (the starting recipe)' if number == 1 else ''}: {space.describe(values)}")
        try:
            config = space.recipe(self._scope.start, values, self._scope.images)
            result = self._train(folder, dataclasses.replace(config, evaluations=1), limit)
        except ValueError as error:  # a combination that Config refuses
            result = Result(status=FAILED, seconds=0.0, error=str(error))
        if result is None:
            self._study.lose(self._clock() - started)
            self._say(f"trial {number}: ended, the time is spent")
            return None
        trial = Trial(number=number, asked=dict(asked), recipe=values, **dataclasses.asdict(result))
        view.write_trial(folder, trial, time.time())
        self._study.write(trial)
        self._trials[_key(asked)] = trial
        self._say(f"trial {number}: {self._outcome(trial)}")
        return trial

    def _outcome(self, trial: Trial) -> str:
        """Returns the result of a trial in words."""
        left = f"{budget.duration(self.left_seconds)} left"
        if trial.status != OK:
            return f"{trial.status.upper()} after {budget.duration(trial.seconds)}: {trial.error}; {left}"
        best = winner(self.trials)
        return (
            f"top-1 {100 * trial.top1:.1f} % on held-out images, {budget.duration(trial.seconds)}; "
            f"best {100 * best.top1:.1f} % (trial {best.number}); {left}"
        )

    def _limit_seconds(self) -> float:
        return self.left_seconds + _GRACE * self._limits.seconds

    def _expected(self, values: Mapping[str, Any]) -> float | None:
        """Returns the expected seconds of a trial; None if nothing was measured."""
        pace = budget.Pace(self._trials.values())
        return pace.seconds(values["width"], self._work(values)) if pace.known else None

    def _work(self, values: Mapping[str, Any]) -> int:
        """Returns the number of images that a trial trains on, counted in every epoch."""
        config = dataclasses.replace(self._scope.start, **values)
        return config.train_steps(self._scope.images) * config.batch_size

    def _fitted(self, values: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Returns the values with a length that the time allows; None if it is too short for a fair trial."""
        left, expected = self.left_seconds, self._expected(values)
        if expected is None or expected <= left:
            return values if left > 0 else None
        overhead = budget.Pace(self._trials.values()).overhead_seconds
        fraction = math.floor(100 * (left - overhead) / (expected - overhead)) / 100
        shorter = {**values, "epochs": round(values["epochs"] * fraction, 2)}
        return shorter if fraction >= _LEAST_FRACTION else None

    def _bracket(self) -> oracles.Bracket:
        """Returns the lengths of Hyperband's trials: the longest with which its first bracket fits the time.

        They are chosen once in a study, so that a resumed search makes the same proposals.
        """
        if self._study.bracket is None:
            own = self._scope.start.epochs
            lengths = sorted((epochs for epochs in self._scope.choices["epochs"] if epochs >= own), reverse=True)
            brackets = [oracles.Bracket(epochs, rounds) for rounds in (3, 2) for epochs in lengths]
            telling = [bracket for bracket in brackets if bracket.shortest_epochs >= _SHORTEST_EPOCHS]
            fitting = [bracket for bracket in telling if self._bracket_seconds(bracket) <= self.left_seconds]
            self._study.bracket = dataclasses.asdict((fitting or brackets[-1:])[0])
        return oracles.Bracket(**self._study.bracket)

    def _bracket_seconds(self, bracket: oracles.Bracket) -> float:
        """Returns the expected seconds of a bracket; 0 if nothing was measured."""
        widths = self._scope.choices["width"]
        values = [space.tuned(self._scope.start) | {"width": width} for width in widths]
        each = [self._expected(v | {"epochs": epochs}) for v in values for epochs in bracket.epochs]
        return sum(seconds or 0.0 for seconds in each) / len(widths)


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns the values that identify a recipe, hashable."""
    return tuple(values[name] for name in space.TUNED)


def failures(trials: list[Trial]) -> list[str]:
    """Returns a sentence for each trial that failed or diverged."""
    return [
        f"trial {trial.number} {trial.status}: {trial.error} ({space.describe(trial.recipe)})"
        for trial in trials
        if trial.status in (FAILED, DIVERGED)
    ]
