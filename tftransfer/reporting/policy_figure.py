"""Figure of treatments one below the other, for policies that are no curve over n."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis import intervals
from tftransfer.analysis.families import are_halves, explained
from tftransfer.analysis.frames import BASE
from tftransfer.reporting import looks as looks_lib
from tftransfer.reporting import style
from tftransfer.reporting.looks import Curve, Looks
from tftransfer.reporting.phrases import count, interval, percent, points
from tftransfer.reporting.style import Canvas
from tftransfer.reporting.treatment_figures import compared
from tftransfer.system import escaping

_ROW = 0.46  # inches
_NAME_CHARACTERS = 44


def policies(networks: pd.DataFrame, looks: Looks) -> Canvas:
    """Returns the figure: differences from the base, or top-1 where no network has a base.

    Args:
        networks: Counted networks of one kind of halves and one number of images per class. Of halves, only policies
            are shown; elsewhere all treatments, which are told apart by nothing else.
        looks: Of all curves.
    """
    others = networks[~networks["treatment"].str.startswith(BASE)]
    if are_halves(str(networks["halves"].iloc[0])):
        others = others[others["policy"].ne("")]  # the paper's treatments have figures of their own
    column = "minus_base" if compared(networks) else "top1"
    rows = [
        (curve, int(n), group)
        for curve in looks_lib.curves(others)
        for n, group in looks_lib.of(others, curve).groupby("n")
        if group[column].notna().any()
    ]
    with style.settings():
        canvas, (axes,) = style.canvas(1, 1, 1.1 + _ROW * len(rows))
        for place, (curve, n, group) in enumerate(rows):
            _row(canvas, axes, place, _Row(curve, n, group, column), looks)
        if column == "minus_base":
            axes.axvline(0, color=style.INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [_name(curve, group) for curve, _, group in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("top-1 minus own base, percentage points" if column == "minus_base" else "top-1, %")
    return canvas


class _Row:
    """The mean of one treatment and n with its interval."""

    def __init__(self, curve: Curve, n: int, group: pd.DataFrame, column: str) -> None:
        self.curve, self.n, self.pairs = curve, n, int(group[column].notna().sum())
        self.is_score = column == "top1"
        self.found = intervals.accuracy_of(group) if self.is_score else intervals.mean_of(group, column)
        self.label = str(group["label"].iloc[0])

    @property
    def tip(self) -> str:
        """Its tooltip."""
        between = interval(self.found.low, self.found.high)
        if self.is_score:
            low, high = (percent(end) for end in (self.found.low, self.found.high))
            known = f", 95 % interval {low} to {high}" if between else ""
            return f"{self.label}: {percent(self.found.mean)}{known}, {count(self.pairs, 'network')}, no base"
        known = f", 95 % interval {between}" if between else ""
        return f"{self.label}: {points(self.found.mean)} percentage points{known}, {count(self.pairs, 'pair')}"


def _row(canvas: Canvas, axes: Axes, place: int, row: _Row, looks: Looks) -> None:
    """Draws a mean and its interval."""
    look, found = looks[row.curve], row.found
    if pd.notna(found.low):
        reach = [[100 * (found.mean - found.low)], [100 * (found.high - found.mean)]]
        axes.errorbar(
            [100 * found.mean], [place], xerr=reach, fmt="none", ecolor=look.colour, elinewidth=1.2, capsize=3
        )
    canvas.mark(axes, 100 * found.mean, place, row.tip, marker=look.marker, markersize=6, color=look.colour)


def _name(curve: Curve, group: pd.DataFrame) -> str:
    """Returns a row's name: its label, and below it the decisions in words."""
    label, kind, policy = (str(group[column].iloc[0]) for column in ("label", "halves", "policy"))
    literal = label.partition("-w")[0]
    words = _words(label if policy else curve.treatment, int(group["n"].iloc[0]), kind)
    name = escaping.figure(literal, _NAME_CHARACTERS)
    below = escaping.figure(words, 2 * _NAME_CHARACTERS)
    return f"{name}\n{textwrap.fill(below, _NAME_CHARACTERS)}" if words else name


def _words(treatment: str, n: int, kind: str) -> str:
    """Returns the decisions of a row in words, without the head, which is always new, and the source."""
    words = explained(treatment, kind).partition(", from ")[0].removesuffix(", new head")
    return words.replace("first n blocks", "first block" if n == 1 else f"first {n} blocks")
