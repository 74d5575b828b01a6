"""Warnings about a study as a whole: what is missing, unequal or misleading in it."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import coverage, frames, intervals
from tftransfer.analysis.coverage import first_names, network_count
from tftransfer.analysis.differences import effects
from tftransfer.analysis.frames import BASE
from tftransfer.analysis.study import Study
from tftransfer.experiment.treatments import variant
from tftransfer.records import identities, record_warnings
from tftransfer.records.record_warnings import NOTE, WARNING, RecordWarning
from tftransfer.system import escaping

# Up to this protocol, the same seed gave the same initial weights in every split.
LAST_SHARED = 1


def main_recipe(frame: pd.DataFrame) -> str:
    """Returns the digest of the most frequent recipe; "" if there are no networks.

    Of equally frequent recipes it is the one with most networks that are no base.
    """
    counts = frame.assign(copies=frame["treatment"].ne(BASE)).groupby("recipe")["copies"].agg(["size", "sum"])
    return "" if counts.empty else str(counts.sort_values(["size", "sum"], kind="stable").index[-1])


def warnings(frame: pd.DataFrame, study: Study | None = None) -> list[RecordWarning]:
    """Returns the warnings and notes about a study.

    Args:
        frame: From `networks`, with all recipes.
        study: Its folder as read, for what is not in the frame: unreadable and unfinished networks, what differs
            between recipes, results compared with another training of their base.

    Returns:
        Warnings first.
    """
    main = frame[frame["recipe"].eq(main_recipe(frame))]
    fine = main[main["excluded"].eq("")]
    found = [*_folder(study), *_recipes(frame, study), *_excluded(main)]
    found += [
        *_at_chance(fine, WARNING, "yet counted in all means"),
        *_at_chance(frame.drop(main.index).query("excluded == ''"), NOTE, "of other recipes and therefore in no mean"),
        *_leaks(fine),
        *_of_networks(study),
        *_copies(study),
        *_unbalanced(study),
        *_stale(study),
    ]
    found += [*coverage.warnings(fine), *_budgets(fine), *_undertrained(fine), *_shared_weights(fine)]
    return sorted(found, key=lambda warning: warning.level != WARNING)


def _folder(study: Study | None) -> Iterator[RecordWarning]:
    """Records that cannot be read and networks without a record."""
    if study is None:
        return
    for reason in study.unreadable:
        yield RecordWarning("unreadable", f"Left out: {reason}")
    if study.unfinished:
        yield RecordWarning("unfinished", f"Begun, without a record: {first_names(study.unfinished)}.")
    if not study.records:
        yield RecordWarning("empty", "No network of this study is finished.")


def _recipes(frame: pd.DataFrame, study: Study | None) -> Iterator[RecordWarning]:
    """Networks of other recipes in the same folder."""
    main = main_recipe(frame)
    for recipe, others in frame[frame["recipe"].ne(main)].groupby("recipe"):
        differs = _recipe_difference(study, main, str(recipe)) if study else ""
        names = others["name"].tolist()
        yield RecordWarning(
            "other recipe",
            f"{network_count(len(others))} of another recipe, data set or protocol ({recipe}) excluded from all means, "
            f"which are over the {frame['recipe'].eq(main).sum()} of {main}: {first_names(names)}{differs}.",
            WARNING if study else NOTE,
        )


def _recipe_difference(study: Study, main: str, other: str) -> str:
    """Returns the differences between two recipes in brackets, from one network of each."""
    first = {frames.recipe_digest(record.identity): record.identity for record in reversed(study.records)}
    return " (" + first_names(identities.differences(first[other], first[main])) + ")"


def _excluded(main: pd.DataFrame) -> Iterator[RecordWarning]:
    """Networks that are excluded from all means."""
    texts = {
        record_warnings.DIVERGED: "Diverged, therefore without a score",
        record_warnings.NOT_FROZEN: "Frozen blocks changed during training",
        frames.DUPLICATE: "Second copies of networks that are counted already",
    }
    for reason, text in texts.items():
        names = main.loc[main["excluded"].eq(reason), "name"].tolist()
        if names:
            yield RecordWarning(reason, f"{text}, excluded from all means: {first_names(names)}.")


def _at_chance(networks: pd.DataFrame, level: str, counted: str) -> Iterator[RecordWarning]:
    """Networks that may be at chance, and whether they count in means."""
    stuck = networks[networks["left_chance"].eq(False)]
    if len(stuck):
        known = zip(stuck["name"], stuck["top1"], stuck["chance"], strict=True)
        names = [f"{name} ({_percent(top1)}, chance {_percent(chance)})" for name, top1, chance in known]
        yield RecordWarning(
            record_warnings.AT_CHANCE, f"Not shown to be above chance, {counted}: {first_names(names)}.", level
        )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _leaks(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Sources from the other half that were trained on classes of the target."""
    leaking = fine[fine["treatment"].str.match("A(n|:)") & fine["classes_seen"].fillna(0).gt(0)]
    if len(leaking):
        yield RecordWarning(
            record_warnings.LEAK,
            f"The source was trained on classes of the target: {first_names(leaking['name'].tolist())}. "
            f"Transfer looks better than it is.",
        )


def _of_networks(study: Study | None) -> Iterator[RecordWarning]:
    """Warnings that records give about single networks, for which no sentence above or below stands."""
    for code in (
        record_warnings.MAYBE_LEAK,
        record_warnings.DUPLICATES,
        record_warnings.STATISTICS,
        record_warnings.NOT_MOVED,
        record_warnings.OVERFITTED,
    ):
        about = [
            (record.name, warning.text)
            for record in (study.records if study else ())
            for warning in record_warnings.warnings_of(record.content)
            if warning.code == code
        ]
        for text in escaping.distinct(about):
            yield RecordWarning(code, f"{text}.")


def _copies(study: Study | None) -> Iterator[RecordWarning]:
    """Networks that were trained on copies of validation images, or whose source was."""
    for record in study.records if study else ():
        for warning in record_warnings.copies(record.content):
            yield RecordWarning(warning.code, f"{warning.text}.")


def _unbalanced(study: Study | None) -> Iterator[RecordWarning]:
    """Networks some of whose classes have far more images than others, as far as records tell."""
    names = [r.name for r in study.records if record_warnings.unbalanced(r.content["integrity"])] if study else []
    if names:
        yield RecordWarning(
            record_warnings.UNBALANCED,
            f"The largest class has more than {record_warnings.MOST_TIMES} times the images of the smallest, so top-1 "
            f"mostly reflects the large classes: {first_names(names)}. The mean over classes (per_class_top1) weighs "
            f"all classes equally.",
        )


def _stale(study: Study | None) -> Iterator[RecordWarning]:
    """Networks that were compared with, or copied from, another base than the one in the study now."""
    if study is None:
        return
    strays = [(record.name, role) for record, role in identities.strays(study.records)]
    if copied := [name for name, role in strays if role == identities.SOURCE]:
        yield RecordWarning(
            "source retrained",
            f"Not copied from the base that is in the study now, but from one with other weights, or of another "
            f"recipe, data set or protocol: {first_names(copied)}.",
        )
    if stale := [name for name, role in strays if role == identities.REFERENCE]:
        yield RecordWarning(
            record_warnings.STALE,
            f"The base was trained again after {first_names(stale)}, with other weights; minus_base "
            f"here is the difference from the base that is in the study now.",
        )


def _budgets(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Networks that were trained for more or fewer steps than their bases, their source's steps included."""
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
        yield RecordWarning(
            "budget",
            f"{network_count(len(unequal))} trained for another number of steps than their base: "
            f"{first_names(unequal['name'].tolist())}.",
        )
    profits = others["steps_of_source"].fillna(0).gt(0).any()
    if profits and not fine["treatment"].str.startswith("base-plus").any():
        yield RecordWarning(
            "budget",
            "Networks with copied blocks profit from the training of their source as well as from their own, and no "
            "base in this study was trained as long as both (--budget=equal_total trains one).",
            NOTE,
        )


def _undertrained(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Bases with a lower score than their frozen controls: they may need longer training."""
    found = effects(fine)
    above = found[found["treatment"].eq("BnB") & found["minus_base"].gt(0)]
    unknown = above["verdict_together"].eq(intervals.UNKNOWN) & above["minus_base"].gt(0.01)
    above = above[above["verdict_together"].eq(intervals.ABOVE) | unknown]
    control = "" if fine["treatment"].str.startswith("base-plus").any() else " --budget=equal_total tells which."
    for values, group in above.groupby(["halves", *frames.VARIANT]):
        best = group.loc[group["minus_base"].idxmax()]
        which = ", ".join(filter(None, [values[0], variant(*map(int, values[1:]))]))
        # One pair, or one split and seed, may be above by chance.
        sure = best["verdict_together"] == intervals.ABOVE
        how = "significant for all n together" if sure else "without an interval, perhaps by chance"
        yield RecordWarning(
            "bases",
            f"The control BnB scores higher than its own base ({which}, {100 * best['minus_base']:+.1f} percentage "
            f"points at n = {int(best['n'])}, {how}). Either the bases were not trained to convergence, and part of "
            f"every gain over them comes from longer training; or freezing keeps networks from overfitting.{control}",
        )


def _shared_weights(fine: pd.DataFrame) -> Iterator[RecordWarning]:
    """Intervals over splits whose networks started from the same initial weights."""
    old = fine[fine["protocol"].le(LAST_SHARED).fillna(False)]
    if len(old) and effects(old)["over"].eq(intervals.SPLITS).any():
        yield RecordWarning(
            "protocol 1",
            f"{network_count(len(old))} of protocol {LAST_SHARED} or earlier share their initial weights across splits "
            f"(the same seed gave the same ones), so splits are not independent: as far as initial weights decide the "
            f"differences, intervals over splits are too narrow. Where that part is as large as the spread of four "
            f"splits, 95 % intervals contain the true mean in 75 of 100 studies.",
        )
