"""Losses of frozen copies by n and cause (co-adaptation, specific features), and gains of fine-tuned ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tftransfer.analysis.differences import COMPARED, GROUPED_BY, compared, pairs
from tftransfer.analysis.frames import PAIRED_BY
from tftransfer.analysis.intervals import ABOVE, BELOW

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
BY = tuple(name for name in GROUPED_BY if name not in ("treatment", "policy"))
_FAMILY = [name for name in BY if name != "n"]
UNDECIDED, NO_LOSS = "undecided", "no loss"
AT_CHANCE = "at chance"
"""The verdict where networks are at chance: their differences say nothing about features."""
_VERDICTS = {"dominates": "verdict", "dominates_together": "verdict_together"}


def decomposition(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns each effect at each n as a paired difference with its intervals.

    Args:
        frame: From `networks`.

    Returns:
        One row per effect and value of recipe, halves, n, images per class, preserve, release step, with `effect` (a
        key of `CONTRASTS`), `first` and `second` (treatments; the difference is first minus second), `pairs`, `mean`,
        and the columns of `COMPARED` as in `effects`: `low`, `high` for this n alone, `low_together`, `high_together`
        and `verdict_together` for all n of the effect at once. Verdicts are `AT_CHANCE` where one network of a pair
        is. Fractions: -0.01 is a loss of one percentage point. Pairs have the same target, split, seed, images per
        class and recipe.
    """
    rows = []
    for effect, (first, second) in CONTRASTS.items():
        described = {"effect": effect, "first": first, "second": second}
        for values, by_n in _families(pairs(frame, first, second)):
            groups = list(by_n.values())
            for n, group, found in zip(by_n, groups, compared(groups, "difference"), strict=True):
                found |= dict.fromkeys(_VERDICTS.values(), AT_CHANCE) if group["at_chance"].any() else {}
                rows.append(dict(zip(_FAMILY, values, strict=True)) | {"n": n, "pairs": len(group)} | described | found)
    table = pd.DataFrame(rows, columns=[*BY, "effect", "first", "second", "pairs", "mean", *COMPARED])
    places = {effect: place for place, effect in enumerate(CONTRASTS)}
    return table.assign(place=table["effect"].map(places)).sort_values(["place", *BY], ignore_index=True)[[*table]]


def dominance(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the larger one of the two losses of a frozen transfer at each n.

    Args:
        frame: From `networks`.

    Returns:
        One row per value of recipe, halves, n, images per class, preserve, release step with networks of BnB, AnB and
        base of the same target, split and seed: `co-adaptation` and `specificity` (means over these networks,
        fractions), `difference` (the first minus the second) with `low` and `high`, `pairs`, and `dominates`: the
        effect whose loss is the larger, named only where it is a loss and their difference is not zero, both beyond the
        intervals of this n alone; else "undecided", "no loss" where both effects are above zero beyond theirs, or
        `AT_CHANCE` where one of the networks is. `low_together`, `high_together` and `dominates_together` are the same
        with intervals that hold for all n at once.
    """
    keys = [*PAIRED_BY, "halves", "n", "preserve", "release_step"]
    loss, other = (_loss(frame, effect, keys) for effect in (CO_ADAPTATION, SPECIFICITY))
    both = loss.merge(other.drop(columns="validation_images"), on=keys, suffixes=("", "_other"))
    both["difference"] = both[CO_ADAPTATION] - both[SPECIFICITY]
    # The two share the networks of BnB, so their errors add up at most.
    errors = np.sqrt(both[f"{CO_ADAPTATION}_variance"]) + np.sqrt(both[f"{SPECIFICITY}_variance"])
    both["difference_variance"] = errors**2
    both["at_chance"] |= both.pop("at_chance_other")
    rows = []
    for values, by_n in _families(both):
        groups = list(by_n.values())
        found = {name: compared(groups, name) for name in (CO_ADAPTATION, SPECIFICITY, "difference")}
        for place, (n, group) in enumerate(by_n.items()):
            at = {name: numbers[place] for name, numbers in found.items()}
            gap = at["difference"]
            rows.append(
                dict(zip(_FAMILY, values, strict=True))
                | {"n": n, "pairs": len(group)}
                | {
                    name: AT_CHANCE if group["at_chance"].any() else _dominant(at, verdict)
                    for name, verdict in _VERDICTS.items()
                }
                | {name: numbers["mean"] for name, numbers in at.items()}
                | {name: gap[name] for name in ("low", "high", "low_together", "high_together")}
            )
    columns = [*BY, CO_ADAPTATION, SPECIFICITY, "difference", "low", "high", "low_together", "high_together", "pairs"]
    return pd.DataFrame(rows, columns=[*columns, *_VERDICTS]).sort_values(list(BY), ignore_index=True)


def _loss(frame: pd.DataFrame, effect: str, keys: list[str]) -> pd.DataFrame:
    """Returns the differences of one loss, in a column with its name."""
    found = pairs(frame, *CONTRASTS[effect])[
        [*keys, "validation_images", "difference", "difference_variance", "at_chance"]
    ]
    return found.rename(columns={"difference": effect, "difference_variance": f"{effect}_variance"})


def _families(differences: pd.DataFrame) -> Iterator[tuple[tuple, dict[int, pd.DataFrame]]]:
    """Yields the differences that are equal in all but n, by n: intervals hold for all of these at once."""
    for values, family in differences.groupby(_FAMILY, sort=True):
        yield values, dict(tuple(family.groupby("n", sort=True)))


def _dominant(at: dict[str, dict[str, Any]], verdict: str) -> str:
    """Returns the effect with the larger loss; the difference is co-adaptation minus specificity."""
    losses = {name: at[name][verdict] for name in (CO_ADAPTATION, SPECIFICITY)}
    if set(losses.values()) == {ABOVE}:
        return NO_LOSS
    larger = {BELOW: CO_ADAPTATION, ABOVE: SPECIFICITY}.get(at["difference"][verdict])
    return larger if larger and losses[larger] == BELOW else UNDECIDED
