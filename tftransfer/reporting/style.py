"""Style of all figures: fonts, axes, legends and tooltips."""

import dataclasses
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tftransfer.reporting.looks import Look
from tftransfer.system import escaping

INK, FAINT = "#222222", "#c4c4c4"
SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eeeeee",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, in the reader's font
    "svg.hashsalt": "tftransfer",  # the same figure is the same file
    "figure.dpi": 100,
}
WIDTH = 7.6
_MOST_TICKS = 20  # more numbers of blocks do not fit side by side
_TITLE_CHARACTERS = 23  # of a third of the width
_LEGEND_CHARACTERS = 52  # of half the width
_WIDEST_LEGEND = 88  # of the whole width
_N_COLUMNS = 8


@dataclasses.dataclass
class Canvas:
    """A figure and its tooltips.

    Attributes:
        figure: Of matplotlib.
        tips: Tooltips, by the id of the mark.
    """

    figure: Figure
    tips: dict[str, str] = dataclasses.field(default_factory=dict)

    def mark(self, axes: Axes, x: float, y: float, text: str, **options: object) -> None:
        """Draws one marker with the tooltip `text`."""
        (line,) = axes.plot([x], [y], linestyle="none", **options)
        self.tip(line, text)

    def tip(self, artist: Artist, text: str) -> None:
        """Gives a part of the figure the tooltip `text`."""
        gid = f"tip{len(self.tips)}"
        artist.set_gid(gid)
        self.tips[gid] = text


def canvas(rows: int, columns: int, height: float, **options: object) -> tuple[Canvas, Sequence[Axes]]:
    """Returns an empty figure with its axes, row by row; call it inside `settings`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return Canvas(figure), list(axes.ravel())


def settings() -> object:
    """Returns a context with the settings of all figures."""
    return mpl.rc_context(SETTINGS)


def n_axis(axes: Axes, most: int, with_base: bool = True) -> None:
    """Labels the axis of copied blocks, from the base, at 0, or from 1 where there is none."""
    step = max(1, math.ceil(most / _MOST_TICKS))
    first = 0 if with_base else 1
    names = {0: "base"} | {n: str(n) for n in range(1, most + 1, step)}
    axes.set_xticks(list(names)[first:], list(names.values())[first:])
    axes.set_xlim(first - 0.5, most + 0.6)
    axes.set_xlabel("n, copied blocks")


def accuracy_axis(axes: Axes) -> None:
    """Limits an axis of accuracies in per cent to 0 to 100."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(100.0, high))


def title(axes: Axes, text: str) -> None:
    """Sets the title of one of three panels in a row, wrapped to the panel's width."""
    axes.set_title(textwrap.fill(escaping.figure(text), _TITLE_CHARACTERS))


def handle(look: Look, label: str, hollow: bool = False) -> Line2D:
    """Returns a marker for a legend."""
    fill = "white" if hollow else look.colour
    return Line2D([], [], color=look.colour, marker=look.marker, markerfacecolor=fill, linestyle="none", label=label)


def legend(canvas: Canvas, handles: Sequence[Artist]) -> None:
    """Draws the legend under the figure, where it hides nothing."""
    longest = max((len(str(mark.get_label())) for mark in handles), default=0)
    columns = 1 if longest > _LEGEND_CHARACTERS else 2
    for mark in handles:
        mark.set_label(textwrap.fill(str(mark.get_label()), _WIDEST_LEGEND, subsequent_indent="    "))
    canvas.figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def n_legend(canvas: Canvas, ns: Iterable[int], shade: Callable[[int], object], *more: Line2D) -> None:
    """Draws the legend of the colours of n under the figure, and of `more`."""
    lines = [Line2D([], [], color=shade(n), marker=".", label=f"n = {n}") for n in sorted(set(ns)) if n > 0]
    if lines or more:
        canvas.figure.legend(handles=[*lines, *more], loc="outside lower center", ncols=_N_COLUMNS)


def shades(most: int) -> Callable[[int], object]:
    """Returns a function from n, 1 to `most`, to its colour, without the palest yellow. Bases, n = 0, are black."""
    palette = mpl.colormaps["viridis"]
    return lambda n: palette(0.9 * (n - 1) / max(1, most - 1)) if n > 0 else INK
