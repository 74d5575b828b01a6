"""Tuners that propose recipes: keras-tuner's oracles without its training loop.

keras-tuner's own loop builds all networks in one process, swallows what they raise, and takes the best epoch. Its
oracles work without that loop. Their state is not kept on disk: an oracle with the same seed and the same results makes
the same proposals, so that a search is resumed by asking again.
"""

import contextlib
import dataclasses
import importlib.util
import pathlib
import random
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from tftransfer import seeds
from tftransfer.tuning.space import Choices

TUNERS = {
    "hyperband": "many short trainings, the best third of them three times as long, and again",
    "random": "values at random",
    "bayesian": "values at random, then where a Gaussian process expects the best",
    "grid": "all combinations in order, the learning rate first",
}
_ENDLESS = 1000
_OBJECTIVE = "top1"
_FIRST_RANDOM = 6  # of the Bayesian tuner; its own default, three for each option, would be the whole of a short search
_DRAWS = 1000


@dataclasses.dataclass(frozen=True)
class Bracket:
    """Lengths of the trials of Hyperband.

    Attributes:
        longest_epochs: Length of trials in the last round.
        rounds: Number of rounds. Each has a third of the trials of the one before, three times as long; the last has
            one.
    """

    longest_epochs: float
    rounds: int

    @property
    def shortest_epochs(self) -> float:
        """Length of the trials of the first round."""
        return self.longest_epochs / 3 ** (self.rounds - 1)

    @property
    def epochs(self) -> list[float]:
        """Lengths of all trials of the first bracket."""
        return [self.longest_epochs / 3**i for i in reversed(range(self.rounds)) for _ in range(3**i)]


def check_installed(tuner: str) -> None:
    """Raises ValueError if a package that a tuner needs is missing."""
    needed = ["keras_tuner", *(["sklearn", "scipy"] if tuner == "bayesian" else [])]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise ValueError(f"--tuner={tuner} needs {' and '.join(missing)}. Install: pip install 'tftransfer[tune]'")


class Oracle:
    """Proposes values of the tuned options, one trial at a time.

    Args:
        tuner: A key of `TUNERS`.
        choices: Values of each option. `hyperband` takes its lengths from `bracket` instead.
        seed: Seed of the proposals.
        bracket: Lengths of the trials of `hyperband`; None for the others.
        scratch: A folder for the state that keras-tuner always writes; nothing is read from it.
    """

    def __init__(self, tuner: str, choices: Choices, seed: int, bracket: Bracket | None, scratch: pathlib.Path) -> None:
        self._bracket = bracket
        self._choices = {name: values for name, values in choices.items() if not (bracket and name == "epochs")}
        self._random = random.Random(seeds.derive(seed, "tune", "untried"))
        self._told: set[tuple[Any, ...]] = set()
        self._repeats = tuner == "bayesian"
        with _quiet():
            import keras_tuner

            self._oracle = self._make(keras_tuner, tuner, 1 + seeds.derive(seed, "tune", tuner) % 2**30)
            self._oracle.verbose = 0
            keras_tuner.engine.base_tuner.BaseTuner(self._oracle, directory=str(scratch), project_name=tuner)

    @property
    def _units(self) -> int:
        """The longest length in units of the shortest, as keras-tuner counts lengths."""
        return 3 ** (self._bracket.rounds - 1)

    def _make(self, keras_tuner: Any, tuner: str, seed: int) -> Any:
        """Returns keras-tuner's oracle."""
        space = keras_tuner.HyperParameters()
        for field, values in self._choices.items():
            if len(values) > 1:
                space.Choice(field, list(values))
        options = {
            "objective": keras_tuner.Objective(_OBJECTIVE, "max"),
            "hyperparameters": space,
            "seed": seed,
            "max_consecutive_failed_trials": _ENDLESS,
        }
        if tuner == "hyperband":
            return keras_tuner.oracles.HyperbandOracle(
                max_epochs=self._units, factor=3, hyperband_iterations=_ENDLESS, **options
            )
        if tuner == "bayesian":
            return keras_tuner.oracles.BayesianOptimizationOracle(
                max_trials=_ENDLESS, num_initial_points=_FIRST_RANDOM, **options
            )
        kinds = {"random": keras_tuner.oracles.RandomSearchOracle, "grid": keras_tuner.oracles.GridSearchOracle}
        return kinds[tuner](max_trials=_ENDLESS if tuner == "random" else None, **options)

    def ask(self) -> tuple[Any, dict[str, Any]] | None:
        """Returns a trial for `tell` and its values; None if nothing is left to try."""
        if not any(len(values) > 1 for values in self._choices.values()):
            return None
        with _quiet():
            trial = self._oracle.create_trial("search")
        if trial.status != "RUNNING":
            return None
        if self._repeats and self._key(trial) in self._told:
            values = self._untried()
            if values is None:
                return None
            trial.hyperparameters.values = values
        self._told.add(self._key(trial))
        proposed = trial.hyperparameters.values
        values = {field: proposed.get(field, tried[0]) for field, tried in self._choices.items()}
        if self._bracket:
            values["epochs"] = round(self._bracket.longest_epochs * proposed["tuner/epochs"] / self._units, 2)
        return trial, values

    def tell(self, trial: Any, score: float) -> None:
        """Reports the score of a trial; one that diverged or failed has the score 0."""
        with _quiet():
            self._oracle.update_trial(trial.trial_id, {_OBJECTIVE: score})
            trial.status = "COMPLETED"
            self._oracle.end_trial(trial)

    def _key(self, trial: Any) -> tuple[Any, ...]:
        return tuple(sorted(trial.hyperparameters.values.items()))

    def _untried(self) -> Mapping[str, Any] | None:
        """Returns random values not tried yet, None if there are none: Gaussian processes may propose known ones."""
        for _ in range(_DRAWS):
            values = {field: self._random.choice(tried) for field, tried in self._choices.items() if len(tried) > 1}
            if tuple(sorted(values.items())) not in self._told:
                return values
        return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ignores warnings of keras-tuner and scikit-learn: on an old name in `threading`, on fits at a bound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
