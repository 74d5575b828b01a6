"""What the numbers say, in a few sentences made from them, with their uncertainty."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis.decomposition import CO_ADAPTATION, SPECIFICITY, UNDECIDED
from tftransfer.analysis.roles import BASE
from tftransfer.reporting.collected import Report
from tftransfer.reporting.phrases import NO_BREAK, count, interval, numbers, percent, points

HALVES = {
    "random": "random halves of the classes",
    "natural_manmade": "natural and man-made halves",
    "all": "all classes",
}
_ALONE = {
    CO_ADAPTATION: "frozen own blocks (BnB) against the base",
    SPECIFICITY: "blocks learnt on the other half (AnB) against own ones (BnB)",
}


def spoken(halves: str) -> str:
    """Returns the kind of halves as a reader sees it."""
    return HALVES.get(halves, f"halves {halves}")


def summary(report: Report) -> list[str]:
    """Returns the opening of a report: what was trained, then a paragraph for each kind of halves."""
    if report.main.empty:
        return ["No finished network of this study can be counted yet; what is missing is listed below."]
    found = [_scope(report), *(" ".join(_halves(report, halves)) for halves in report.halves)]
    return [_unbroken(paragraph) for paragraph in found if paragraph]


def _unbroken(text: str) -> str:
    """Returns a text whose numbers stay with their units at the end of a line."""
    return text.replace(" %", f"{NO_BREAK}%").replace("n = ", f"n{NO_BREAK}={NO_BREAK}")


def _scope(report: Report) -> str:
    main = report.main
    models = ", ".join(sorted(main["model"].unique()))
    datasets = ", ".join(sorted(main["dataset"].unique()))
    splits = main.loc[main["halves"].ne("all"), "split"].nunique()
    parts = [count(splits, "split")] if splits else []
    seeds = main["seed"].nunique()
    parts += [count(seeds, "seed")] if seeds > 1 else []
    hours = main["seconds"].sum() / 3600
    spent = f", {hours:.1f} hours of training" if hours >= 0.1 else ""
    within = f" ({', '.join(parts)}{spent})" if parts else ""
    left_out = len(report.apart)
    aside = f" {count(left_out, 'more network')} {_are(left_out)} kept apart and counted nowhere." if left_out else ""
    return f"{count(len(main), 'network')} of {models} on {datasets}{within}.{aside}"


def _halves(report: Report, halves: str) -> Iterator[str]:
    """Returns what one kind of halves says."""
    here = report.of(halves)
    bases = here.loc[here["treatment"].eq(BASE) & here["images_per_class"].eq(0), "top1"]
    if len(bases):
        spread = "" if len(bases) == 1 else f" ({percent(bases.min())} to {percent(bases.max())})"
        yield (
            f"On {spoken(halves)}, the {'bases reach' if len(bases) > 1 else 'base reaches'} {percent(bases.mean())} "
            f"top-1{spread}."
        )
    plain = report.decomposition
    plain = plain[
        plain["halves"].eq(halves)
        & plain["preserve"].eq(0)
        & plain["images_per_class"].eq(0)
        & plain["release_step"].eq(0)
    ]
    yield from _losses(plain, report.dominance[report.dominance["halves"].eq(halves)])
    yield from _tuning(report, plain, halves)
    yield from _longer(plain)
    yield from _random(plain)
    if halves == "natural_manmade":
        yield from _distance(report)


def _losses(found: pd.DataFrame, dominance: pd.DataFrame) -> Iterator[str]:
    """What frozen copies cost."""
    for effect, text in (
        (CO_ADAPTATION, "Splitting a network from itself (BnB less base) costs most"),
        (SPECIFICITY, "Features of the other half (AnB less BnB) cost most"),
    ):
        rows = found[found["effect"].eq(effect)]
        if rows.empty:
            continue
        worst = rows.loc[rows["mean"].idxmin()]
        if len(rows) == 1:
            yield f"At n = {int(worst['n'])}, {_ALONE[effect]}: {_points(worst)}."
        elif worst["mean"] >= 0:
            yield f"{text.removesuffix(' costs most').removesuffix(' cost most')} costs nothing at any n on average."
        else:
            yield f"{text} at n = {int(worst['n'])}: {_points(worst)}."
        if effect == SPECIFICITY:
            yield from _general(rows)
    decided = dominance[dominance["dominates"].ne(UNDECIDED)]
    if len(decided):
        each = [
            f"{effect} is the larger at n = {numbers([int(n) for n in group['n']])}"
            for effect, group in decided.groupby("dominates")
        ]
        rest = dominance.loc[dominance["dominates"].eq(UNDECIDED), "n"]
        open_ = f"; elsewhere (n = {numbers([int(n) for n in rest])}) the data do not decide" if len(rest) else ""
        yield f"Of these two losses, {' and '.join(each)}{open_}."
    if found["effect"].isin([CO_ADAPTATION, SPECIFICITY]).sum() == 0:
        rows = found[found["effect"].eq("transfer")]
        if len(rows):
            worst = rows.loc[rows["mean"].idxmin()]
            n = int(worst["n"])
            where = f" most at n = {n}" if len(rows) > 1 else f" at n = {n}"
            yield f"Frozen blocks of the other half (AnB less base) lose{where}: {_points(worst)}."


def _general(rows: pd.DataFrame) -> Iterator[str]:
    """From which n on features are specific, as far as intervals tell."""
    known = rows[rows["low"].notna()].sort_values("n")
    if known.empty:
        return
    specific = known[known["high"].lt(0)]
    if specific.empty:
        yield (
            "At no n does AnB fall below BnB by more than the uncertainty: no block is shown to be specific to its "
            "half."
        )
        return
    first = int(specific["n"].min())
    below = [int(n) for n in known["n"] if n < first]
    general = f" Up to n = {max(below)} no loss is shown." if below else ""
    yield (
        f"The first n at which this loss is beyond its interval is {first}: features there are specific to their half."
        f"{general}"
    )


def _tuning(report: Report, found: pd.DataFrame, halves: str) -> Iterator[str]:
    """What fine-tuned copies gain, against what their control gains."""
    if halves not in report.has_boosts:
        return
    row = report.boosts(halves).iloc[0]
    ns = f"n = {int(row['first'])} to {int(row['last'])}" if row["first"] < row["last"] else f"n = {int(row['first'])}"
    text = (
        f"Fine-tuned copies of the other half (AnB+) stand {points(row['transfer_paired'])} points from their own "
        f"base, on average over {ns}"
    )
    if not row["controls"]:
        yield f"{text}; without BnB+ it is open how much of that is longer training."
        return
    yield (
        f"{text}; the control for longer training (BnB+) stands at {points(row['control_paired'])}: a difference of "
        f"{points(row['difference_paired'])} points."
    )
    paired = found[found["effect"].eq("transfer beyond control")]
    if paired.empty:
        yield "No AnB+ and BnB+ share a target here, so this difference is one of means and has no interval."
        return
    sure = paired[paired["low"].gt(0)]
    yield (
        f"Pair by pair, AnB+ beats BnB+ beyond the interval at n = {numbers([int(n) for n in sure['n']])}."
        if len(sure)
        else "Pair by pair, AnB+ beats BnB+ beyond an interval at no n."
    )


def _longer(found: pd.DataFrame) -> Iterator[str]:
    """What fine-tuned copies gain over bases that had as many updates in all."""
    rows = found[found["effect"].eq("transfer beyond longer base")]
    if len(rows):
        best = rows.loc[rows["mean"].idxmax()]
        yield (
            f"Against bases that had as many updates as source and target together, AnB+ stands best at "
            f"n = {int(best['n'])}: {_points(best)}."
        )


def _random(found: pd.DataFrame) -> Iterator[str]:
    """What random filters cost."""
    rows = found[found["effect"].eq("random filters")].sort_values("n")
    if len(rows):
        first, last = rows.iloc[0], rows.iloc[-1]
        more = f", and {points(last['mean'], 1)} at n = {int(last['n'])}" if len(rows) > 1 else ""
        start = f"Random frozen filters stand {points(first['mean'], 1)} points from the base at n = {int(first['n'])}"
        yield f"{start}{more}."


def _distance(report: Report) -> Iterator[str]:
    """Whether features transfer worse between halves that are less alike."""
    found = report.effects[report.effects["treatment"].eq("AnB") & report.effects["images_per_class"].eq(0)]
    found = found[found["preserve"].eq(0) & found["release_step"].eq(0)]
    near, far = (found[found["halves"].eq(kind)].set_index("n")["minus_base"] for kind in ("random", "natural_manmade"))
    gap = (far - near).dropna()
    if len(gap):
        n = int(gap.idxmin())
        yield (
            f"Frozen blocks lose more between natural and man-made halves than between random ones where the gap is "
            f"largest, at n = {n}: {points(far[n], 1)} against {points(near[n], 1)} points."
            if gap[n] < 0
            else "Frozen blocks lose no more between natural and man-made halves than between random ones."
        )


def _points(row: pd.Series) -> str:
    """Returns an effect with its uncertainty."""
    text = f"{points(row['mean'])} points"
    if pd.isna(row["low"]):
        return f"{text} ({count(int(row['pairs']), 'pair')}, so without an interval)"
    over = count(int(row["clusters"]), row["over"].removesuffix("s"))
    return f"{text} (95 % interval {interval(row['low'], row['high'])}, over {over})"


def _are(many: int) -> str:
    return "is" if many == 1 else "are"
