"""What a reader must know before trusting a study, in words."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import coverage, frames, intervals
from tftransfer.analysis.differences import effects
from tftransfer.analysis.finding import NOTE, WARNING, Finding, networks, some
from tftransfer.analysis.roles import BASE, variant
from tftransfer.analysis.study import Study
from tftransfer.records import identities
from tftransfer.records import record_warnings as doubts

# Up to this protocol, the same seed gave the same initial weights in every split.
LAST_SHARED = 1


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
    found += [
        *_at_chance(fine, WARNING, "and count in means as they are"),
        *_at_chance(frame.drop(main.index).query("set_apart == ''"), NOTE, "of other recipes, so counted nowhere"),
        *_leaks(fine),
        *_copies(study),
        *_unbalanced(study),
        *_stale(study),
    ]
    found += [*coverage.findings(fine), *_budgets(fine), *_undertrained(fine), *_shared_weights(fine)]
    return sorted(found, key=lambda finding: finding.weight != WARNING)


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
            f"{networks(len(others))} of another recipe, data set or protocol ({recipe}) kept apart from the "
            f"{frame['recipe'].eq(main).sum()} of {main} and in none of their means: {some(names)}{differs}.",
        )


def _recipe_difference(study: Study, main: str, other: str) -> str:
    """Returns what differs between two recipes, from one network of each."""
    first = {frames.recipe_digest(record.identity): record.identity for record in reversed(study.records)}
    return " (" + some(identities.differences(first[other], first[main])) + ")"


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


def _at_chance(networks_: pd.DataFrame, weight: str, counted: str) -> Iterator[Finding]:
    """Networks that may be at chance, and whether means count them."""
    stuck = networks_[networks_["left_chance"].eq(False)]
    if len(stuck):
        known = zip(stuck["name"], stuck["top1"], stuck["chance"], strict=True)
        names = [f"{name} ({_share(top1)}, chance {_share(chance)})" for name, top1, chance in known]
        yield Finding(weight, "at chance", f"Not shown to be above chance, {counted}: {some(names)}.")


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


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


def _copies(study: Study | None) -> Iterator[Finding]:
    """Networks that were trained, or whose source was, on copies of validation images."""
    for record in study.records if study else ():
        for fault in doubts.copies(record.content):
            yield Finding(WARNING, "leak", f"{fault.text}.")


def _unbalanced(study: Study | None) -> Iterator[Finding]:
    """Halves some of whose classes have far more images than others, as far as records say so."""
    found = [r.name for r in study.records if doubts.unbalanced(r.content["integrity"])] if study else []
    if found:
        yield Finding(
            WARNING,
            "unbalanced",
            f"The largest class has more than {doubts.MOST_TIMES} times the images of the smallest, so top-1 tells "
            f"most of the large ones: {some(found)}. The mean over classes (per_class_top1) weighs them equally.",
        )


def _stale(study: Study | None) -> Iterator[Finding]:
    """Results that were compared with, or made from, another base than the one that lies here."""
    if study is None:
        return
    strays = [(record.name, role) for record, role in identities.strays(study.records)]
    if copied := [name for name, role in strays if role == identities.SOURCE]:
        yield Finding(
            WARNING,
            "source retrained",
            f"The base that {some(copied)} copied from is another one than the base that lies in the study now: other "
            f"weights, or another recipe, data set or protocol.",
        )
    if stale := [name for name, role in strays if role == identities.REFERENCE]:
        yield Finding(
            WARNING,
            "base retrained",
            f"The base was trained again after {some(stale)}, with other weights; minus_base "
            f"here is from the base that lies in the study now.",
        )


def _budgets(fine: pd.DataFrame) -> Iterator[Finding]:
    """Steps of networks and of their sources, against those of their bases."""
    if fine["steps"].isna().all():
        return
    keys = [name for name in frames.PAIRED_BY if name != "recipe"]
    bases = fine[fine["treatment"].eq(BASE)].set_index(keys)["steps"]
    others = fine[~fine["treatment"].str.startswith(BASE)]
    if others.empty or bases.empty or not bases.index.is_unique:
        return
    own = bases.reindex(pd.MultiIndex.from_frame(others[keys])).to_numpy()
    unequal = others[(others["steps"] != own).fillna(False).to_numpy(dtype=bool)]
    if len(unequal):
        yield Finding(
            WARNING,
            "budget",
            f"{networks(len(unequal))} had other numbers of steps than their base: {some(unequal['name'].tolist())}.",
        )
    profits = others["steps_of_source"].fillna(0).gt(0).any()
    if profits and not fine["treatment"].str.startswith("base-plus").any():
        yield Finding(
            NOTE,
            "budget",
            "Networks with copied blocks profit from the steps of their source as well as from their "
            "own; no base here was trained as long (--budget=equal_total).",
        )


def _undertrained(fine: pd.DataFrame) -> Iterator[Finding]:
    """Bases which their frozen controls surpass: they were not trained out."""
    found = effects(fine)
    above = found[found["treatment"].eq("BnB") & found["minus_base"].gt(0)]
    unknown = above["verdict_together"].eq(intervals.UNKNOWN) & above["minus_base"].gt(0.01)
    above = above[above["verdict_together"].eq(intervals.ABOVE) | unknown]
    control = "" if fine["treatment"].str.startswith("base-plus").any() else " --budget=equal_total would tell."
    for values, group in above.groupby(["halves", *frames.VARIANT]):
        best = group.loc[group["minus_base"].idxmax()]
        which = ", ".join(filter(None, [values[0], variant(*map(int, values[1:]))]))
        # One pair, or one split and seed, may be above by chance.
        sure = best["verdict_together"] == intervals.ABOVE
        how = "beyond its interval for all n together" if sure else "without an interval, so perhaps by chance"
        yield Finding(
            WARNING,
            "bases",
            f"The control BnB stands above its own base ({which}, {100 * best['minus_base']:+.1f} points at "
            f"n = {int(best['n'])}, {how}). The bases may not have been trained out, so that part of every gain over "
            f"them would be longer training; or freezing may keep networks from overfitting.{control}",
        )


def _shared_weights(fine: pd.DataFrame) -> Iterator[Finding]:
    """Intervals over splits of networks whose initial weights were the same in all splits."""
    old = fine[fine["protocol"].le(LAST_SHARED).fillna(False)]
    if len(old) and effects(old)["over"].eq(intervals.SPLITS).any():
        yield Finding(
            WARNING,
            "protocol 1",
            f"{networks(len(old))} of protocol {LAST_SHARED} or earlier share their initial weights across splits (the "
            f"same seed gave the same ones), so splits are not independent: as far as initial weights decide the "
            f"differences, intervals over splits are too narrow. Where that part is as large as the spread of four "
            f"splits, 95 % intervals hold the truth in 75 of 100 studies.",
        )
