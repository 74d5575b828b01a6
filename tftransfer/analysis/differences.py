"""Differences between networks that belong together, and their means over directions, splits and seeds."""

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.frames import PAIRED_BY

# Networks are only averaged with others that agree in all of these.
GROUPED_BY = ("recipe", "halves", "treatment", "n", "images_per_class", "preserve", "release_step")


def pairs(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Returns the differences in top-1 between two treatments, network by network.

    Args:
        frame: From `networks`.
        first: Treatment, such as "AnB".
        second: Treatment to take off, such as "BnB", of the same n; or "base", which has none.

    Returns:
        One row per pair of the same target, split, seed, images per class, recipe (and n, preserved blocks and release
        step, unless `second` is a base), with the columns of `PAIRED_BY`, `halves`, `n`, `preserve`, `release_step`,
        `difference` (a share: 0.01 is a point), and the names of both networks, `first` and `second`. Networks without
        a partner are left out, and those set apart.
    """
    fine = frame[frame["set_apart"].eq("")]
    shared = list(PAIRED_BY)
    if not second.startswith("base") and not first.startswith("base"):
        shared += ["n", "preserve", "release_step"]
    columns = list(dict.fromkeys([*PAIRED_BY, "halves", "n", "preserve", "release_step", "name", "top1"]))
    left, right = (fine.loc[fine["treatment"].eq(name), columns] for name in (first, second))
    both = left.merge(right[[*shared, "name", "top1"]], on=shared, suffixes=("", "_second"))
    both["difference"] = both["top1"] - both["top1_second"]
    both = both.rename(columns={"name": "first", "name_second": "second"})
    return both[[*PAIRED_BY, "halves", "n", "preserve", "release_step", "difference", "first", "second"]]


def effects(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns what each treatment did, averaged over directions, splits and seeds.

    Args:
        frame: From `networks`. Networks which it sets apart are left out.

    Returns:
        One row for each value of `GROUPED_BY` (recipe, halves, treatment, n, images per class, preserve, release step):

        - `networks`, `top1`: how many, and their mean top-1 (a share).
        - `pairs`: how many have a base; `minus_base`: mean of their differences, each split counting equally.
        - `low`, `high`: 95 % interval of `minus_base`; NaN where there is no telling (one split and one seed; bases,
          whose difference is 0 by definition). `over`: what it speaks of, other "splits" or only other "seeds" of the
          same split; `clusters`: how many of them.

        `pairs(frame, treatment, "base")` has the single differences.
    """
    fine = frame[frame["set_apart"].eq("")]
    rows = [
        dict(zip(GROUPED_BY, values, strict=True)) | _effect(group)
        for values, group in fine.groupby(list(GROUPED_BY), sort=True, observed=True)
    ]
    columns = [*GROUPED_BY, "networks", "top1", "pairs", "minus_base", "low", "high", "over", "clusters"]
    return pd.DataFrame(rows, columns=columns)


def _effect(group: pd.DataFrame) -> dict[str, float | int | str]:
    interval = intervals.mean_of(group, "minus_base")
    return {
        "networks": len(group),
        "top1": group["top1"].mean(),
        "pairs": int(group["minus_base"].notna().sum()),
        "minus_base": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "over": interval.over,
        "clusters": interval.clusters,
    }
