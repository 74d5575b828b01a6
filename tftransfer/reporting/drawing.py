"""All figures of a report, each with its title and caption."""

import dataclasses
import functools
import hashlib
import html
import io
import re

from tftransfer import analysis
from tftransfer.analysis.roles import BASE
from tftransfer.reporting import (
    history_figure,
    loss_figure,
    portrait_figures,
    relative_figure,
    style,
    treatment_figures,
)
from tftransfer.reporting.collected import Report
from tftransfer.reporting.sentences import spoken
from tftransfer.reporting.style import Canvas

_PNG_DPI = 160


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure, ready to be written.

    Attributes:
        name: Its file's name without ending; plain.
        title: Above it.
        caption: What it shows, a sentence or two.
        canvas: The figure.
    """

    name: str
    title: str
    caption: str
    canvas: Canvas

    @functools.cached_property
    def svg(self) -> str:
        """The figure as SVG, with its texts for the pointer as <title>."""
        buffer = io.StringIO()
        with style.settings():
            self.canvas.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return _with_tips(buffer.getvalue(), self.canvas.tips)

    @functools.cached_property
    def inline(self) -> str:
        """The figure as SVG inside a page: no prolog, its own names for its parts, a name for those who do not see."""
        svg = self.svg[self.svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{self.name}-", svg)
        return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(self.title)}" ', 1)

    @functools.cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        with style.settings():
            self.canvas.figure.savefig(buffer, format="png", dpi=_PNG_DPI, metadata={"Software": None})
        return buffer.getvalue()


def draw(report: Report) -> dict[str, Drawing]:
    """Returns the figures that a study has something for, by name, in the order of a report."""
    found: list[Drawing] = []
    if report.main.empty:
        return {}
    for halves in report.halves:
        found += _treatments(report, halves)
    found += _relative(report)
    found += _histories(report)
    found += _portraits(report)
    return {drawing.name: drawing for drawing in found}


def main_figure(report: Report) -> bytes | None:
    """Returns the figure that says most of a study, as PNG: points from the own base, else top-1; None if neither."""
    drawings = {} if report.main.empty else {d.name: d for halves in report.halves for d in _treatments(report, halves)}
    chosen = sorted(drawings, key=lambda name: (not name.startswith("paired"), not name.startswith("figure2")))
    return drawings[chosen[0]].png if chosen else None


def _treatments(report: Report, halves: str) -> list[Drawing]:
    """Figure 2 and its paired form, and the bars, for one kind of halves."""
    here = report.of(halves)
    copies = set(here["treatment"]) - {BASE}
    known = [name for name in copies if not name.startswith(BASE)]
    if halves == "all" or not known or (halves != "random" and set(known) == {"AnB"}):
        return []
    suffix = "" if halves == "random" else f"-{_plain(halves)}"
    what = spoken(halves)
    found = [
        Drawing(
            f"figure2{suffix}",
            f"Top-1 by treatment: {what}",
            "The paper's Figure 2. Above: every network, points shifted sideways. Below: plain means, as the paper "
            "averages; each line begins at the mean of the bases that its networks are compared with, for treatments "
            "whose targets differ also differ in the difficulty of their halves. Shades are paired differences, drawn "
            "where they are beyond 95 % intervals for all n together.",
            treatment_figures.figure2(here),
        )
    ]
    effects = report.effects[report.effects["halves"].eq(halves)]
    losses = report.decomposition[report.decomposition["halves"].eq(halves)]
    plain = treatment_figures.plain(effects)
    if plain.loc[plain["treatment"].ne(BASE), "pairs"].sum():
        overlay = None
        if report.overlay is not None:
            behind = report.overlay[report.overlay["halves"].eq("random")]
            overlay = analysis.effects(behind)
        dashed = " Dashed: the paper, CaffeNet on ILSVRC12 random halves." if overlay is not None else ""
        found.append(
            Drawing(
                f"paired{suffix}",
                f"Points from the own base: {what}",
                "Each network less the base of its own target, split and seed; means with 95 % intervals, each for its "
                "n alone, where there is more than one split or seed. Shades are drawn where differences are beyond "
                f"intervals for all n together.{dashed}",
                treatment_figures.paired(effects, losses, overlay),
            )
        )
    if treatment_figures.plain(losses)["effect"].isin(["co-adaptation", "specificity"]).any():
        found.append(
            Drawing(
                f"losses{suffix}",
                f"What a cut costs and why, and what fine-tuning gains: {what}",
                "Paired differences in top-1 at each n, with 95 % intervals for each n alone.",
                loss_figure.bars(losses),
            )
        )
    return found


def _plain(name: str) -> str:
    """Returns a name fit for files and for parts of a page; records of others may hold any."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) else f"halves-{digest}"


def _relative(report: Report) -> list[Drawing]:
    """Figure 3, if there are unlike halves or random filters."""
    curves = relative_figure.curves(report.main)
    if not any(len(table) and label != "AnB, random halves" for label, (_, table) in curves.items()):
        return []
    return [
        Drawing(
            "figure3",
            "Unlike halves and random filters",
            "The paper's Figure 3: frozen blocks less the own base, between halves that are more or less alike, and "
            "with random filters.",
            relative_figure.figure3(report.main),
        )
    ]


def _histories(report: Report) -> list[Drawing]:
    found = history_figure.histories(report.records, report.main)
    if not found:
        return []
    return [
        Drawing(
            "curves",
            "Learning curves",
            "Validation top-1 while training; the score is the last evaluation. Grey: the bases.",
            history_figure.curves(report.main, found),
        )
    ]


def _portraits(report: Report) -> list[Drawing]:
    """Filters and similarity, if training kept them."""
    found = report.portraits
    shown = portrait_figures.family(report.main, found)
    drawings = []
    if shown:
        drawings.append(
            Drawing(
                "filters",
                "First-layer filters",
                "Grey is a weight of zero; the scale is each network's own. Frozen filters are those of the source.",
                portrait_figures.filters(shown, found),
            )
        )
    if portrait_figures.has_similarities(report.main, found):
        drawings.append(
            Drawing(
                "similarity",
                "How alike features are, block by block",
                "Linear CKA on validation images of the target, estimated without bias: 1 is the same up to rotation "
                "and scale, 0 unrelated. Left: the two bases. Others: networks and the base of their own target.",
                portrait_figures.similarity(report.main, found),
            )
        )
    return drawings


def _with_tips(svg: str, tips: dict[str, str]) -> str:
    """Returns an SVG in which marks carry their text."""

    def titled(match: re.Match) -> str:
        text = tips.get(match[1])
        return match[0] if text is None else f"{match[0]}<title>{html.escape(text)}</title>"

    return re.sub(r'<g id="(tip\d+)">', titled, svg)
