"""The summary at the top of a report: sentences made from the numbers, with their uncertainty."""

from collections.abc import Iterator

import pandas as pd

from tftransfer.analysis import families
from tftransfer.analysis.best import best
from tftransfer.analysis.differences import paired_bases
from tftransfer.analysis.frames import BASE
from tftransfer.experiment.treatments import variant
from tftransfer.records.record_warnings import WARNING
from tftransfer.reporting import effect_sentences
from tftransfer.reporting.collected import Report
from tftransfer.reporting.phrases import NO_BREAK, above, count, interval, over, percent

HALVES = {
    "random": "random halves of the classes",
    "natural_manmade": "natural and man-made halves",
    "all": "all classes",
}


LABELS = (
    "AnB: the first n blocks are copied from a network trained on the other half, and frozen. BnB, its control: copied "
    "from a network trained on the same half. AnB+ and BnB+: the copied blocks are fine-tuned. Base: trained from "
    "scratch. A3B is a network for half B with 3 blocks from half A, so an AnB; B3A, the other way round, is one too."
)
"""The treatments of the paper, for readers who do not know it."""
_NO_HALVES = (
    "B: the classes that networks are trained and judged on. A: what blocks are copied from, pretrained weights or a "
    "network trained on another data set. AnB: the first n blocks are copied from A and frozen, the rest is new. AnB+: "
    "the copied blocks are trained with the rest. Base: trained from scratch."
)
_POLICIES = (
    "A:k4t3n1:B is written block by block: 4 kept (copied and frozen), 3 tuned (copied and trained), a new head; d "
    "stands for blocks that are left out. A:ktn:B are those that differ in n, the blocks of the first run."
)


def labels(report: Report) -> str:
    """Returns what the labels of a report mean."""
    kinds = [families.are_halves(kind) for kind in report.halves]
    parts = [LABELS] if all(kinds) or any(kinds) else []
    parts += [] if all(kinds) else [_NO_HALVES]
    parts += [_POLICIES] if report.main["policy"].ne("").any() else []
    return " ".join(parts)


def spoken(halves: str) -> str:
    """Returns the kind of halves in words."""
    if not families.are_halves(halves):
        return families.of_classes(halves)
    return HALVES.get(halves, f"halves {halves}")


def summary(report: Report) -> list[str]:
    """Returns the opening of a report: what was trained, then one paragraph per kind of halves and images per class."""
    if report.main.empty:
        return ["No finished network of this study counts in means yet; the warnings below say why."]
    kinds = [(halves, size) for halves in report.halves for size in report.sizes(halves)]
    paragraphs = [_scope(report), *(" ".join(_paragraph(report, *kind)) for kind in kinds), _warned(report)]
    return [_unbroken(paragraph) for paragraph in paragraphs if paragraph]


def _warned(report: Report) -> str:
    """Returns a sentence with the codes of all warnings, "" if there are none."""
    codes = list(dict.fromkeys(warning.code for warning in report.warnings if warning.level == WARNING))
    return f"Before trusting these numbers, read the warnings below: {', '.join(codes)}." if codes else ""


def _unbroken(text: str) -> str:
    """Returns a text with no-break spaces between numbers and their units."""
    return text.replace(" %", f"{NO_BREAK}%").replace("n = ", f"n{NO_BREAK}={NO_BREAK}")


def _scope(report: Report) -> str:
    main = report.main
    models = ", ".join(sorted(main["model"].unique()))
    datasets = ", ".join(sorted(main["dataset"].unique()))
    halves = main["halves"].map(families.are_halves).astype(bool) & main["halves"].ne("all")
    splits = main.loc[halves, "split"].nunique()
    parts = [count(splits, "split")] if splits else []
    seeds = main["seed"].nunique()
    parts += [count(seeds, "seed")] if seeds > 1 else []
    hours = main["seconds"].sum() / 3600
    spent = f", {hours:.1f} hours of training" if hours >= 0.1 else ""
    within = f" ({', '.join(parts)}{spent})" if parts else ""
    left_out = len(report.excluded)
    aside = f" {count(left_out, 'more network')} {_are(left_out)} excluded from all means." if left_out else ""
    return f"{count(len(main), 'network')} of {models} on {datasets}{within}.{aside}"


def _paragraph(report: Report, halves: str, size: int) -> Iterator[str]:
    """Sentences about one kind of halves with one number of images per class."""
    here = report.plain(halves, size)
    yield from _bases(here, ", ".join(filter(None, [spoken(halves), variant(size)])))
    yield from _best(here)
    yield from effect_sentences.effects(report, halves, size)
    if len(here) < len(report.of(halves, size)):
        yield "Networks with preserved blocks or staged release are in the tables but in none of these sentences."


def _bases(here: pd.DataFrame, where: str) -> Iterator[str]:
    """The scores of the bases that the other networks are compared with."""
    scores = paired_bases(here)["top1"]
    if scores.empty:
        return
    compared = " that the other networks are compared with" if len(here) > here["treatment"].eq(BASE).sum() else ""
    if len(scores) == 1:
        which = compared if here["treatment"].eq(BASE).sum() > 1 else ""
        yield f"On {where}, the base{which} reaches {percent(scores.mean())} top-1."
        return
    yield (
        f"On {where}, the {len(scores)} bases{compared} reach {percent(scores.mean())} top-1 on average "
        f"({percent(scores.min())} to {percent(scores.max())})."
    )


def _best(here: pd.DataFrame) -> Iterator[str]:
    """The best network of each target, and why its score is optimistic."""
    copies = here[~here["treatment"].str.startswith(BASE)]
    if copies.empty:
        return
    for first in best(here[here["target"].isin(copies["target"])]).itertuples():
        target = copies["target"].eq(first.target)
        splits = copies.loc[target, "split"].nunique()
        of = f"{first.networks} networks"
        of += f" ({splits} splits, whose halves are not equally difficult)" if splits > 1 else ""
        where = "all classes" if first.target == "all" else f"target {first.target}"
        yield f"With {where}, the best of {of} is {_network(first)}."
        if first.treatment.startswith(BASE):
            (second,) = best(copies[target]).itertuples()
            of = f"{count(second.networks, 'network')} with transplanted or random blocks"
            yield f"The best of its {of} is {_network(second)}."
    yield (
        "The best networks are selected by the same scores that are reported here, which favours lucky ones: with "
        "another seed, or on new images, they would likely score lower."
    )


def _network(row: tuple) -> str:
    """Returns the best network with its score, its difference from its base, and the mean difference of its kind."""
    text = f"{row.label} ({row.split}, seed {row.seed}): {percent(row.top1)} top-1"
    if row.treatment == BASE:
        return text
    lead = "without a base to compare it with" if pd.isna(row.minus_base) else f"{above(row.minus_base)} its own base"
    return f"{text}, {lead}; {_kind(row)}"


def _kind(row: tuple) -> str:
    """Returns the mean difference from the base over all networks with the treatment of the best one."""
    at = f"n = {row.n}" if row.n else ""
    kind = row.label if row.treatment.startswith(BASE) else row.treatment  # bases carry no n: the label is the kind
    what = ", ".join(filter(None, [kind, at, variant(0, row.preserve, row.release_step)]))
    if pd.isna(row.minus_base):
        return f"a network of {what}"
    if row.pairs < 2:
        return f"it is the only network of {what} with this target, so there is no interval"
    text = f"the {row.pairs} networks of {what} with this target score {above(row.mean)} their own bases on average"
    if pd.isna(row.low):
        return f"{text}, without an interval"
    together = "" if row.kinds == 1 else f" for all {row.kinds} kinds together"
    of = over(row.clusters, row.over, int(row.images))
    return f"{text} (95 % interval{together} {interval(row.low, row.high)}, {of})"


def _are(many: int) -> str:
    return "is" if many == 1 else "are"
