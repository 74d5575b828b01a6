"""Intervals of a mean of paired differences, from few and dependent networks.

Pairs within one split are not independent: both directions share both bases, networks of one half share a base, and
seeds share the classes. So differences are first averaged within each split, and the interval is that of the mean of
these few independent numbers: Student's t, the textbook choice for 2 to 10 roughly normal means. If there is only one
split, seeds take its place, and the interval holds for this split alone. With one number there is no interval.

Seeds of one split are all scored on the same validation images, so their spread does not include the sampling error of
these images. An interval over seeds is therefore widened by that error, as in `_images`: the most that the counts of
correct predictions allow. Both errors are joined by their margins' squares (the method of variance estimates recovery,
Zou and Donner 2008). Intervals over splits are not widened: they generalise to other halves of the same classes and
images.

Splits are independent as far as their networks are: initial weights derive from the split as well as from the seed.
Networks of protocol 1 had the same ones in all splits. What they share moves all splits alike, and no spread between
splits shows it: a shared effect of half, once and twice the spread of four splits leaves an interval of 95 % with a
coverage of 89, 75 and 50 % (`tests/analysis/test_intervals.py` simulates it).

Whoever looks at several n and selects one (the largest loss, the first one) needs intervals that hold for all:
`together` gives Student's with Bonferroni's level, at which 0.05 divided by the number of n may miss. That is valid
however the n depend on each other. Were their correlation known, 0.5 to 0.8, intervals of seven n over 4 to 10 splits
would be 2 to 10 % narrower (simulated); estimated from so few splits it would not keep the level.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

LEVEL = 0.95
SPLITS, SEEDS = "splits", "seeds"
# Verdict of an interval on its mean; UNKNOWN where there is no interval.
BELOW, ABOVE, OPEN, UNKNOWN = "below", "above", "not distinguishable", "no interval"


class Clusters(NamedTuple):
    """Independent numbers whose mean is taken.

    Attributes:
        over: What varies, `SPLITS` or `SEEDS`.
        means: The mean of each.
        error: Standard error that their mean has from the choice of validation images; 0 if it is in their spread
            already, or not known.
        images: Number of validation images that `error` is due to; 0 if it is 0.
    """

    over: str
    means: np.ndarray
    error: float = 0.0
    images: int = 0


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and its interval.

    Attributes:
        mean: Mean of the clusters' means; NaN if there are no differences.
        low: Lower end of the interval at `LEVEL`; NaN if it is unknown.
        high: Upper end.
        over: What varied: "splits", "seeds" (of one split) or "" (one cluster: no interval).
        clusters: Number of clusters.
        images: Number of validation images whose choice the interval covers as well; 0 where it does not.
    """

    mean: float
    low: float
    high: float
    over: str
    clusters: int
    images: int = 0

    @property
    def verdict(self) -> str:
        """`BELOW` or `ABOVE` zero; `OPEN` if the interval contains zero, `UNKNOWN` if there is none."""
        if math.isnan(self.low):
            return UNKNOWN
        return BELOW if self.high < 0 else ABOVE if self.low > 0 else OPEN


def mean_of(differences: pd.DataFrame, column: str, level: float = LEVEL) -> Interval:
    """Returns the mean of a column of paired differences with its interval.

    Args:
        differences: One row per pair, with columns `split` and `seed`, and for intervals over seeds `target`,
            `validation_images` and the variance of the column's values over choices of images, in a column with the
            suffix `_variance`. Missing values are ignored.
        column: The differences.
        level: Fraction of intervals that contain the true mean, 0 to 1.

    Returns:
        The mean, in which each split counts equally, and its interval. Equal numbers in all clusters have none: their
        spread is not known to be zero.
    """
    return interval_of(clusters(differences, column), level)


def interval_of(found: Clusters, level: float = LEVEL) -> Interval:
    """Returns the mean of independent numbers with its interval, as `mean_of` does of a table."""
    over, means, error, images = found
    if not len(means):
        return Interval(math.nan, math.nan, math.nan, "", 0)
    mean = float(means.mean())
    margin = math.hypot(t_margin(means, level), float(special.ndtri((1 + level) / 2)) * error)
    if not math.isfinite(margin):
        return Interval(mean, math.nan, math.nan, "", len(means))
    return Interval(mean, mean - margin, mean + margin, over, len(means), images)


def together(found: Sequence[Clusters], level: float = LEVEL) -> list[Interval]:
    """Returns the means of several comparisons with intervals that all contain their true means at once.

    Args:
        found: What `clusters` found at each n.
        level: Fraction of studies in which no interval misses, 0 to 1.
    """
    many = sum(len(one.means) > 1 for one in found)
    alone = 1 - (1 - level) / max(1, many)
    return [interval_of(one, alone) for one in found]


def accuracy_of(networks: pd.DataFrame, column: str = "top1", level: float = LEVEL) -> Interval:
    """Returns the mean of a column of accuracies with its interval, clipped to 0 to 1.

    Accuracies lie in this range, so that coverage stays the same. Intervals of differences, `mean_of`, are not clipped.
    """
    known = "validation_images" in networks
    images = networks["validation_images"] if known else math.nan
    found = mean_of(networks.assign(**{f"{column}_variance": variance(networks[column], images)}), column, level)
    return dataclasses.replace(found, low=_within(found.low), high=_within(found.high))


def _within(fraction: float) -> float:
    """Returns a fraction clipped to 0 to 1; NaN stays NaN."""
    return fraction if math.isnan(fraction) else min(1.0, max(0.0, fraction))


def clusters(differences: pd.DataFrame, column: str) -> Clusters:
    """Returns the independent numbers of a table as for `mean_of`: the means of splits, or of seeds of one split."""
    present = differences[differences[column].notna()]
    over = SPLITS if present["split"].nunique() > 1 else SEEDS
    means = present.groupby(over.removesuffix("s"), observed=True)[column].mean().to_numpy()
    return Clusters(over, means, *(_images(present, f"{column}_variance") if over == SEEDS else ()))


def variance(top1: pd.Series, images: pd.Series | float) -> pd.Series:
    """Returns the sampling variance of accuracies, given the number of images of each.

    It is that of a binomial proportion with one success and one failure added (Agresti and Caffo 2000), so that it is
    not zero at 0 and 1.
    """
    proportion = (top1 * images + 1) / (images + 2)
    return proportion * (1 - proportion) / (images + 2)


def _images(present: pd.DataFrame, column: str) -> tuple[float, int]:
    """Returns the sampling error of a mean due to the validation images, and their number.

    Networks with the same target have the same images, so their errors are added as if all erred alike; those of the
    two targets are of other images.
    """
    if column not in present or present.empty or present[column].isna().any():
        return 0.0, 0
    weights = 1 / (present["seed"].nunique() * present.groupby("seed")["seed"].transform("size"))
    by_target = (np.sqrt(present[column]) * weights).groupby(present["target"], observed=True).sum()
    images = present.groupby("target", observed=True)["validation_images"].max().sum()
    return float(np.sqrt((by_target**2).sum())), int(images)


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
