"""What effects say, in sentences: losses of frozen copies, gains of fine-tuned ones, random filters."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis.decomposition import AT_CHANCE, CO_ADAPTATION, NO_LOSS, SPECIFICITY, UNDECIDED
from tftransfer.analysis.intervals import ABOVE, BELOW, OPEN, SEEDS, UNKNOWN
from tftransfer.reporting.collected import Report
from tftransfer.reporting.phrases import count, interval, numbers, over, points

TRANSFER = "transfer"
# Effect -> how it is named, among several n and at a single one.
_SPOKEN = {
    CO_ADAPTATION: (
        "Splitting a network from itself (BnB less base)",
        "frozen own blocks (BnB) against the base",
    ),
    SPECIFICITY: (
        "Taking features of the other half (AnB less BnB)",
        "blocks learnt on the other half (AnB) against own ones (BnB)",
    ),
    TRANSFER: (
        "Freezing blocks of the other half (AnB less base)",
        "frozen blocks of the other half (AnB) against the base",
    ),
}


def effects(report: Report, halves: str, size: int) -> Iterator[str]:
    """Returns what treatments did, for one kind of halves and number of images per class."""
    found = plain(report.decomposition, halves, size)
    yield from _losses(found, plain(report.dominance, halves, size))
    yield from _tuning(report, found, halves, size)
    yield from _longer(found)
    yield from _random(found)
    if halves == "natural_manmade":
        yield from _distance(report, size)


def plain(table: pd.DataFrame, halves: str, size: int) -> pd.DataFrame:
    """Returns the rows of one kind of halves and number of images, without preserved blocks and staged release."""
    fits = table["halves"].eq(halves) & table["images_per_class"].eq(size)
    return table[fits & table["preserve"].eq(0) & table["release_step"].eq(0)]


def _losses(found: pd.DataFrame, dominance: pd.DataFrame) -> Iterator[str]:
    """What frozen copies cost."""
    for effect in (CO_ADAPTATION, SPECIFICITY):
        yield from _loss(found[found["effect"].eq(effect)], effect)
    yield from _larger(dominance)
    if found["effect"].isin([CO_ADAPTATION, SPECIFICITY]).sum() == 0:
        yield from _loss(found[found["effect"].eq(TRANSFER)], TRANSFER)


def _loss(rows: pd.DataFrame, effect: str) -> Iterator[str]:
    """What one effect costs, named a loss only where it is one beyond the intervals for all n together."""
    if rows.empty:
        return
    what, alone = _SPOKEN[effect]
    worst = rows.loc[rows["mean"].idxmin()]
    at = f"at n = {int(worst['n'])}"
    if len(rows) == 1:
        yield f"At n = {int(worst['n'])}, {alone}: {_points(worst)}."
    elif worst["mean"] >= 0:
        yield f"{what} lowers the mean at no n; it is lowest {at}: {_points(worst)}."
    elif worst["verdict_together"] == BELOW:
        yield f"{what} costs most {at}: {_points(worst)}."
    else:
        yield f"{what} has its lowest mean {at}: {_points(worst)}."
    known = rows[rows["verdict_together"].ne(UNKNOWN)]
    if len(known):
        yield from _shown(known, effect)


def _shown(known: pd.DataFrame, effect: str) -> Iterator[str]:
    """At which n a loss is shown."""
    lost, stuck = (known["verdict_together"].eq(verdict) for verdict in (BELOW, AT_CHANCE))
    ns, at_chance, others = ([int(n) for n in known.loc[rows, "n"]] for rows in (lost, stuck, ~lost & ~stuck))
    specific = effect == SPECIFICITY
    if at_chance:
        yield f"At n = {numbers(at_chance)} networks are not shown to be above chance, so no loss is claimed there."
    if not (ns or others):
        return
    if not ns:
        meaning = ": no block is shown to be specific to its half" if specific else ""
        yield f"No loss beyond {_intervals(known)} is shown{meaning}."
        return
    first = "block" if min(ns) == 1 else f"{min(ns)} blocks"
    meaning = f": features of the first {first} are specific to their half" if specific else ""
    rest = f"; at n = {numbers(others)} none is shown, which does not prove that there is none" if others else ""
    yield f"A loss beyond {_intervals(known)} is shown at n = {numbers(ns)}{_within(known[lost])}{meaning}{rest}."


def _within(shown: pd.DataFrame) -> str:
    """Returns what a claim holds for, where it rests on one split: its interval says nothing of other halves."""
    if not shown["over"].eq(SEEDS).any():
        return ""
    images = int(shown["images"].max())
    return f", for these two halves and {f'images like these {images}' if images else 'these validation images'}"


def _intervals(known: pd.DataFrame) -> str:
    return "the interval" if known["together"].max() == 1 else "the intervals for all n together"


def _larger(dominance: pd.DataFrame) -> Iterator[str]:
    """Which of the two losses is the larger."""
    ns = {effect: [int(n) for n in group["n"]] for effect, group in dominance.groupby("dominates_together")}
    named = []
    for effect, other in ((CO_ADAPTATION, SPECIFICITY), (SPECIFICITY, CO_ADAPTATION)):
        rows = dominance[dominance["dominates_together"].eq(effect)]
        gains = rows[other].map(lambda mean: points(mean).startswith("+")).astype(bool)
        both, only = ([int(n) for n in rows.loc[which, "n"]] for which in (~gains, gains))
        named += [f"{effect} is the larger at n = {numbers(both)}"] if both else []
        named += (
            [f"{effect} is the only one at n = {numbers(only)}, where the mean of {other} is a gain"] if only else []
        )
    if not named:
        return
    rest = [f"at n = {numbers(ns[NO_LOSS])} neither is one"] if NO_LOSS in ns else []
    rest += [f"at n = {numbers(ns[UNDECIDED])} the data do not decide"] if UNDECIDED in ns else []
    rest += [f"at n = {numbers(ns[AT_CHANCE])} networks are at chance"] if AT_CHANCE in ns else []
    yield f"Of these two losses, {'; '.join([' and '.join(named), *rest])}."


def _tuning(report: Report, found: pd.DataFrame, halves: str, size: int) -> Iterator[str]:
    """What fine-tuned copies gain, against what their control gains."""
    rows = report.boosts(halves) if halves in report.has_boosts else pd.DataFrame({"images_per_class": []})
    rows = rows[rows["images_per_class"].eq(size)]
    if rows.empty or pd.isna(rows.iloc[0]["transfer_paired"]):
        return
    row = rows.iloc[0]
    text = (
        f"Fine-tuned copies of the other half (AnB+) stand {points(row['transfer_paired'])} points from their own "
        f"base, on average over n = {numbers(row['transfer_n'])}"
    )
    if not row["controls"]:
        yield f"{text}; without BnB+ it is open how much of that is longer training."
        return
    text = f"{text}; the control for longer training (BnB+) stands at {points(row['control_paired'])}"
    if row["control_n"] != row["transfer_n"]:
        text = f"{text}, over n = {numbers(row['control_n'])}"
    if not row["common"]:
        yield f"{text}: a difference of {points(row['difference_of_means'])} points."
        yield (
            "No AnB+ and BnB+ share a target, split, seed and n here, so this difference is one of means, holds that "
            "of their halves, and has no interval."
        )
        return
    yield f"{text}."
    between, of = interval(row["low"], row["high"]), over(row["clusters"], str(row["over"]), int(row["images"]))
    known = f"95 % interval {between}, {of}" if between else "without an interval"
    yield (
        f"Where both have the same n, target, split and seed ({count(int(row['common']), 'pair')}), AnB+ less BnB+ is "
        f"{points(row['difference_paired'])} points on average ({known})."
    )
    yield from _beaten(found[found["effect"].eq("transfer beyond control") & found["verdict_together"].ne(UNKNOWN)])


def _beaten(paired: pd.DataFrame) -> Iterator[str]:
    """Where transfer is above its control, and where below."""
    if paired.empty:
        return
    named = {ABOVE: "beats", BELOW: "falls below"}
    ns = {verdict: [int(n) for n in paired.loc[paired["verdict_together"].eq(verdict), "n"]] for verdict in named}
    said = [f"{verb} BnB+ at n = {numbers(ns[verdict])}" for verdict, verb in named.items() if ns[verdict]]
    said = said or ["neither beats BnB+ at any n nor falls below it"]
    yield f"Beyond {_intervals(paired)}, AnB+ {' and '.join(said)}{_within(paired) if any(ns.values()) else ''}."


def _longer(found: pd.DataFrame) -> Iterator[str]:
    """What fine-tuned copies gain over bases that had as many steps in all."""
    rows = found[found["effect"].eq("transfer beyond longer base")]
    if len(rows):
        best = rows.loc[rows["mean"].idxmax()]
        stands = "stands best" if len(rows) > 1 else "stands"
        yield (
            f"Against bases that had as many steps as source and target together, AnB+ {stands} at "
            f"n = {int(best['n'])}: {_points(best)}."
        )


def _random(found: pd.DataFrame) -> Iterator[str]:
    """What random filters cost."""
    rows = found[found["effect"].eq("random filters")].sort_values("n")
    if len(rows):
        ends = [rows.iloc[0]] + ([rows.iloc[-1]] if len(rows) > 1 else [])
        each = [f"{points(row['mean'], 1)} points from the base at n = {int(row['n'])} ({_alone(row)})" for row in ends]
        yield f"Random frozen filters stand {' and '.join(each)}."


def _distance(report: Report, size: int) -> Iterator[str]:
    """Whether features transfer worse between halves that are less alike."""
    near, far = (
        table[table["treatment"].eq("AnB")].set_index("n")["minus_base"]
        for table in (plain(report.effects, kind, size) for kind in ("random", "natural_manmade"))
    )
    gap = (far - near).dropna()
    if len(gap):
        n = int(gap.idxmin())
        yield (
            f"Between natural and man-made halves, frozen blocks stand furthest below those between random ones at "
            f"n = {n}: {points(far[n], 1)} against {points(near[n], 1)} points from the base. There is only one "
            f"split into natural and man-made classes, so this gap has no interval."
            if gap[n] < 0
            else "The means between natural and man-made halves are at no n below those between random ones."
        )


def _alone(row: pd.Series) -> str:
    """Returns the uncertainty of an effect at an n that was not picked by its numbers."""
    between = interval(row["low"], row["high"], 1)
    return f"95 % interval {between}" if between else f"{count(int(row['pairs']), 'pair')}, so without an interval"


def _points(row: pd.Series) -> str:
    """Returns an effect with its uncertainty; it may have been picked among all n of the effect."""
    text = f"{points(row['mean'])} points"
    if row["verdict_together"] == UNKNOWN:
        equal = ", all equal" if row["clusters"] > 1 else ""
        return f"{text} ({count(int(row['pairs']), 'pair')}{equal}, so without an interval)"
    many = "" if row["together"] == 1 else f" for all {int(row['together'])} n together"
    between = interval(row["low_together"], row["high_together"])
    what = {OPEN: ": not distinguishable from zero", AT_CHANCE: ": networks at chance are among them"}
    verdict = what.get(row["verdict_together"], "")
    if not between:
        return f"{text} ({count(int(row['pairs']), 'pair')}, so without an interval{verdict})"
    return f"{text} (95 % interval{many} {between}, {over(row['clusters'], row['over'], int(row['images']))}{verdict})"
