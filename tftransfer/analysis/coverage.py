"""Which networks a study lacks for its means: bases, directions, cells of the grid, repeats."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.differences import effects
from tftransfer.analysis.finding import NOTE, WARNING, Finding, networks, some
from tftransfer.analysis.frames import VARIANT
from tftransfer.analysis.roles import BASE, variant

# Networks are only counted with others that agree in all of these.
_TOGETHER = ["halves", *VARIANT]


def findings(fine: pd.DataFrame) -> list[Finding]:
    """Returns what is missing or out of balance among the counted networks of one recipe."""
    return [*_unpaired(fine), *_balance(fine), *_missing(fine), *_single(fine)]


def _unpaired(fine: pd.DataFrame) -> Iterator[Finding]:
    lonely = fine[fine["minus_base"].isna()]
    if len(lonely):
        yield Finding(
            WARNING,
            "no base",
            f"{networks(len(lonely))} without the base of the same target, split, seed, images "
            f"and recipe, so without minus_base: {some(lonely['name'].tolist())}.",
        )


def _balance(fine: pd.DataFrame) -> Iterator[Finding]:
    """Treatments whose networks do not have both halves as targets equally often."""
    if fine.loc[fine["treatment"].eq(BASE) & fine["target"].ne("all"), "target"].nunique() < 2:
        return
    for values, group in _copies(fine).groupby(_TOGETHER):
        of = _which(*values)
        counts = group.groupby(["treatment", "target"]).size().unstack(fill_value=0).reindex(columns=["A", "B"])
        counts = counts.fillna(0).astype(int)
        uneven = counts[counts["A"].ne(counts["B"]) & counts.sum(axis=1).gt(1)]
        if len(uneven):
            each = "; ".join(f"{name} {row['A']} with target A, {row['B']} with B" for name, row in uneven.iterrows())
            yield Finding(
                NOTE,
                "balance",
                f"Directions are not balanced ({of}): {each}. Halves differ in difficulty, so only differences "
                f"from the own base compare.",
            )
        for treatment in counts.index.intersection(["AnB", "AnB+"]):
            control = treatment.replace("AnB", "BnB")
            if control in counts.index and not (counts.loc[treatment].gt(0) & counts.loc[control].gt(0)).any():
                yield Finding(
                    WARNING,
                    "balance",
                    f"{treatment} and its control {control} ({of}) have no target in common: no pair of them can "
                    f"be made, and a difference of their means holds the difference of the halves.",
                )


def _which(halves: str, *values: int) -> str:
    """Returns the kind of halves and what is not at its default."""
    return ", ".join(filter(None, [halves, variant(*map(int, values))]))


def _missing(fine: pd.DataFrame) -> Iterator[Finding]:
    """Cells of the grid (n by target, split and seed) that treatments lack."""
    unit = ["target", "split", "seed"]
    bases = fine[fine["treatment"].eq(BASE)]
    for values, copies in _copies(fine).groupby(_TOGETHER):
        own = bases["halves"].eq(values[0]) & bases["images_per_class"].eq(values[1])
        units = bases.loc[own, unit].drop_duplicates()
        full = len(units) * copies["n"].nunique()
        have = {name: len(cells[["n", *unit]].drop_duplicates()) for name, cells in copies.groupby("treatment")}
        lacking = [f"{treatment} has {count} of {full}" for treatment, count in have.items() if count < full]
        if lacking:
            yield Finding(
                NOTE,
                "missing",
                f"Of the networks that the bases here make with n = {_numbers(copies['n'])} ({_which(*values)}), "
                f"{'; '.join(lacking)}.",
            )


def _copies(fine: pd.DataFrame) -> pd.DataFrame:
    """Returns the networks with transplanted or random blocks whose target is a half."""
    return fine[fine["target"].ne("all") & ~fine["treatment"].str.startswith(BASE)]


def _single(fine: pd.DataFrame) -> Iterator[Finding]:
    """Means without an interval, and intervals that speak of one split."""
    found = effects(fine)
    found = found[~found["treatment"].eq(BASE) & found["pairs"].gt(0)]
    alone = found[found["low"].isna()]
    if len(alone):
        kinds = alone.groupby(["treatment", "halves", *VARIANT], sort=False)["n"]
        each = [f"{treatment} ({_which(*values)}, n = {_numbers(ns)})" for (treatment, *values), ns in kinds]
        yield Finding(
            NOTE,
            "no interval",
            f"One split and one seed, or equal numbers in all of them, say nothing about spread, so there is no "
            f"interval for {some(each)}.",
        )
    seeds = found[found["over"].eq(intervals.SEEDS)]
    if len(seeds):
        images = (
            "They cover which validation images were drawn, as if networks erred on different images, so they are "
            "rather too wide"
            if seeds["images"].gt(0).all()
            else "They leave out which validation images were drawn, where records do not say how many these are"
        )
        yield Finding(
            NOTE,
            "one split",
            f"Some intervals are over seeds of one split: they speak of these halves only, not of others. {images}.",
        )


def _numbers(values: pd.Series) -> str:
    return ", ".join(str(int(value)) for value in sorted(set(values)))
