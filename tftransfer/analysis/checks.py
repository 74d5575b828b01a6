"""What a reader must know before trusting a study, in words."""

from collections.abc import Iterator, Sequence

import pandas as pd

from tftransfer import records
from tftransfer.analysis import frames, intervals
from tftransfer.analysis.differences import effects
from tftransfer.analysis.finding import NOTE, WARNING, Finding
from tftransfer.analysis.roles import BASE
from tftransfer.analysis.study import Study

_SHOWN = 6


def main_recipe(frame: pd.DataFrame) -> str:
    """Returns the recipe of most networks, "" if there are none; of equally many, that of the networks with sources."""
    counts = frame.assign(copies=frame["treatment"].ne(BASE)).groupby("recipe")["copies"].agg(["size", "sum"])
    return "" if counts.empty else str(counts.sort_values(["size", "sum"], kind="stable").index[-1])


def findings(frame: pd.DataFrame, study: Study | None = None) -> list[Finding]:
    """Returns what is missing, unequal or doubtful in a study.

    Args:
        frame: From `networks`, all recipes.
        study: Its folder as read, for what is not in the frame: unreadable and unfinished networks, what differs
            between recipes, results compared with another training of their base.

    Returns:
        Warnings first.
    """
    main = frame[frame["recipe"].eq(main_recipe(frame))]
    fine = main[main["set_apart"].eq("")]
    found = [*_folder(study), *_recipes(frame, study), *_set_apart(main)]
    found += [*_at_chance(frame[frame["set_apart"].eq("")]), *_leaks(fine), *_unpaired(fine), *_stale(study)]
    found += [*_balance(fine), *_missing(fine), *_budgets(fine), *_undertrained(fine), *_single(fine)]
    return sorted(found, key=lambda finding: finding.weight != WARNING)


def some(names: Sequence[str]) -> str:
    """Returns the first names and how many more there are."""
    shown = ", ".join(map(str, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _folder(study: Study | None) -> Iterator[Finding]:
    """What lies in the folder and is no finished network."""
    if study is None:
        return
    for fault in study.unreadable:
        yield Finding(WARNING, "unreadable", f"Left out: {fault}")
    if study.unfinished:
        yield Finding(WARNING, "unfinished", f"Begun, without a record: {some(study.unfinished)}.")
    if not study.records:
        yield Finding(WARNING, "empty", "No network of this study is finished.")


def _recipes(frame: pd.DataFrame, study: Study | None) -> Iterator[Finding]:
    """Networks of other recipes in the same folder."""
    main = main_recipe(frame)
    for recipe, others in frame[frame["recipe"].ne(main)].groupby("recipe"):
        differs = _recipe_difference(study, main, str(recipe)) if study else ""
        names = others["name"].tolist()
        yield Finding(
            WARNING if study else NOTE,
            "other recipe",
            f"{_networks(len(others))} of another recipe, data set or protocol ({recipe}) kept apart from the "
            f"{frame['recipe'].eq(main).sum()} of {main} and in none of their means: {some(names)}{differs}.",
        )


def _recipe_difference(study: Study, main: str, other: str) -> str:
    """Returns what differs between two recipes, from one network of each."""
    first = {frames.recipe_digest(record.identity): record.identity for record in reversed(study.records)}
    parts = [
        {"recipe": first[digest]["recipe"], "data": {"fingerprint": first[digest]["data"]["fingerprint"]}}
        | {"protocol": first[digest]["protocol"]}
        for digest in (other, main)
    ]
    return " (" + some(records.differences(*parts)) + ")"


def _set_apart(main: pd.DataFrame) -> Iterator[Finding]:
    """Networks that no mean counts."""
    texts = {
        frames.DIVERGED: "Diverged, so without a score",
        frames.NOT_FROZEN: "Frozen blocks changed during training",
        frames.DUPLICATE: "Second copies of networks that are counted already",
    }
    for reason, text in texts.items():
        names = main.loc[main["set_apart"].eq(reason), "name"].tolist()
        if names:
            yield Finding(WARNING, reason, f"{text}, left out of all means: {some(names)}.")


def _at_chance(fine: pd.DataFrame) -> Iterator[Finding]:
    stuck = fine[fine["left_chance"].eq(False)]
    if len(stuck):
        names = [f"{name} ({100 * top1:.1f} %)" for name, top1 in zip(stuck["name"], stuck["top1"], strict=True)]
        yield Finding(WARNING, "at chance", f"Did not leave chance, and count in means as they are: {some(names)}.")


def _leaks(fine: pd.DataFrame) -> Iterator[Finding]:
    """Sources of the other half that have seen the target's classes."""
    leaking = fine[fine["treatment"].str.startswith("AnB") & fine["classes_seen"].fillna(0).gt(0)]
    if len(leaking):
        yield Finding(
            WARNING,
            "leak",
            f"The source has seen classes of the target: {some(leaking['name'].tolist())}. Transfer "
            f"looks better than it is.",
        )


def _unpaired(fine: pd.DataFrame) -> Iterator[Finding]:
    lonely = fine[fine["minus_base"].isna()]
    if len(lonely):
        yield Finding(
            WARNING,
            "no base",
            f"{_networks(len(lonely))} without the base of the same target, split, seed, images "
            f"and recipe, so without minus_base: {some(lonely['name'].tolist())}.",
        )


def _stale(study: Study | None) -> Iterator[Finding]:
    """Results whose record was compared with another training of the base than the one that lies here."""
    if study is None:
        return
    weights = {record.key: record.weights_digest for record in study.records}
    stale = []
    for record in study.records:
        then = record.content.get("reference")
        if isinstance(then, dict) and weights.get(then.get("key"), then.get("weights")) != then.get("weights"):
            stale.append(record.name)
    if stale:
        yield Finding(
            WARNING,
            "base retrained",
            f"The base was trained again after {some(stale)}, with other weights; minus_base "
            f"here is from the base that lies in the study now.",
        )


def _balance(fine: pd.DataFrame) -> Iterator[Finding]:
    """Treatments whose networks do not have both halves as targets equally often."""
    if fine.loc[fine["treatment"].eq(BASE) & fine["target"].ne("all"), "target"].nunique() < 2:
        return
    for halves, group in _copies(fine).groupby("halves"):
        counts = group.groupby(["treatment", "target"]).size().unstack(fill_value=0).reindex(columns=["A", "B"])
        counts = counts.fillna(0).astype(int)
        uneven = counts[counts["A"].ne(counts["B"]) & counts.sum(axis=1).gt(1)]
        if len(uneven):
            each = "; ".join(f"{name} {row['A']} with target A, {row['B']} with B" for name, row in uneven.iterrows())
            yield Finding(
                NOTE,
                "balance",
                f"Directions are not balanced ({halves}): {each}. Halves differ in difficulty, so only differences "
                f"from the own base compare.",
            )
        for treatment in counts.index.intersection(["AnB", "AnB+"]):
            control = treatment.replace("AnB", "BnB")
            if control in counts.index and not (counts.loc[treatment].gt(0) & counts.loc[control].gt(0)).any():
                yield Finding(
                    WARNING,
                    "balance",
                    f"{treatment} and its control {control} ({halves}) have no target in common: no pair of them can "
                    f"be made, and a difference of their means holds the difference of the halves.",
                )


def _missing(fine: pd.DataFrame) -> Iterator[Finding]:
    """Cells of the grid (n by target, split and seed) that treatments lack."""
    unit = ["target", "split", "seed", "images_per_class"]
    for halves, group in fine[fine["target"].ne("all")].groupby("halves"):
        units = group.loc[group["treatment"].eq(BASE), unit].drop_duplicates()
        copies = _copies(group)
        blocks = sorted(copies["n"].unique())
        lacking = []
        for treatment, cells in copies.groupby("treatment"):
            full = int(units["images_per_class"].isin(cells["images_per_class"].unique()).sum()) * len(blocks)
            have = len(cells[["n", *unit]].drop_duplicates())
            if have < full:
                lacking.append(f"{treatment} has {have} of {full}")
        if lacking:
            yield Finding(
                NOTE,
                "missing",
                f"Of the networks that the bases here make with n = {_numbers(copies['n'])} ({halves}), "
                f"{'; '.join(lacking)}.",
            )


def _copies(fine: pd.DataFrame) -> pd.DataFrame:
    """Returns the networks with copied blocks whose target is a half."""
    return fine[fine["target"].ne("all") & ~fine["treatment"].str.startswith(BASE)]


def _budgets(fine: pd.DataFrame) -> Iterator[Finding]:
    """Updates of networks and of their sources, against those of their bases."""
    if fine["updates"].isna().all():
        return
    keys = [name for name in frames.PAIRED_BY if name != "recipe"]
    bases = fine[fine["treatment"].eq(BASE)].set_index(keys)["updates"]
    others = fine[~fine["treatment"].str.startswith(BASE)]
    if others.empty or bases.empty or not bases.index.is_unique:
        return
    own = bases.reindex(pd.MultiIndex.from_frame(others[keys])).to_numpy()
    unequal = others[(others["updates"] != own).fillna(False).to_numpy(dtype=bool)]
    if len(unequal):
        yield Finding(
            WARNING,
            "budget",
            f"{_networks(len(unequal))} had other numbers of updates than their base: "
            f"{some(unequal['name'].tolist())}.",
        )
    profits = others["updates_of_source"].fillna(0).gt(0).any()
    if profits and not fine["treatment"].str.startswith("base-plus").any():
        yield Finding(
            NOTE,
            "budget",
            "Networks with copied blocks profit from the updates of their source as well as from their "
            "own; no base here was trained as long (--budget=equal_total).",
        )


def _undertrained(fine: pd.DataFrame) -> Iterator[Finding]:
    """Bases which their frozen controls surpass: they were not trained out."""
    found = effects(fine)
    above = found[found["treatment"].eq("BnB") & found["minus_base"].gt(0)]
    sure = above[above["low"].gt(0) | (above["low"].isna() & above["minus_base"].gt(0.01))]
    for halves, group in sure.groupby("halves"):
        best = group.loc[group["minus_base"].idxmax()]
        control = "" if fine["treatment"].str.startswith("base-plus").any() else " --budget=equal_total would tell."
        yield Finding(
            WARNING,
            "bases",
            f"The control BnB stands above its own base ({halves}, {100 * best['minus_base']:+.1f} "
            f"points at n = {int(best['n'])}): the bases were not trained out, and part of every gain over them is "
            f"longer training.{control}",
        )


def _single(fine: pd.DataFrame) -> Iterator[Finding]:
    """Means without an interval, and intervals that speak of one split."""
    found = effects(fine)
    found = found[~found["treatment"].eq(BASE) & found["pairs"].gt(0)]
    alone = found[found["low"].isna()]
    if len(alone):
        treatments = alone.groupby("treatment", sort=False)["n"].apply(lambda ns: f"{ns.name} (n = {_numbers(ns)})")
        yield Finding(
            NOTE,
            "no interval",
            f"One split and one seed say nothing about spread, so there is no interval for "
            f"{some(treatments.tolist())}.",
        )
    if found["over"].eq(intervals.SEEDS).any():
        yield Finding(
            NOTE,
            "one split",
            "Some intervals are over seeds of one split: they speak of these halves only, not of others.",
        )


def _numbers(values: pd.Series) -> str:
    return ", ".join(str(int(value)) for value in sorted(set(values)))


def _networks(count: int) -> str:
    return f"{count} network{'' if count == 1 else 's'}"
