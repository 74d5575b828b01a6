"""What a cut costs, block by block, and why: lost co-adaptation, specific features; and what fine-tuning gains."""

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.differences import GROUPED_BY, pairs
from tftransfer.analysis.frames import PAIRED_BY

CO_ADAPTATION, SPECIFICITY = "co-adaptation", "specificity"
# Effect -> the two treatments whose difference it is (Yosinski et al. 2014, sec. 4.1).
CONTRASTS = {
    CO_ADAPTATION: ("BnB", "base"),
    SPECIFICITY: ("AnB", "BnB"),
    "transfer": ("AnB", "base"),
    "random filters": ("RnB", "base"),
    "learnt statistics": ("SnB", "base"),
    "fine-tuned transfer": ("AnB+", "base"),
    "fine-tuned control": ("BnB+", "base"),
    "transfer beyond control": ("AnB+", "BnB+"),
    "transfer beyond longer base": ("AnB+", "base-plusA"),
    "control beyond longer base": ("BnB+", "base-plusB"),
    "recovery": ("AnB+", "AnB"),
}
BY = tuple(name for name in GROUPED_BY if name != "treatment")
UNDECIDED = "undecided"


def decomposition(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns each effect at each n as a paired difference with its interval.

    Args:
        frame: From `networks`.

    Returns:
        One row per effect and value of recipe, halves, n, images per class, preserve, release step, with `effect` (a
        key of `CONTRASTS`), `first` and `second` (treatments, the difference is first less second), `pairs`, `mean`,
        `low`, `high`, `over`, `clusters` as in `effects`. Shares: -0.01 is a point lost. Pairs have the same target,
        split, seed, images per class and recipe.
    """
    rows = []
    for effect, (first, second) in CONTRASTS.items():
        for values, group in pairs(frame, first, second).groupby(list(BY), sort=True):
            interval = intervals.mean_of(group, "difference")
            rows.append(
                dict(zip(BY, values, strict=True))
                | {"effect": effect, "first": first, "second": second, "pairs": len(group), "mean": interval.mean}
                | {"low": interval.low, "high": interval.high, "over": interval.over, "clusters": interval.clusters}
            )
    columns = [*BY, "effect", "first", "second", "pairs", "mean", "low", "high", "over", "clusters"]
    return pd.DataFrame(rows, columns=columns)


def dominance(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns which of the two losses of a frozen transfer is the larger at each n.

    Args:
        frame: From `networks`.

    Returns:
        One row per value of recipe, halves, n, images per class, preserve, release step with networks of BnB, AnB and
        base of the same target, split and seed: `co-adaptation` and `specificity` (means over just these, shares),
        `difference` (the first less the second) with `low` and `high`, `pairs`, and `dominates`: the effect whose loss
        is larger, if the interval of the difference excludes zero; else "undecided".
    """
    keys = [*PAIRED_BY, "halves", "n", "preserve", "release_step"]
    loss = pairs(frame, "BnB", "base")[[*keys, "difference"]].rename(columns={"difference": CO_ADAPTATION})
    other = pairs(frame, "AnB", "BnB")[[*keys, "difference"]].rename(columns={"difference": SPECIFICITY})
    both = loss.merge(other, on=keys)
    both["difference"] = both[CO_ADAPTATION] - both[SPECIFICITY]
    rows = []
    for values, group in both.groupby(list(BY), sort=True):
        interval = intervals.mean_of(group, "difference")
        means = {name: intervals.mean_of(group, name).mean for name in (CO_ADAPTATION, SPECIFICITY)}
        rows.append(
            dict(zip(BY, values, strict=True))
            | means
            | {"difference": interval.mean, "low": interval.low, "high": interval.high, "pairs": len(group)}
            | {"dominates": _dominant(interval)}
        )
    columns = [*BY, CO_ADAPTATION, SPECIFICITY, "difference", "low", "high", "pairs", "dominates"]
    return pd.DataFrame(rows, columns=columns)


def _dominant(interval: intervals.Interval) -> str:
    """Returns the effect with the larger loss; the interval is of co-adaptation less specificity, both negative."""
    if interval.high < 0:
        return CO_ADAPTATION
    return SPECIFICITY if interval.low > 0 else UNDECIDED
