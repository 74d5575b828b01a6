"""Sentences about effects: losses of frozen copies, gains of fine-tuned ones, random filters."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import families
from tftransfer.analysis.decomposition import AT_CHANCE, CO_ADAPTATION, NO_LOSS, SPECIFICITY, UNDECIDED
from tftransfer.analysis.differences import compared
from tftransfer.analysis.frames import BASE
from tftransfer.analysis.intervals import ABOVE, BELOW, OPEN, SEEDS, UNKNOWN
from tftransfer.reporting.collected import Report
from tftransfer.reporting.phrases import above, count, interval, numbers, over, percent, points

TRANSFER = "transfer"
# Effect -> its name among several n, and at a single one.
_SPOKEN = {
    CO_ADAPTATION: (
        "Freezing a network's own blocks (BnB minus base)",
        "frozen own blocks (BnB) against the base",
    ),
    SPECIFICITY: (
        "Taking these blocks from the other half instead (AnB minus BnB)",
        "blocks learnt on the other half (AnB) against own ones (BnB)",
    ),
    TRANSFER: (
        "Freezing blocks of the other half (AnB minus base)",
        "frozen blocks of the other half (AnB) against the base",
    ),
}


def effects(report: Report, halves: str, size: int) -> Iterator[str]:
    """Sentences about the treatments, for one kind of halves and number of images per class."""
    if not families.are_halves(halves):
        yield from _each(report, halves, size)
        return
    found = plain(report.decomposition, halves, size)
    yield from _losses(found, plain(report.dominance, halves, size))
    yield from _tuning(report, found, halves, size)
    yield from _longer(found)
    yield from _random(found)
    if halves == "natural_manmade":
        yield from _distance(report, size)
    yield from _each(report, halves, size)


def _each(report: Report, halves: str, size: int) -> Iterator[str]:
    """Sentences about each treatment that the paper says nothing about: policies, and pairs that are no halves."""
    rows = plain(report.effects, halves, size)
    rows = rows[~rows["treatment"].str.startswith(BASE)]
    rows = rows[rows["treatment"].map(families.is_policy).astype(bool) | (not families.are_halves(halves))]
    single = rows["treatment"].map(families.is_single).astype(bool)
    for treatment, group in rows[~single].groupby("treatment", sort=False):
        yield from _curve(str(treatment), halves, group)
    if single.any():
        yield from _singles(report, halves, size, rows[single])


def _named(treatment: str, halves: str) -> str:
    """Returns a treatment with its meaning."""
    words = families.explained(treatment, halves)
    return f"{treatment.partition('-w')[0]}, {words}," if words else treatment


def _curve(treatment: str, halves: str, rows: pd.DataFrame) -> Iterator[str]:
    """The best mean of a treatment over n, and where it differs significantly from the base."""
    what = _named(treatment, halves)
    paired = rows.assign(mean=rows["minus_base"])[rows["pairs"].gt(0)]
    if paired.empty:
        best = rows.loc[rows["top1"].idxmax()]
        highest = "its highest mean top-1 " if len(rows) > 1 else ""
        of = count(int(best["networks"]), "network")
        yield f"{what} reaches {highest}at n = {int(best['n'])}: {percent(best['top1'])} ({of}, no base)."
        return
    best = paired.loc[paired["mean"].idxmax()]
    highest = "has its highest mean difference from the base" if len(paired) > 1 else "differs from the base"
    yield f"{what} {highest} at n = {int(best['n'])}: {_points(best)}."
    ns = {v: [int(n) for n in paired.loc[paired["verdict_together"].eq(v), "n"]] for v in (ABOVE, BELOW)}
    if len(paired) > 1 and any(ns.values()):
        sides = [f"{side} it at n = {numbers(ns[v])}" for v, side in ((ABOVE, "above"), (BELOW, "below")) if ns[v]]
        known = paired[paired["verdict_together"].ne(UNKNOWN)]
        yield f"It is significantly {' and '.join(sides)} ({_intervals(known)})."


def _singles(report: Report, halves: str, size: int, rows: pd.DataFrame) -> Iterator[str]:
    """The best of policies that are no curve over n."""
    column = "minus_base" if rows["pairs"].gt(0).any() else "top1"
    best = rows.loc[rows[column].idxmax()]
    what, alone = _named(str(best["treatment"]), halves), len(rows) == 1
    start = what if alone else f"Of {len(rows)} policies that are no curve over n, {what}"
    if column == "top1":
        of = count(int(best["networks"]), "network")
        verb = "reaches" if alone else "has the highest mean top-1:"
        yield f"{start} {verb} {percent(best['top1'])} ({of}, no base)."
        return
    networks = report.plain(halves, size)
    groups = dict(tuple(networks[networks["treatment"].isin(rows["treatment"])].groupby("treatment")))
    found = dict(zip(groups, compared(list(groups.values()), "minus_base"), strict=True))[best["treatment"]]
    verb = "differs from the base by" if alone else "has the highest mean difference from the base:"
    row = pd.Series({**found, "pairs": best["pairs"]})
    yield f"{start} {verb} {_points(row, 'policies')}."


def plain(table: pd.DataFrame, halves: str, size: int) -> pd.DataFrame:
    """Returns the rows of one kind of halves and number of images, without preserved blocks and staged release."""
    fits = table["halves"].eq(halves) & table["images_per_class"].eq(size)
    return table[fits & table["preserve"].eq(0) & table["release_step"].eq(0)]


def _losses(found: pd.DataFrame, dominance: pd.DataFrame) -> Iterator[str]:
    """The losses of frozen copies."""
    for effect in (CO_ADAPTATION, SPECIFICITY):
        yield from _loss(found[found["effect"].eq(effect)], effect)
    yield from _larger(dominance)
    if found["effect"].isin([CO_ADAPTATION, SPECIFICITY]).sum() == 0:
        yield from _loss(found[found["effect"].eq(TRANSFER)], TRANSFER)


def _loss(rows: pd.DataFrame, effect: str) -> Iterator[str]:
    """One effect, called a loss only where it is significant for all n together."""
    if rows.empty:
        return
    what, alone = _SPOKEN[effect]
    worst = rows.loc[rows["mean"].idxmin()]
    at = f"at n = {int(worst['n'])}"
    if len(rows) == 1:
        yield f"At n = {int(worst['n'])}, {alone}: {_points(worst)}."
    elif worst["mean"] >= 0:
        yield f"{what} lowers the mean top-1 at no n; the smallest gain is {at}: {_points(worst)}."
    elif worst["verdict_together"] == BELOW:
        yield f"{what} costs most {at}: {_points(worst)}."
    else:
        yield f"{what} has its lowest mean {at}: {_points(worst)}."
    known = rows[rows["verdict_together"].ne(UNKNOWN)]
    if len(known):
        yield from _shown(known, effect)


def _shown(known: pd.DataFrame, effect: str) -> Iterator[str]:
    """The n at which a loss is significant."""
    lost, stuck = (known["verdict_together"].eq(verdict) for verdict in (BELOW, AT_CHANCE))
    ns, at_chance, others = ([int(n) for n in known.loc[rows, "n"]] for rows in (lost, stuck, ~lost & ~stuck))
    specific = effect == SPECIFICITY
    if at_chance:
        yield f"At n = {numbers(at_chance)} networks are not shown to be above chance, so no loss is claimed there."
    if not (ns or others):
        return
    if not ns:
        meaning = ": no block is shown to be specific to its half" if specific else ""
        yield f"No loss is significant ({_intervals(known)}){meaning}."
        return
    first = "block" if min(ns) == 1 else f"{min(ns)} blocks"
    meaning = f": features of the first {first} are specific to their half" if specific else ""
    rest = f"; at n = {numbers(others)} it is not, which does not prove that there is none" if others else ""
    where = f"at n = {numbers(ns)}{_within(known[lost])}"
    yield f"The loss is significant ({_intervals(known)}) {where}{meaning}{rest}."


def _within(shown: pd.DataFrame) -> str:
    """Returns the halves and images that a claim is limited to if it is based on one split, else ""."""
    if not shown["over"].eq(SEEDS).any():
        return ""
    images = int(shown["images"].max())
    return f", for these two halves and {f'images like these {images}' if images else 'these validation images'}"


def _intervals(known: pd.DataFrame) -> str:
    return "95 % interval" if known["together"].max() == 1 else "95 % intervals for all n together"


def _larger(dominance: pd.DataFrame) -> Iterator[str]:
    """The larger one of the two losses."""
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
    rest = [f"at n = {numbers(ns[NO_LOSS])} neither is a loss"] if NO_LOSS in ns else []
    rest += [f"at n = {numbers(ns[UNDECIDED])} the data do not decide"] if UNDECIDED in ns else []
    rest += [f"at n = {numbers(ns[AT_CHANCE])} networks are at chance"] if AT_CHANCE in ns else []
    yield f"Of these two losses, {'; '.join([' and '.join(named), *rest])}."


def _tuning(report: Report, found: pd.DataFrame, halves: str, size: int) -> Iterator[str]:
    """The gain of fine-tuned copies beside that of their control."""
    rows = report.boosts(halves) if halves in report.has_boosts else pd.DataFrame({"images_per_class": []})
    rows = rows[rows["images_per_class"].eq(size)]
    if rows.empty or pd.isna(rows.iloc[0]["transfer_paired"]):
        return
    row = rows.iloc[0]
    text = (
        f"Networks with fine-tuned blocks of the other half (AnB+) score {above(row['transfer_paired'])} their own "
        f"base, on average over n = {numbers(row['transfer_n'])}"
    )
    if not row["controls"]:
        yield f"{text}; without BnB+ it is unknown how much of that is due to longer training."
        return
    text = f"{text}; the control for longer training (BnB+) scores {above(row['control_paired'])} its own"
    if row["control_n"] != row["transfer_n"]:
        text = f"{text}, over n = {numbers(row['control_n'])}"
    if not row["common"]:
        yield f"{text}: a difference of {points(row['difference_of_means'])} percentage points."
        yield (
            "No AnB+ and BnB+ networks share a target, split, seed and n here, so this is a difference of means, which "
            "includes the difference between their halves, and it has no interval."
        )
        return
    yield f"{text}."
    between, of = interval(row["low"], row["high"]), over(row["clusters"], str(row["over"]), int(row["images"]))
    known = f"95 % interval {between}, {of}" if between else "without an interval"
    yield (
        f"Where both exist with the same n, target, split and seed ({count(int(row['common']), 'pair')}), AnB+ minus "
        f"BnB+ is {points(row['difference_paired'])} percentage points on average ({known})."
    )
    yield from _beaten(found[found["effect"].eq("transfer beyond control") & found["verdict_together"].ne(UNKNOWN)])


def _beaten(paired: pd.DataFrame) -> Iterator[str]:
    """The n at which transfer is significantly better or worse than its control."""
    if paired.empty:
        return
    named = {ABOVE: "significantly better than", BELOW: "significantly worse than"}
    ns = {verdict: [int(n) for n in paired.loc[paired["verdict_together"].eq(verdict), "n"]] for verdict in named}
    claims = [f"{words} BnB+ at n = {numbers(ns[verdict])}" for verdict, words in named.items() if ns[verdict]]
    claims = claims or ["significantly different from BnB+ at no n"]
    where = _within(paired) if any(ns.values()) else ""
    yield f"AnB+ is {' and '.join(claims)} ({_intervals(paired)}){where}."


def _longer(found: pd.DataFrame) -> Iterator[str]:
    """The gain of fine-tuned copies over bases that were trained for as many steps in total."""
    rows = found[found["effect"].eq("transfer beyond longer base")]
    if len(rows):
        best = rows.loc[rows["mean"].idxmax()]
        which = "the best mean of AnB+ is" if len(rows) > 1 else "AnB+"
        yield (
            f"Compared with bases trained for as many steps as source and target together, {which} at "
            f"n = {int(best['n'])}: {_points(best)}."
        )


def _random(found: pd.DataFrame) -> Iterator[str]:
    """The loss of random filters."""
    rows = found[found["effect"].eq("random filters")].sort_values("n")
    if len(rows):
        ends = [rows.iloc[0]] + ([rows.iloc[-1]] if len(rows) > 1 else [])
        each = [f"{above(row['mean'], 1)} the base at n = {int(row['n'])} ({_alone(row)})" for row in ends]
        yield f"Networks with random frozen filters score {' and '.join(each)}."


def _distance(report: Report, size: int) -> Iterator[str]:
    """Whether features transfer worse between natural and man-made classes than between random halves."""
    near, far = (
        table[table["treatment"].eq("AnB")].set_index("n")["minus_base"]
        for table in (plain(report.effects, kind, size) for kind in ("random", "natural_manmade"))
    )
    gap = (far - near).dropna()
    if len(gap):
        n = int(gap.idxmin())
        yield (
            f"Transfer between natural and man-made halves falls furthest below transfer between random halves at "
            f"n = {n}: {points(far[n], 1)} against {points(near[n], 1)} percentage points. There is only one split "
            f"into natural and man-made classes, so this gap has no interval."
            if gap[n] < 0
            else "At no n is transfer between natural and man-made halves worse than between random halves."
        )


def _alone(row: pd.Series) -> str:
    """Returns the uncertainty of an effect at an n that was not selected by its result."""
    between = interval(row["low"], row["high"], 1)
    return f"95 % interval {between}" if between else f"{count(int(row['pairs']), 'pair')}, so without an interval"


def _points(row: pd.Series, among: str = "n") -> str:
    """Returns an effect with its uncertainty; its n may have been selected among all n of the effect.

    `among` says what else it was selected among.
    """
    text = f"{points(row['mean'])} percentage points"
    if row["verdict_together"] == UNKNOWN:
        equal = ", all equal" if row["clusters"] > 1 else ""
        return f"{text} ({count(int(row['pairs']), 'pair')}{equal}, so without an interval)"
    many = "" if row["together"] == 1 else f" for all {int(row['together'])} {among} together"
    between = interval(row["low_together"], row["high_together"])
    what = {OPEN: ": not distinguishable from zero", AT_CHANCE: ": networks at chance are among them"}
    verdict = what.get(row["verdict_together"], "")
    if not between:
        return f"{text} ({count(int(row['pairs']), 'pair')}, so without an interval{verdict})"
    return f"{text} (95 % interval{many} {between}, {over(row['clusters'], row['over'], int(row['images']))}{verdict})"
