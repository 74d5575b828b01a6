"""Confirmation of finalists by sequential halving: which trainings come next, as a function of the table alone.

Sequential halving (Karnin, Koren and Somekh 2013) spends an equal share of the budget in each of log2(k) rounds, and
after each round the better half goes on. A repeat is a block, one new fold and seed of every candidate still in; its
trainings are named all at once, so that they can share a group, and decisions fall only between finished blocks. So a
call that is killed, and one whose trainings end in another order, decide the same as one that ran through.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tftransfer.advising import confidence, statements
from tftransfer.advising.paired_scores import PairedScores

CERTAIN, SPENT, NO_FOLDS = "regret below tolerance", "budget spent", "no further folds"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What stays the same through the confirmation, also when it is resumed.

    Attributes:
        finalists: Positions of the candidates in the table, the best of the race first.
        folds: Number of folds, the race's (fold 0) included.
        seeds: Number of seeds, the race's (seed 0) included.
        runs: Budget, in trainings.
        tolerance: Expected regret below which nothing more is trained, a fraction of top-1.
        test_train_ratio: As for `confidence.posterior`.
        smooth: As for `confidence.posterior`.
    """

    finalists: tuple[int, ...]
    folds: int
    seeds: int
    runs: int
    tolerance: float
    test_train_ratio: float
    smooth: bool = True


@dataclasses.dataclass(frozen=True)
class Next:
    """The next trainings, `(candidate, fold, seed)`; none at the end, for which `reason` is given."""

    runs: tuple[tuple[int, int, int], ...]
    reason: str = ""


def blocks(folds: int, seeds: int) -> list[tuple[int, int]]:
    """Returns folds and seeds in the order of repeats, without the race's own (0, 0).

    A new repeat has a new fold and a new seed as long as there are: folds vary images, training images and seeds at
    once, and only they are independent.

    Example:
        >>> blocks(3, 2)
        [(1, 1), (2, 0), (0, 1), (1, 0), (2, 1)]
    """
    order = [(fold, (fold + turn) % seeds) for turn in range(seeds) for fold in range(folds)]
    return order[1:]


def allocation(candidates: int, runs: int) -> list[tuple[int, int]]:
    """Returns the rounds of sequential halving.

    Args:
        candidates: That begin.
        runs: Budget, in trainings.

    Returns:
        Candidates and repeats of each round: at least one repeat as long as the budget lasts, and what rounding leaves
        in the last round.

    Example:
        >>> allocation(6, 36)
        [(6, 2), (3, 4), (2, 6)]
    """
    rounds = math.ceil(math.log2(candidates)) if candidates > 1 else 0
    found, active, left = [], candidates, runs
    for i in range(rounds):
        repeats = max(1, left // ((rounds - i) * active))
        if repeats * active > left:
            break
        found.append((active, repeats))
        left -= repeats * active
        active = math.ceil(active / 2)
    return found


def next_runs(table: PairedScores, plan: Plan, images: np.ndarray | None = None) -> Next:
    """Returns the trainings of the next block that are not in the table, or why there are none.

    Args:
        table: All scores so far, of all candidates of the race. All finalists have that of fold 0 and seed 0.
        plan: Which must not change between calls.
        images: As for `confidence.posterior`, of all candidates of the table.
    """
    order = blocks(plan.folds, plan.seeds)
    active, used = plan.finalists, 0
    for _, repeats in allocation(len(plan.finalists), plan.runs):
        for repeat in range(repeats):
            regrets = _regrets(table, plan, order[:used], images)
            if used and min(regrets[i] for i in active) < plan.tolerance:
                return Next((), CERTAIN)
            if used == len(order):
                return Next((), NO_FOLDS)
            fold, seed = order[used]
            missing = tuple((i, fold, seed) for i in active if not _has(table, i, fold, seed))
            if missing:
                return Next(missing)
            used += 1
            if repeat == repeats - 1:
                active = _better_half(active, _regrets(table, plan, order[:used], images))
    return Next((), SPENT)


def _better_half(active: Sequence[int], regrets: dict[int, float]) -> tuple[int, ...]:
    """Returns the half of least expected regret, rounded up; of equal ones those that the race placed first."""
    order = sorted(range(len(active)), key=lambda i: (regrets[active[i]], i))
    return tuple(active[i] for i in sorted(order[: math.ceil(len(active) / 2)]))


def _regrets(
    table: PairedScores, plan: Plan, used: Sequence[tuple[int, int]], images: np.ndarray | None
) -> dict[int, float]:
    """Returns the expected regret of each finalist, from the race's block and those that are used up."""
    own = table.of(plan.finalists)
    seen = np.zeros(own.top1.shape[1:], bool)
    for fold, seed in ((0, 0), *used):
        seen[fold, seed] = True
    known = dataclasses.replace(own, top1=np.where(seen, own.top1, np.nan))
    among = None if images is None else images[np.ix_(plan.finalists, plan.finalists)]
    found = confidence.posterior(known, plan.test_train_ratio, among, plan.smooth)
    return dict(zip(plan.finalists, statements.expected_regret(found.draws), strict=True))


def _has(table: PairedScores, candidate: int, fold: int, seed: int) -> bool:
    """Whether the table has this score."""
    _, folds, seeds = table.top1.shape
    return fold < folds and seed < seeds and bool(np.isfinite(table.top1[candidate, fold, seed]))
