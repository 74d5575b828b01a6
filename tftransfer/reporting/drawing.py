"""All figures of a report, each with its title and caption."""

import dataclasses
import functools
import hashlib
import io
import re

import pandas as pd

from tftransfer import analysis
from tftransfer.analysis.families import are_halves, is_single
from tftransfer.analysis.frames import BASE
from tftransfer.reporting import (
    diagnostic_figures,
    history_figure,
    loss_figure,
    policy_figure,
    relative_figure,
    size_figure,
    style,
    treatment_figures,
)
from tftransfer.reporting.collected import Report
from tftransfer.reporting.looks import main_images
from tftransfer.reporting.sentences import spoken
from tftransfer.reporting.style import Canvas
from tftransfer.system import escaping

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
        """The figure as SVG, with its tooltips as <title>."""
        buffer = io.StringIO()
        with style.settings():
            self.canvas.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return _with_tips(buffer.getvalue(), self.canvas.tips)

    @functools.cached_property
    def inline(self) -> str:
        """The figure as SVG inside a page: without prolog, with ids of its own and a text for screen readers."""
        svg = self.svg[self.svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{self.name}-", svg)
        return svg.replace("<svg ", f'<svg role="img" aria-label="{escaping.html(self.alternative)}" ', 1)

    @property
    def alternative(self) -> str:
        """The text for screen readers; the numbers are in the tables of a report."""
        return f"{self.title}. {self.caption}"

    @functools.cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        with style.settings():
            self.canvas.figure.savefig(buffer, format="png", dpi=_PNG_DPI, metadata={"Software": None})
        return buffer.getvalue()


def draw(report: Report) -> dict[str, Drawing]:
    """Returns the figures that a study has data for, by name, in the order of a report."""
    found: list[Drawing] = []
    if report.main.empty:
        return {}
    for halves in report.halves:
        found += _treatments(report, halves)
    found += _relative(report)
    found += _histories(report)
    found += _diagnostics(report)
    return {drawing.name: drawing for drawing in found}


def main_figure(report: Report) -> bytes | None:
    """Returns the main figure of a study as PNG: differences from the base, else top-1; None if it has neither."""
    drawings = {} if report.main.empty else {d.name: d for halves in report.halves for d in _treatments(report, halves)}
    chosen = sorted(drawings, key=lambda name: (not name.startswith("paired"), not name.startswith("figure2")))
    return drawings[chosen[0]].png if chosen else None


def _treatments(report: Report, halves: str) -> list[Drawing]:
    """Figure 2 and its paired form, and the bars, for one kind of halves and one number of images per class."""
    networks = report.of(halves)
    copies = networks[~networks["treatment"].str.startswith(BASE)]
    known = set(copies["treatment"])
    if halves == "all" or not known or (halves != "random" and known == {"AnB"}):
        return []
    images = main_images(copies)
    scene = _Scene(report, halves, images)
    effects, found = scene.within(report.effects), []
    if not copies["treatment"].map(is_single).all():
        along = _along_n(effects)
        found.append(scene.figure2(_along_n(networks)))
        found += [scene.paired(along)] if along.loc[along["treatment"].ne(BASE), "pairs"].sum() else []
    if effects["treatment"].map(is_single).any():
        found.append(scene.policies(networks))
    losses = scene.within(report.decomposition)
    if are_halves(halves) and losses["effect"].isin(["co-adaptation", "specificity"]).any():
        found.append(scene.losses(losses))
    sizes = _along_n(report.data_sizes[report.data_sizes["halves"].eq(halves)])
    return [*found, *([scene.sizes(sizes)] if len(sizes) else [])]


def _along_n(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of treatments that n means something to: a single policy is no curve over n."""
    return table[~table["treatment"].map(is_single).astype(bool)]


@dataclasses.dataclass(frozen=True)
class _Scene:
    """The figures of one kind of halves, of networks with one number of images per class."""

    report: Report
    halves: str
    images: int

    def within(self, table: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows of a table that belong here."""
        return table[table["halves"].eq(self.halves) & table["images_per_class"].eq(self.images)]

    @property
    def _what(self) -> str:
        return spoken(self.halves) + (f", {self.images} images per class" if self.images else "")

    @property
    def _others(self) -> str:
        """The sentence of a caption on networks with other numbers of images, "" if there are none."""
        others = sorted(set(self.report.of(self.halves)["images_per_class"]) - {self.images})
        if not others:
            return ""
        names = ", ".join(str(images) if images else "all" for images in others)
        return f" Networks with other numbers of images per class ({names}) are not shown."

    def _drawing(self, name: str, title: str, caption: str, canvas: Canvas) -> Drawing:
        suffix = "" if self.halves == "random" else f"-{_plain(self.halves)}"
        return Drawing(f"{name}{suffix}", title, caption, canvas)

    def figure2(self, networks: pd.DataFrame) -> Drawing:
        """The paper's Figure 2."""
        if not are_halves(self.halves):
            return self._drawing(
                "figure2",
                f"Top-1 by n: {self._what}",
                f"Above: every network, with markers shifted sideways. Below: plain means{self._means(networks)}"
                f"{self._others}",
                treatment_figures.figure2(self.within(networks), self.report.looks),
            )
        return self._drawing(
            "figure2",
            f"Top-1 by treatment: {self._what}",
            "The paper's Figure 2. Above: every network, with markers shifted sideways. Below: plain means, as in the "
            "paper; each line begins at the mean of the bases that its networks are compared with, since halves differ "
            "in difficulty. Shaded: paired differences, where they are significant by 95 % intervals for all n "
            f"together.{self._others}",
            treatment_figures.figure2(self.within(networks), self.report.looks),
        )

    def _means(self, networks: pd.DataFrame) -> str:
        """The end of a sentence on the means of networks of a pair that is no halves."""
        if treatment_figures.compared(self.within(networks)):
            return "; the line is the mean of the bases that networks are compared with."
        return (
            " with 95 % intervals over seeds and validation images, if there is more than one seed. There is no base "
            "to compare with."
        )

    def policies(self, networks: pd.DataFrame) -> Drawing:
        """All treatments one below the other."""
        here = self.within(networks)
        what = "percentage points above the base" if treatment_figures.compared(here) else "top-1, no base"
        return self._drawing(
            "policies",
            f"Policies, {what}: {self._what}",
            "Means with 95 % intervals for each policy alone, if there is more than one split or seed. k: kept (copied "
            f"and frozen), t: tuned (copied and trained), n: new, d: dropped.{self._others}",
            policy_figure.policies(here, self.report.looks),
        )

    def paired(self, effects: pd.DataFrame) -> Drawing:
        """Differences from the base."""
        overlay, dashed = None, ""
        if self.report.overlay is not None and are_halves(self.halves):
            paper = analysis.effects(self.report.overlay[self.report.overlay["halves"].eq("random")])
            overlay = paper[paper["images_per_class"].eq(0)]
            dashed = " Dashed: the paper, CaffeNet on ILSVRC12 random halves."
        return self._drawing(
            "paired",
            f"Percentage points above the base: {self._what}",
            "Top-1 of each network minus that of the base with the same target, split and seed; means with 95 % "
            "intervals for each n alone, if there is more than one split or seed. Shaded: differences that are "
            f"significant by intervals for all n together.{dashed}{self._others}"
            if are_halves(self.halves)
            else f"Top-1 of each network minus that of the base with the same seed; means with 95 % intervals for each "
            f"n alone, if there is more than one seed.{self._others}",
            treatment_figures.paired(effects, self.within(self.report.decomposition), self.report.looks, overlay),
        )

    def losses(self, losses: pd.DataFrame) -> Drawing:
        """Losses of frozen copies, by cause."""
        return self._drawing(
            "losses",
            f"Losses of frozen copies by cause, and gains of fine-tuning: {self._what}",
            f"Paired differences in top-1 at each n, with 95 % intervals for each n alone.{self._others}",
            loss_figure.bars(losses),
        )

    def sizes(self, sizes: pd.DataFrame) -> Drawing:
        """Effects over images per class."""
        dotted = " Dotted curves join points that share no target, split and seed." if not sizes["common"].all() else ""
        return self._drawing(
            "images",
            f"Percentage points above the base, by images per class: {spoken(self.halves)}",
            "Top-1 minus that of the base with as many images, with 95 % intervals if there is more than one split or "
            f"seed. All points of a curve are over the same targets, splits and seeds.{dotted}",
            size_figure.sizes(sizes, self.report.looks),
        )


def _plain(name: str) -> str:
    """Returns a name that is safe in file names and ids; records of others may contain any text."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) else f"halves-{digest}"


def _relative(report: Report) -> list[Drawing]:
    """Figure 3, if there are unlike halves or random filters."""
    copies = report.main[~report.main["treatment"].str.startswith(BASE)]
    if copies.empty:
        return []
    images = main_images(copies)
    networks = report.main[report.main["images_per_class"].eq(images)]
    if not relative_figure.has_figure(networks):
        return []
    fewer = f" All networks have {images} images per class." if images else ""
    return [
        Drawing(
            "figure3",
            "Unlike halves and random filters",
            "The paper's Figure 3: networks with frozen blocks minus their own base, for halves that are more or less "
            f"similar, and with random filters.{fewer}",
            relative_figure.figure3(networks, report.looks),
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
            "Validation top-1 during training; the score is that of the last evaluation. Grey: the bases with as many "
            "images.",
            history_figure.curves(report.main, found),
        )
    ]


def _diagnostics(report: Report) -> list[Drawing]:
    """First-layer filters and similarity of features, if training kept them."""
    found = report.diagnostics
    shown = diagnostic_figures.family(report.main, found)
    drawings = []
    if shown:
        drawings.append(
            Drawing(
                "filters",
                "First-layer filters",
                "Grey is a weight of zero; each network has its own scale. Frozen filters are those of the source.",
                diagnostic_figures.filters(shown, found),
            )
        )
    if diagnostic_figures.has_similarities(report.main, found):
        drawings.append(
            Drawing(
                "similarity",
                "Similarity of features, block by block",
                "Linear CKA on validation images of the target, estimated without bias: 1 means equal up to "
                "rotation and scale, 0 unrelated. Left: the two bases. Others: networks and the base of their own "
                "target.",
                diagnostic_figures.similarity(report.main, found),
            )
        )
    return drawings


def _with_tips(svg: str, tips: dict[str, str]) -> str:
    """Returns an SVG in which marks have tooltips."""

    def titled(match: re.Match) -> str:
        text = tips.get(match[1])
        return match[0] if text is None else f"{match[0]}<title>{escaping.html(text)}</title>"

    return re.sub(r'<g id="(tip\d+)">', titled, svg)
