"""The tables of a report as texts, for the page and for Markdown."""

import dataclasses
import math
from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import decomposition, intervals
from tftransfer.analysis.differences import base_mean
from tftransfer.analysis.families import are_halves, explained, is_single
from tftransfer.analysis.frames import BASE, VARIANT
from tftransfer.experiment import treatments
from tftransfer.reporting.collected import Report
from tftransfer.reporting.looks import named
from tftransfer.reporting.phrases import DASH, count, interval, numbers, percent, points
from tftransfer.reporting.sentences import spoken
from tftransfer.system import escaping

# Order in which a reader expects them.
TREATMENTS = ("BnB", "AnB", "BnB+", "AnB+", "SnB", "RnB")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Above it.
        columns: Heads.
        rows: Texts, as many in a row as there are columns.
        note: What its numbers are; under it.
        first_numeric: Position of the first right-aligned column; all after it are right-aligned, too.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    first_numeric: int = 1


def tables(report: Report) -> list[Table]:
    """Returns all tables of a report that are not empty."""
    found: list[Table] = []
    for halves in report.halves:
        found += _effects(report, halves)
        found += _policies(report, halves)
        if not are_halves(halves):
            continue
        found += _targets(report, halves) if halves not in ("random", "all") else []
        found += _losses(report, halves)
        found += _boosts(report, halves) if halves in report.has_boosts else []
    found += _reduced(report)
    return found


def networks(report: Report) -> Table:
    """Returns the table of all networks, excluded ones as well."""
    rows = tuple(
        (
            *(escaping.terminal(text) for text in (row.name, row.label, row.n, row.split, row.target, row.seed)),
            treatments.variant(row.images_per_class, row.preserve, row.release_step),
            percent(row.top1), percent(row.chance), percent(row.top5),
            _lead(row),
            row.excluded or ("" if row.recipe == report.recipe else f"recipe {row.recipe}"),
        )
        for row in report.frame.itertuples(index=False)
    )  # fmt: skip
    heads = (
        "network",
        "label",
        "n",
        "split",
        "target",
        "seed",
        "variant",
        "top-1",
        "chance",
        "top-5",
        "minus base",
        "excluded",
    )
    note = (
        "Chance: the top-1 of always predicting the most frequent class. Minus base: percentage points above the base."
    )
    return Table("All networks", heads, rows, note, 2)


def _lead(row: tuple) -> str:
    """Returns a network's difference from its base."""
    if row.treatment == BASE or row.excluded:
        return "" if row.treatment == BASE else points(row.minus_base)
    return "no base" if pd.isna(row.minus_base) else points(row.minus_base)


def _copies(report: Report, halves: str, single: bool) -> pd.DataFrame:
    """Returns the effects of all but bases: of single policies, or of those with an n."""
    found = report.effects[report.effects["halves"].eq(halves) & ~report.effects["treatment"].eq(BASE)]
    return found[found["treatment"].map(is_single).astype(bool).eq(single)]


def _top1(report: Report, row: tuple) -> str:
    """Returns the mean top-1 of a row of effects, with the interval that there is."""
    here = report.of(row.halves, row.images_per_class)
    keys = ["treatment", "n", "policy", "preserve", "release_step"]
    score = intervals.accuracy_of(here[(here[keys] == [getattr(row, key) for key in keys]).all(axis=1)])
    known = "" if math.isnan(score.low) else f" ({percent(score.low)} to {percent(score.high)})"
    return f"{percent(score.mean)}{known}"


def _policies(report: Report, halves: str) -> Iterator[Table]:
    """Policies that are no curve over n, one in a row."""
    found = _copies(report, halves, single=True)
    if found.empty:
        return
    rows = tuple(
        (
            _variant(row.treatment, row.images_per_class, row.preserve, row.release_step),
            explained(row.treatment, halves), str(row.networks), _top1(report, row),
            _effect(row) if row.pairs else "no base",
        )
        for row in found.itertuples(index=False)
    )  # fmt: skip
    yield Table(
        f"Policies: {spoken(halves)}",
        ("policy", "blocks", "networks", "top-1", "points above the base"),
        rows,
        "Means, in brackets 95 % intervals for each policy alone, over splits, or over seeds and validation images if "
        "there is one split.",
        2,
    )


def _scores(report: Report, halves: str, found: pd.DataFrame) -> Table:
    """Returns top-1 by treatment and n, where nothing has a base."""
    columns = sorted(found.groupby(["treatment", *VARIANT]), key=_place)
    cells = [{int(row.n): _top1(report, row) for row in group.itertuples()} for _, group in columns]
    blocks = sorted(int(n) for n in found["n"].unique())
    return Table(
        f"Top-1, no base: {spoken(halves)}",
        ("n", *(f"{_variant(*key)}, {_networks(group['networks'])}" for key, group in columns)),
        tuple((str(n), *(cell.get(n, "") for cell in cells)) for n in blocks),
        "Means; there is no base to compare with. In brackets the 95 % interval for each n alone, over seeds and "
        "validation images. One seed gives no interval.",
    )


def _networks(values: pd.Series) -> str:
    """Returns the number of networks of each mean."""
    low, high = int(values.min()), int(values.max())
    return count(low, "network") if low == high else f"{low} to {high} networks each"


def _effects(report: Report, halves: str) -> Iterator[Table]:
    """Differences from the base, by treatment and n."""
    found = _copies(report, halves, single=False)
    if found.empty:
        return
    if not found["pairs"].any() and not are_halves(halves):
        yield _scores(report, halves, found)
        return
    columns = sorted(found.groupby(["treatment", *VARIANT]), key=_place)
    cells = [{int(row.n): _effect(row) for row in group.itertuples()} for _, group in columns]
    heads = [f"{_variant(*key)}, {_pairs(group['pairs'])}" for key, group in columns]
    blocks = sorted(int(n) for n in found["n"].unique())
    yield Table(
        f"Percentage points above the base: {spoken(halves)}",
        ("n", *heads),
        tuple((str(n), *(cell.get(n, "") for cell in cells)) for n in blocks),
        "Top-1 minus that of the base with the same target, split, seed and images per class; in brackets the 95 % "
        "interval for each n alone, over splits, or over seeds and validation images if there is one split. One split "
        "and one seed give no interval.",
    )


def _variant(treatment: str, images: int, preserve: int, release: int) -> str:
    """Returns a treatment with the options that are not at their defaults."""
    return named(treatment, preserve, release, images)


def _pairs(values: pd.Series) -> str:
    """Returns the number of pairs of each mean."""
    low, high = int(values.min()), int(values.max())
    return count(low, "pair") if low == high else f"{low} to {high} pairs each"


def _effect(row: tuple) -> str:
    if not row.pairs:
        return f"({percent(row.top1)}, no base)"
    between = interval(row.low, row.high)
    return points(row.minus_base) + (f" ({between})" if between else "")


def _place(item: tuple) -> tuple:
    """Returns the sort key of a treatment's column."""
    treatment, *rest = item[0]
    family = treatment.partition("-w")[0]
    return (TREATMENTS.index(family) if family in TREATMENTS else len(TREATMENTS), treatment, *rest)


def _targets(report: Report, halves: str) -> Iterator[Table]:
    """Top-1 by target, as halves of unlike classes are not equally difficult."""
    found = report.of(halves)
    found = found[~found["treatment"].str.startswith(BASE)]
    if found.empty:
        return
    blocks = sorted(int(n) for n in found["n"].unique())
    rows = []
    for (target, *kind), group in found.groupby(["target", "treatment", *VARIANT]):
        means = group.groupby("n")["top1"].mean()
        cells = (percent(means.get(n, math.nan)) for n in blocks)
        rows.append((str(target), _variant(*kind), percent(base_mean(group)), *cells))
    yield Table(
        f"Top-1 by target: {spoken(halves)}",
        ("target", "treatment", "own bases", *(f"n = {n}" for n in blocks)),
        tuple(rows),
        ("A is man-made, B natural. " if halves == "natural_manmade" else "")
        + "Own bases: the mean over the bases that the networks of the row are compared with.",
        2,
    )


def _losses(report: Report, halves: str) -> Iterator[Table]:
    """The two losses side by side, and the larger one."""
    found = report.dominance[report.dominance["halves"].eq(halves)]
    if found.empty:
        return
    effects = report.decomposition[report.decomposition["halves"].eq(halves)]
    keys = list(decomposition.BY)
    rows = []
    for row in found.itertuples(index=False):
        same = effects[(effects[keys] == [getattr(row, key) for key in keys]).all(axis=1)].set_index("effect")
        cells = [_loss(same.loc[effect]) for effect in (decomposition.CO_ADAPTATION, decomposition.SPECIFICITY)]
        stages = named(str(row.n), row.preserve, row.release_step, row.images_per_class)
        rows.append((stages, *cells, row.dominates))
    yield Table(
        f"What frozen copies lose, and why: {spoken(halves)}",
        ("n", "co-adaptation (BnB minus base)", "specificity (AnB minus BnB)", "larger loss"),
        tuple(rows),
        "Percentage points, paired by target, split, seed and images per class; negative numbers are losses. The "
        "larger loss is named where it is significant and significantly larger than the other one. Intervals and names "
        "are for each n alone: one interval in twenty is expected to miss. The sentences above use wider intervals, "
        "for all n together, and may therefore leave open what is named here.",
    )


def _loss(row: pd.Series) -> str:
    between = interval(row["low"], row["high"])
    return points(row["mean"]) + (f" ({between})" if between else "")


def _boosts(report: Report, halves: str) -> Iterator[Table]:
    """The paper's Table 1, averaged as in the paper and paired."""
    rows = [
        (
            named(
                numbers(row.transfer_n).replace(" to ", DASH),
                images_per_class=row.images_per_class,
            ),
            points(row.over_base, 1), points(row.over_control, 1),
            points(row.transfer_paired), points(row.control_paired), points(row.difference_of_means),
            _common(row),
        )
        for row in report.boosts(halves).itertuples(index=False)
    ]  # fmt: skip
    yield Table(
        f"Boost of fine-tuned transfer: {spoken(halves)}",
        (
            "blocks",
            "AnB+ minus mean base",
            "AnB+ minus mean BnB+",
            "AnB+ minus own base",
            "BnB+ minus own base",
            "difference of these means",
            "AnB+ minus BnB+, paired",
        ),
        tuple(rows),
        "Percentage points. First two columns: as in the paper's Table 1, the mean of all AnB+ minus the mean of all "
        "bases, or of all BnB+. Next three: each network minus the base of its own target, split and seed, then "
        "averaged; the two means may be over different targets, splits and n. Last: only where both networks exist "
        "with the same n, target, split and seed, with the 95 % interval.",
    )


def _common(row: tuple) -> str:
    """Returns AnB+ minus BnB+ over the cells that have both."""
    if not row.common:
        return "no pair"
    between = interval(row.low, row.high)
    return points(row.difference_paired) + (f" ({between})" if between else f" ({count(int(row.common), 'pair')})")


def _reduced(report: Report) -> Iterator[Table]:
    """Bases trained with fewer images, of all recipes."""
    fine = report.frame[report.frame["excluded"].eq("") & report.frame["images_per_class"].gt(0)]
    bases = fine[fine["treatment"].eq(BASE)]
    if bases.empty:
        return
    rows = []
    for (images, recipe, halves, target), group in bases.groupby(["images_per_class", "recipe", "halves", "target"]):
        chance = "" if group["left_chance"].fillna(True).all() else "at chance"
        steps = ", ".join(f"{value:,}" for value in sorted(group["steps"].dropna().unique()))
        mean = percent(group["top1"].mean())
        rows.append((str(images), spoken(halves), str(target), recipe, steps, str(len(group)), mean, chance))
    heads = ("images per class", "halves", "target", "recipe", "steps", "networks", "top-1", "")
    yield Table("Bases with fewer images", heads, tuple(rows), "", 0)
