"""Intervals of a mean of paired differences, from few and dependent networks.

Pairs within one split are not independent: both directions share both bases, networks of one half share a base, and
seeds share the classes. So differences are first averaged within each split, and the interval is that of the mean of
these few independent numbers: Student's t, the textbook choice for 2 to 10 roughly normal means. If there is only one
split, seeds take its place, and the interval speaks of this split alone. With one number there is no interval.
"""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy import special

LEVEL = 0.95
SPLITS, SEEDS = "splits", "seeds"


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and how sure it is.

    Attributes:
        mean: Mean of the clusters' means; NaN if there are no differences.
        low: Lower end of the interval at `LEVEL`; NaN if it cannot be told.
        high: Upper end.
        over: What varied: "splits", "seeds" (of one split) or "" (one cluster: no interval).
        clusters: Independent numbers behind it.
    """

    mean: float
    low: float
    high: float
    over: str
    clusters: int


def mean_of(differences: pd.DataFrame, column: str, level: float = LEVEL) -> Interval:
    """Returns the mean of a column of paired differences with its interval.

    Args:
        differences: One row per pair, with columns `split` and `seed`. Missing values are left out.
        column: The differences.
        level: Share of intervals that hold the true mean, 0 to 1.

    Returns:
        The mean, in which each split counts equally, and its interval. Equal numbers in all clusters have none: their
        spread is not known to be zero.
    """
    present = differences[differences[column].notna()]
    over = SPLITS if present["split"].nunique() > 1 else SEEDS
    means = present.groupby(over.removesuffix("s"), observed=True)[column].mean().to_numpy()
    if not len(means):
        return Interval(math.nan, math.nan, math.nan, "", 0)
    mean, margin = float(means.mean()), t_margin(means, level)
    known = math.isfinite(margin)
    return Interval(mean, mean - margin, mean + margin, over if known else "", len(means))


def t_margin(values: np.ndarray, level: float = LEVEL) -> float:
    """Returns half the width of Student's interval of a mean; NaN with fewer than two values, or no spread."""
    if len(values) < 2:
        return math.nan
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    # Rounding leaves a trace of spread in equal numbers.
    if error <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return math.nan
    # The quantile of scipy.stats.t, without the second that loading it takes.
    return float(special.stdtrit(len(values) - 1, (1 + level) / 2)) * error
