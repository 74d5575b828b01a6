"""Differences between networks that belong together, and their means over directions, splits and seeds."""

from collections.abc import Sequence

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.frames import BASE, PAIRED_BY

# Networks are only averaged with others that agree in all of these.
GROUPED_BY = ("recipe", "halves", "treatment", "n", "policy", "images_per_class", "preserve", "release_step")
# Those that differ in these alone are one curve, and intervals hold for all of it at once.
_ALONG = ["n", "policy"]
_FAMILY = [name for name in GROUPED_BY if name not in _ALONG]
# Columns that describe the mean of some differences.
COMPARED = (
    "low", "high", "over", "clusters", "verdict", "low_together", "high_together", "together", "verdict_together",
    "images",
)  # fmt: skip


def pairs(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Returns the differences in top-1 between two treatments, network by network.

    Args:
        frame: From `networks`.
        first: Treatment, such as "AnB".
        second: Treatment to subtract, such as "BnB", of the same n; or "base", which has no n.

    Returns:
        One row per pair of the same target, split, seed, images per class, recipe (and n, preserved blocks and release
        step, unless `second` is a base), with the columns of `PAIRED_BY`, `halves`, `n`, `preserve`, `release_step`,
        `difference` (a fraction: 0.01 is one percentage point), its `difference_variance` over choices of the
        `validation_images` (at most, as for `minus_base_variance`), `at_chance` (True if one of them is), and the names
        of both networks, `first` and `second`. Networks without a partner and excluded networks are ignored.
    """
    fine = frame[frame["excluded"].eq("")]
    shared = list(PAIRED_BY)
    if not second.startswith("base") and not first.startswith("base"):
        shared += ["n", "preserve", "release_step"]
        # Other policies may be subtracted, but of one family only equal ones.
        shared += ["policy"] if _letters(first) == _letters(second) else []
    known = ["name", "top1", "left_chance"]
    columns = [*PAIRED_BY, "halves", "n", "policy", "preserve", "release_step", "validation_images", *known]
    left, right = (fine.loc[fine["treatment"].eq(name), columns] for name in (first, second))
    both = left.merge(right[[*shared, *known]], on=shared, suffixes=("", "_second"))
    both["difference"] = both["top1"] - both["top1_second"]
    images = both["validation_images"].astype(float)
    both["difference_variance"] = sum(intervals.variance(both[name], images) for name in ("top1", "top1_second"))
    both["at_chance"] = both["left_chance"].eq(False).fillna(False) | both["left_chance_second"].eq(False).fillna(False)
    both = both.rename(columns={"name": "first", "name_second": "second"}).astype({"at_chance": bool})
    found = ["validation_images", "difference", "difference_variance", "at_chance", "first", "second"]
    return both[[*PAIRED_BY, "halves", "n", "preserve", "release_step", *found]]


def _letters(treatment: str) -> str:
    """Returns the policy in a treatment's name, "" if it has none: `ktn` of `A:ktn:B`."""
    return treatment.partition(":")[2].partition(":")[0]


def effects(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the effect of each treatment, averaged over directions, splits and seeds.

    Args:
        frame: From `networks`. Excluded networks are ignored.

    Returns:
        One row per value of `GROUPED_BY` (recipe, halves, treatment, n, policy, images per class, preserve, release
        step):

        - `networks`, `top1`: their number, and their mean top-1 (a fraction).
        - `pairs`: the number of networks with a base; `paired_top1` and `base`: mean top-1 of these and of their own
          bases, in which a base counts once for each of its networks. Compare only these two: other bases are of other
          halves.
        - `minus_base`: mean of the differences, each split counting equally.
        - `low`, `high`: 95 % interval of `minus_base` at this n alone; NaN where it is unknown (one split and one
          seed; bases, whose difference is 0 by definition). `over`: what it generalises to, other "splits" or only
          other "seeds" of the same split; `clusters`: their number. `verdict`: where zero lies, `intervals.BELOW`
          ("below" zero), `ABOVE`, `OPEN` or `UNKNOWN`. `images`: validation images whose choice it covers as well; 0 if
          not.
        - `low_together`, `high_together`, `verdict_together`: the same with intervals which hold for all n of the
          treatment at once, for readers who select one of them; `together`: the number of n.

        `pairs(frame, treatment, "base")` has the single differences.
    """
    fine = frame[frame["excluded"].eq("")]
    rows = []
    for values, family in fine.groupby(_FAMILY, sort=True, observed=True):
        along = dict(tuple(family.groupby(_ALONG, sort=True)))
        numbers = compared(list(along.values()), "minus_base")
        for (place, group), found in zip(along.items(), numbers, strict=True):
            where = dict(zip(_FAMILY, values, strict=True)) | dict(zip(_ALONG, place, strict=True))
            rows.append(where | _means(group) | found)
    columns = [*GROUPED_BY, "networks", "top1", "pairs", "paired_top1", "base", "minus_base", *COMPARED]
    table = pd.DataFrame([row | {"minus_base": row["mean"]} for row in rows], columns=columns)
    return table.sort_values(list(GROUPED_BY), ignore_index=True)


def compared(groups: Sequence[pd.DataFrame], column: str) -> list[dict[str, float | int | str]]:
    """Returns the mean of a column in each group, with its interval alone and with one that holds for all groups.

    Args:
        groups: The same comparison at each n: tables as for `intervals.mean_of`.
        column: The differences.

    Returns:
        For each group `mean` and the values of `COMPARED`, as in `effects`.
    """
    clusters = [intervals.clusters(group, column) for group in groups]
    alone, together = [intervals.interval_of(found) for found in clusters], intervals.together(clusters)
    many = sum(interval.clusters > 1 for interval in alone)
    return [
        {"mean": one.mean, "low": one.low, "high": one.high, "over": one.over, "clusters": one.clusters}
        | {"verdict": one.verdict, "low_together": all_.low, "high_together": all_.high, "together": many}
        | {"verdict_together": all_.verdict, "images": one.images}
        for one, all_ in zip(alone, together, strict=True)
    ]


def _means(group: pd.DataFrame) -> dict[str, float | int]:
    """Returns counts and plain means of networks of one treatment and n."""
    paired = group[group["minus_base"].notna()]
    return {
        "networks": len(group),
        "top1": group["top1"].mean(),
        "pairs": len(paired),
        "paired_top1": paired["top1"].mean(),
        "base": base_mean(group),
    }


def base_mean(networks: pd.DataFrame) -> float:
    """Returns the mean top-1 of the own bases of some networks; NaN if none has one.

    A base counts once for each of its networks, so that the networks' mean minus this one is the mean of their paired
    differences. Networks without a base are ignored.
    """
    return float((networks["top1"] - networks["minus_base"]).mean())


def paired_bases(frame: pd.DataFrame, kind: str = BASE) -> pd.DataFrame:
    """Returns the bases that some other network is compared with; all of them if there are no others.

    Args:
        frame: From `networks`, with bases and others.
        kind: Which bases: "base", or "base-plusA" and the like.

    Returns:
        Their rows. Only these may be shown beside other networks' scores: the others are of other halves.
    """
    fine = frame[frame["excluded"].eq("")]
    bases, others = fine[fine["treatment"].eq(kind)], fine[~fine["treatment"].str.startswith(BASE)]
    keys = [pd.MultiIndex.from_frame(rows[list(PAIRED_BY)]) for rows in (bases, others)]
    return bases if others.empty else bases[keys[0].isin(keys[1])]
