"""How figures look: one colour and marker per treatment, told apart by colour-blind readers and in grey print."""

import dataclasses
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito 2008; treatments of one source share a hue, as in the paper, and fine-tuned ones are lighter.
COLOURS = {
    "base": "#222222", "BnB": "#0072B2", "BnB+": "#56B4E9", "AnB": "#D55E00", "AnB+": "#E69F00", "RnB": "#009E73",
    "SnB": "#CC79A7", "base-plusA": "#777777", "base-plusB": "#777777",
}  # fmt: skip
MARKERS = {
    "base": "o", "BnB": "s", "BnB+": "P", "AnB": "D", "AnB+": "^", "RnB": "v", "SnB": "X", "base-plusA": "_",
    "base-plusB": "_",
}  # fmt: skip
OTHER = "#777777"
MEANINGS = {
    "base": "base",
    "BnB": "BnB: own blocks, frozen",
    "BnB+": "BnB+: own blocks, fine-tuned",
    "AnB": "AnB: other half's blocks, frozen",
    "AnB+": "AnB+: other half's blocks, fine-tuned",
    "RnB": "RnB: random blocks, frozen",
    "SnB": "SnB: random with learnt statistics",
}
ORDER = ("base", "BnB", "BnB+", "AnB", "AnB+", "SnB", "RnB")
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


@dataclasses.dataclass
class Canvas:
    """A figure in the making.

    Attributes:
        figure: Of matplotlib.
        tips: Texts shown when the pointer rests on a mark, by the mark's id.
    """

    figure: Figure
    tips: dict[str, str] = dataclasses.field(default_factory=dict)

    def mark(self, axes: Axes, x: float, y: float, text: str, **options: object) -> None:
        """Draws one point that says `text` under the pointer."""
        (line,) = axes.plot([x], [y], linestyle="none", **options)
        self.tip(line, text)

    def tip(self, artist: Artist, text: str) -> None:
        """Makes a part of the figure say `text` under the pointer."""
        gid = f"tip{len(self.tips)}"
        artist.set_gid(gid)
        self.tips[gid] = text


def canvas(rows: int, columns: int, height: float, **options: object) -> tuple[Canvas, Sequence[Axes]]:
    """Returns an empty figure with its axes, row by row; call it inside `settings`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return Canvas(figure), list(axes.ravel())


def settings() -> object:
    """Returns a context in which figures look as they should."""
    return mpl.rc_context(SETTINGS)


def colour(treatment: str) -> str:
    """Returns a treatment's colour."""
    return COLOURS.get(treatment, OTHER)


def marker(treatment: str) -> str:
    """Returns a treatment's marker."""
    return MARKERS.get(treatment, ".")


def present(treatments: Sequence[str]) -> list[str]:
    """Returns treatments in the order of legends."""
    known = [name for name in ORDER if name in set(treatments)]
    return known + sorted(set(treatments) - set(known))


def n_axis(axes: Axes, most: int) -> None:
    """Labels the axis of copied blocks."""
    axes.set_xticks(range(most + 1), ["base", *map(str, range(1, most + 1))])
    axes.set_xlim(-0.5, most + 0.6)
    axes.set_xlabel("n, copied blocks")


def legend(canvas: Canvas, axes: Axes, treatments: Sequence[str]) -> None:
    """Names treatments by their marks, under the figure, where no point can be hidden."""
    for name in present(treatments):
        axes.plot(
            [], [], color=colour(name), marker=marker(name), label=MEANINGS.get(name, name),
            markerfacecolor="white" if name == "base" else colour(name), linestyle="none",
        )  # fmt: skip
    canvas.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def shades(most: int) -> Callable[[int], object]:
    """Returns the colour of each n from 1 to `most`; the palest yellow is left out."""
    palette = mpl.colormaps["viridis"]
    return lambda n: palette(0.9 * (n - 1) / max(1, most - 1))
