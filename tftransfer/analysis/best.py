"""The best network of each target, and the mean difference from the base of all networks treated like it."""

import pandas as pd

from tftransfer.analysis.differences import compared
from tftransfer.analysis.frames import BASE, VARIANT

BY = ("recipe", "halves", "images_per_class", "target")
_KIND = ["treatment", "n", "policy", *VARIANT[1:]]
_NAMED = ("name", "label", *_KIND, "split", "seed", "top1", "minus_base")


def best(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the network with the highest top-1 of each target.

    Its score is the highest of many on one validation set, which favours lucky networks. It is accompanied by the mean
    `minus_base` of all networks of its kind (same treatment, n, policy, preserve and release step), with an interval
    that holds for all kinds with this target at once.

    Args:
        frame: From `networks`. Excluded networks are ignored.

    Returns:
        One row per value of `BY` (recipe, halves, images per class, target): of the best network `name`, `label`,
        `treatment`, `n`, `policy`, `preserve`, `release_step`, `split`, `seed`, `top1`, `minus_base` (fractions);
        `networks`, the number that it was selected from; `pairs`, `mean`, `low`, `high`, `over`, `clusters`, `images`
        of its kind's `minus_base`, NaN for bases and where they are unknown; `kinds`, the number that the interval
        holds for.
    """
    fine = frame[frame["excluded"].eq("") & frame["top1"].notna()]
    rows = []
    for values, group in fine.groupby(list(BY), sort=True):
        first = group.loc[group["top1"].idxmax()]
        rows.append(
            dict(zip(BY, values, strict=True))
            | {name: first[name] for name in _NAMED}
            | {"networks": len(group)}
            | _kind(group, tuple(first[_KIND]))
        )
    columns = ["networks", "pairs", "mean", "low", "high", "over", "clusters", "images", "kinds"]
    return pd.DataFrame(rows, columns=[*BY, *_NAMED, *columns])


def _kind(group: pd.DataFrame, kind: tuple) -> dict[str, float | int | str]:
    """Returns the mean difference from the base of all networks of one kind, with its interval."""
    kinds = dict(tuple(group[group["treatment"].ne(BASE)].groupby(_KIND, sort=True)))
    if kind not in kinds:
        return {"pairs": 0, "kinds": len(kinds)}
    found = dict(zip(kinds, compared(list(kinds.values()), "minus_base"), strict=True))[kind]
    numbers = {name: found[name] for name in ("mean", "over", "clusters", "images")}
    ends = {"low": found["low_together"], "high": found["high_together"], "kinds": found["together"]}
    return {"pairs": int(kinds[kind]["minus_base"].notna().sum())} | numbers | ends
