"""What advice may say of a posterior: the best candidate, its regret, those as good, and differences to habits."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tftransfer.advising.confidence import Posterior
from tftransfer.analysis.intervals import LEVEL
from tftransfer.records import chance_level

SET_LEVEL = 0.9
"""How often sets hold the best candidate."""
SET_CUT = 0.93
"""Probability at which sets are cut so that `SET_LEVEL` of them hold: with two folds and candidates that differ by less
than their errors, sets cut at .90 hold in 88 of 100 simulated studies, and those cut at .92 in 91."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of true scores with the central interval of its posterior, all fractions of top-1."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is advised, and with which doubt. Numbers are in the order of the posterior's names.

    Attributes:
        chosen: The candidate of least expected regret.
        regret: Its expected regret, a fraction of top-1.
        within: Probability that it is within the tolerance of the best.
        best_set: Candidates that may be the best, as `best_set`; more than one is a tie.
        cheapest: The cheapest of these and `chosen`.
        differences: `chosen` minus each habit.
    """

    chosen: str
    regret: float
    within: float
    best_set: tuple[str, ...]
    cheapest: str
    differences: Mapping[str, Difference]

    @property
    def tie(self) -> bool:
        """Whether the data cannot tell the best candidate from others."""
        return len(self.best_set) > 1


def probability_best(draws: np.ndarray) -> np.ndarray:
    """Returns the probability of being the best, `(candidates,)`, sum 1. `draws`: `(draws, candidates)`."""
    return np.bincount(draws.argmax(axis=1), minlength=draws.shape[1]) / len(draws)


def expected_regret(draws: np.ndarray) -> np.ndarray:
    """Returns what choosing each candidate is expected to lose to the best, `(candidates,)`, a fraction of top-1."""
    return (draws.max(axis=1, keepdims=True) - draws).mean(axis=0)


def probability_within(draws: np.ndarray, tolerance: float) -> np.ndarray:
    """Returns the probability that each candidate is at most `tolerance` behind the best, `(candidates,)`."""
    return (draws >= draws.max(axis=1, keepdims=True) - tolerance).mean(axis=0)


def best_set(draws: np.ndarray, level: float = SET_CUT, tolerance: float = 0.0) -> tuple[int, ...]:
    """Returns the candidates that may be the best.

    Candidates are taken in the order of their probability of being the best (then of least expected regret), until one
    of those taken is at most `tolerance` behind the best with probability `level`. With a tolerance of 0 no smaller set
    holds the best with this probability. Each member may be the best; what is not in it is not shown to be worse than a
    given member, for which `difference` is the answer.

    Args:
        draws: `(draws, candidates)`.
        level: Probability, 0 to 1.
        tolerance: Regret that does not count, a fraction of top-1.

    Returns:
        Positions of the candidates, the most probable first.
    """
    order = np.lexsort((expected_regret(draws), -probability_best(draws)))
    good = (draws >= draws.max(axis=1, keepdims=True) - tolerance)[:, order]
    held = np.logical_or.accumulate(good, axis=1).mean(axis=0)
    return tuple(int(i) for i in order[: 1 + int(np.argmax(held >= level - 1e-12))])


def difference(draws: np.ndarray, first: int, second: int, level: float = LEVEL) -> Difference:
    """Returns the difference of two candidates' true scores, first minus second, with its interval.

    Args:
        draws: `(draws, candidates)`.
        first: Position of a candidate.
        second: Position of the one to subtract.
        level: Probability of the interval, 0 to 1.
    """
    apart = draws[:, first] - draws[:, second]
    low, high = np.quantile(apart, ((1 - level) / 2, (1 + level) / 2))
    return Difference(float(apart.mean()), float(low), float(high))


def cheapest(chosen: Sequence[int], costs: Sequence[float]) -> int:
    """Returns the candidate of least cost among those chosen; of equal ones that which is named first."""
    return min(chosen, key=lambda i: costs[i])


def verdict(
    posterior: Posterior, tolerance: float, costs: Sequence[float] | None = None, habits: Sequence[str] = ()
) -> Verdict:
    """Returns what is advised.

    Args:
        posterior: Of all candidates that count.
        tolerance: Regret that does not count, a fraction of top-1, such as 0.005.
        costs: Of each candidate, in any unit; all equal if None.
        habits: Names of candidates to compare with, such as "all tuned"; those that are not there are left out.
    """
    regrets = expected_regret(posterior.draws)
    first = int(np.argmin(regrets))
    among = best_set(posterior.draws)
    place = {name: i for i, name in enumerate(posterior.names)}
    return Verdict(
        chosen=posterior.names[first],
        regret=float(regrets[first]),
        within=float(probability_within(posterior.draws, tolerance)[first]),
        best_set=tuple(posterior.names[i] for i in among),
        cheapest=posterior.names[cheapest((first, *among), costs or [0.0] * len(regrets))],
        differences={name: difference(posterior.draws, first, place[name]) for name in habits if name in place},
    )


def above_chance(top1: np.ndarray, chance: float, images: int) -> np.ndarray:
    """Returns which candidates have learned anything; where none has, there is nothing to advise.

    The level is that of `chance_level`, at which 5 % of studies of 170 networks without signal name one or more.

    Args:
        top1: Scores on held-out images, `(candidates,)` or more axes, of which the mean is taken: means of several
            folds are held against the images of one, which is cautious. NaN where there is none.
        chance: Top-1 at chance, 0 to 1: the share of the most frequent class.
        images: Held-out images of one fold.

    Returns:
        Bool, `(candidates,)`.
    """
    scores = top1.reshape(len(top1), -1)
    means = np.where(np.isfinite(scores), scores, 0.0).sum(axis=1) / np.maximum(np.isfinite(scores).sum(axis=1), 1)
    return np.array([chance_level.left_chance(float(mean), chance, images) for mean in means], dtype=bool)
