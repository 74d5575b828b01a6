"""The time of an advice: what fits into a budget, as numbers that are fixed before the race and kept for a resume."""

import dataclasses
from collections.abc import Sequence

from tftransfer.advising.candidates import Candidate, make

RACE, CONFIRM = 0.45, 0.40
"""Fractions of the time for the race on one fold, and for confirming its finalists on others."""
RESERVED = 0.05  # of the time, for the page, the export and the end of processes
RUNGS = (1 / 8, 1 / 3, 1.0)
SURVIVE = (1.0, 0.6, 0.35)
"""Fractions of the candidates that are expected on each rung; what a race really keeps is decided by its scores."""
FOLDS = 5
FEWEST_STEPS = 64
ANCHORS, RATES = 3, 3
FACTOR = 3.0
"""Anchors of the search of learning rates, rates at each, and the factor between two of them."""


@dataclasses.dataclass(frozen=True)
class Speed:
    """What trainings cost here.

    Attributes:
        step: Seconds of a step that trains the whole network.
        forward: Seconds of one pass of the whole network over one batch.
        start: Seconds until the first step of a whole network is done: building, tracing.
    """

    step: float
    forward: float
    start: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed before the race.

    Attributes:
        steps: Steps of a whole training.
        cuts: Largest number of cuts in a family of candidates.
        singles: Largest number of candidates that tune one block.
        rates: Whether learning rates are searched.
        seconds: Expected seconds of the race.
    """

    steps: int
    cuts: int
    singles: int
    rates: bool
    seconds: float


def race_seconds(candidates: Sequence[Candidate], work: Sequence[float], steps: int, speed: Speed, images: int,
                 batch: int, rates: bool) -> float:  # fmt: skip
    """Returns the expected seconds of a race.

    Args:
        candidates: Those that take part.
        work: Multiply-adds of each block.
        steps: Steps of a whole training.
        speed: Measured here.
        images: Held-out images, scored on each rung.
        batch: Images in a step.
        rates: Whether learning rates are searched.
    """
    costs = [candidate.cost(work) for candidate in candidates]
    shares = [end - start for start, end in zip((0.0, *RUNGS), RUNGS, strict=False)]
    steps_taken = sum(share * part for share, part in zip(shares, SURVIVE, strict=True)) * steps
    looks = sum(SURVIVE) * images / batch * speed.forward
    own = sum(cost * (steps_taken * speed.step + looks) + start_seconds(cost, speed) for cost in costs)
    search = 0.0
    if rates:
        search = RATES * sum(c * RUNGS[0] * steps * speed.step + start_seconds(c, speed) for c in (0.05, 0.5, 1.0))
    return own + search


def start_seconds(cost: float, speed: Speed) -> float:
    """Returns the seconds until a training of some relative cost has done its first step."""
    return speed.start * (0.25 + 0.75 * min(1.0, cost))


def finish_seconds(steps: int, speed: Speed) -> float:
    """Returns the seconds that are kept for the last training, on all images: those of a whole network, and a half."""
    return 1.5 * (speed.start + steps * speed.step)


def feature_seconds(speed: Speed, images: int, batch: int, views: int) -> float:
    """Returns the most seconds that the features of all training images take, in each view and in the centre."""
    return (views + 1) * images / batch * speed.forward


def fit(
    work: Sequence[float], speed: Speed, budget: float, most_steps: int, images: int, batch: int, before: float = 0.0
) -> Plan | None:
    """Returns the largest race that fits into its part of a budget; None if not even the smallest does.

    What comes before the race, the race and the last training must fit, too.

    Fewer steps come first, down to a half of those asked for; then fewer candidates; then the rest of the steps.

    Args:
        work: Multiply-adds of each block.
        speed: Measured here.
        budget: Seconds of the whole advice.
        most_steps: Steps of the recipe.
        images: Held-out images of a fold.
        batch: Images in a step.
        before: Seconds before the race.
    """
    fewest = min(FEWEST_STEPS, most_steps)
    shrunk = [(share, cuts, singles, rates) for rates in (True, False) for cuts, singles in
              ((8, 4), (6, 2), (4, 2), (3, 0), (2, 0)) for share in (1.0, 0.75, 0.5)]  # fmt: skip
    shrunk += [(share, cuts, 0, False) for share in (0.35, 0.25, 0.15, 0.0) for cuts in (3, 2, 1)]
    for share, cuts, singles, rates in shrunk:
        steps = max(fewest, round(share * most_steps))
        seconds = race_seconds(make(work, cuts, singles), work, steps, speed, images, batch, rates)
        if _least_budget(seconds, before, steps, speed) <= budget:
            return Plan(steps, cuts, singles, rates, seconds)
    return None


def needed(work: Sequence[float], speed: Speed, images: int, batch: int, most_steps: int, before: float = 0.0) -> float:
    """Returns the seconds of the smallest budget for which `fit` has a plan. Arguments are as there."""
    steps = min(FEWEST_STEPS, most_steps)
    race = race_seconds(make(work, 1, 0), work, steps, speed, images, batch, False)
    return _least_budget(race, before, steps, speed)


def _least_budget(race: float, before: float, steps: int, speed: Speed) -> float:
    """Returns the smallest budget in which a race has its part, and time is left for a last training."""
    return max(race / RACE, (before + race + finish_seconds(steps, speed)) / (1 - RESERVED))
