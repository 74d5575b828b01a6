"""Networks that a study lacks: bases, directions, cells of the grid, repeats."""

from collections.abc import Iterator, Sequence

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.differences import effects
from tftransfer.analysis.families import are_halves, is_policy
from tftransfer.analysis.frames import BASE, VARIANT
from tftransfer.experiment.treatments import variant
from tftransfer.records.record_warnings import NOTE, WARNING, RecordWarning
from tftransfer.system import escaping

# Networks are only counted with others that agree in all of these.
_TOGETHER = ["halves", *VARIANT]
_NAMES_SHOWN = 6


def warnings(fine: pd.DataFrame) -> list[RecordWarning]:
    """Returns the warnings about networks that are missing or unbalanced, among the counted ones of one recipe."""
    return [*_unpaired(fine), *_balance(fine), *_missing(fine), *_single(fine)]


def _unpaired(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    missing = fine["minus_base"].isna()
    none_there = fine.groupby("halves")["treatment"].transform(lambda found: ~found.eq(BASE).any())
    # Who asked for no base at all (--base=no) knows; a gap is news.
    for rows, level in ((missing & ~none_there, WARNING), (missing & none_there, NOTE)):
        if rows.any():
            yield RecordWarning(
                "no base",
                f"{network_count(int(rows.sum()))} without a base of the same target, split, seed, images "
                f"and recipe, and therefore without minus_base: {first_names(fine.loc[rows, 'name'].tolist())}.",
                level,
            )


def _balance(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Treatments that do not have both halves as targets equally often."""
    if fine.loc[fine["treatment"].eq(BASE) & fine["target"].ne("all"), "target"].nunique() < 2:
        return
    copies = _copies(fine)
    for values, group in copies[copies["halves"].map(are_halves).astype(bool)].groupby(_TOGETHER):
        of = _which(*values)
        counts = group.groupby(["treatment", "target"]).size().unstack(fill_value=0).reindex(columns=["A", "B"])
        counts = counts.fillna(0).astype(int)
        uneven = counts[counts["A"].ne(counts["B"]) & counts.sum(axis=1).gt(1)]
        if len(uneven):
            each = "; ".join(f"{name} {row['A']} with target A, {row['B']} with B" for name, row in uneven.iterrows())
            yield RecordWarning(
                "balance",
                f"Directions are not balanced ({of}): {each}. Halves differ in difficulty, so compare only "
                f"differences from each network's own base.",
                NOTE,
            )
        for treatment in counts.index.intersection(["AnB", "AnB+"]):
            control = treatment.replace("AnB", "BnB")
            if control in counts.index and not (counts.loc[treatment].gt(0) & counts.loc[control].gt(0)).any():
                yield RecordWarning(
                    "balance",
                    f"{treatment} and its control {control} ({of}) have no target in common, so that they cannot be "
                    f"paired: the difference of their means includes the difference between the halves.",
                )


def _which(halves: str, *values: int) -> str:
    """Returns the kind of halves and the options that are not at their defaults."""
    return ", ".join(filter(None, [halves, variant(*map(int, values))]))


def _missing(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Cells of the grid (n, target, split and seed) for which a treatment has no network."""
    unit = ["target", "split", "seed"]
    bases = fine[fine["treatment"].eq(BASE)]
    for values, copies in _copies(fine).groupby(_TOGETHER):
        own = bases["halves"].eq(values[0]) & bases["images_per_class"].eq(values[1])
        halves = are_halves(str(values[0]))
        # Elsewhere the base of A is a source only, there may be no base at all, and not all families have every n.
        units = (bases[own] if halves else copies)[unit].drop_duplicates()
        of_paper = copies[~copies["treatment"].map(is_policy).astype(bool)]
        lacking = []
        for treatment, cells in copies.groupby("treatment"):
            ns = cells["n"] if is_policy(str(treatment)) or not halves else of_paper["n"]
            full, there = len(units) * ns.nunique(), len(cells[["n", *unit]].drop_duplicates())
            lacking += [f"{treatment} has {there} of {full}"] if there < full else []
        if lacking:
            known = "bases of this study" if halves else "seeds of this study"
            yield RecordWarning(
                "missing",
                f"With the {known} and n = {_numbers(copies['n'])} ({_which(*values)}), "
                f"{'; '.join(lacking)} possible networks.",
                NOTE,
            )


def _copies(fine: pd.DataFrame) -> pd.DataFrame:
    """Returns the networks with transplanted or random blocks whose target is a half."""
    return fine[fine["target"].ne("all") & ~fine["treatment"].str.startswith(BASE)]


def _single(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Means without an interval, and intervals that hold for one split only."""
    found = effects(fine)
    found = found[~found["treatment"].eq(BASE) & found["pairs"].gt(0)]
    alone = found[found["low"].isna()]
    if len(alone):
        kinds = alone.groupby(["treatment", "halves", *VARIANT], sort=False)["n"]
        each = [f"{treatment} ({_which(*values)}, n = {_numbers(ns)})" for (treatment, *values), ns in kinds]
        yield RecordWarning(
            "no interval",
            f"One split and one seed, or equal scores in all of them, say nothing about spread, so there is no "
            f"interval for {first_names(each)}.",
            NOTE,
        )
    seeds = found[found["over"].eq(intervals.SEEDS)]
    if len(seeds):
        images = (
            "They include the sampling error of the validation images, as if networks erred on different images, and "
            "are therefore rather too wide"
            if seeds["images"].gt(0).all()
            else "They do not include the sampling error of the validation images, whose number is missing in some "
            "records"
        )
        halves = seeds["halves"].map(are_halves)
        where = ["of one split: they hold for these halves only, not for others"] if halves.any() else []
        where += [] if halves.all() else ["of one pair of tasks: they hold for these classes and images only"]
        yield RecordWarning("one split", f"Some intervals are over seeds {', or '.join(where)}. {images}.", NOTE)


def _numbers(values: pd.Series) -> str:
    return ", ".join(str(int(value)) for value in sorted(set(values)))


def first_names(names: Sequence[str]) -> str:
    """Returns the first names and how many more there are."""
    return escaping.first(names, _NAMES_SHOWN)


def network_count(count: int) -> str:
    """Returns a number of networks with its noun: `1 network`, `2 networks`."""
    return f"{count} network{'' if count == 1 else 's'}"
