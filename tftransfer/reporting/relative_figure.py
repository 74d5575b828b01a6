"""Figure 3 of the paper: differences from the base for unlike halves and random filters."""

import dataclasses

import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.differences import effects
from tftransfer.analysis.families import are_halves
from tftransfer.reporting import style
from tftransfer.reporting.looks import CURVE, Curve, Looks
from tftransfer.reporting.phrases import points
from tftransfer.reporting.style import Canvas
from tftransfer.system import escaping

_RANDOM = {"RnB": "random filters", "SnB": "random with learnt statistics"}
_LINES = {"to natural": "-", "to man-made": "--", "random halves": ":"}
_HALF = {"A": "man-made", "B": "natural"}


@dataclasses.dataclass(frozen=True)
class Compared:
    """A curve of the figure.

    Attributes:
        curve: Its networks.
        table: Their effects by n.
    """

    curve: Curve
    table: pd.DataFrame


def curves(networks: pd.DataFrame) -> dict[str, Compared]:
    """Returns the curves of the figure by label.

    Args:
        networks: Counted networks of all kinds of halves and one number of images per class.
    """
    found: dict[str, pd.DataFrame] = {}
    which: dict[str, Curve] = {}
    networks = networks[networks["halves"].map(are_halves).astype(bool)]
    for (kind, treatment, *stages), group in networks.groupby(["halves", *CURVE]):
        curve = Curve(str(treatment), *map(int, stages))
        family = curve.treatment.partition("-w")[0]
        parts = _parts(str(kind), family, group)
        found |= {f"{curve.name}{where}": part for where, part in parts.items()}
        which |= dict.fromkeys([f"{curve.name}{where}" for where in parts], curve)
    tables = {label: effects(group) for label, group in found.items()}
    ordered = sorted(tables, key=lambda label: (which[label].treatment.startswith("AnB"), which[label], label))
    return {label: Compared(which[label], tables[label][tables[label]["pairs"].gt(0)]) for label in ordered}


def _parts(kind: str, family: str, group: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the curves of one kind of halves and one treatment, by the end of their labels."""
    if family in _RANDOM:
        return {f", {_RANDOM[family]}{'' if kind == 'all' else f', {kind} halves'}": group}
    if family != "AnB" or kind == "all":
        return {}
    if kind == "random":
        return {", random halves": group}
    name = _HALF if kind == "natural_manmade" else {"A": "A", "B": "B"}
    other = {"A": "B", "B": "A"}
    return {f", {name[other[str(t)]]} to {name[str(t)]}": part for t, part in group.groupby("target")}


def has_figure(networks: pd.DataFrame) -> bool:
    """Whether there are unlike halves or random filters to compare."""
    shown = {label: item for label, item in curves(networks).items() if len(item.table)}
    return any(_is_random(item) or not label.endswith(", random halves") for label, item in shown.items())


def _is_random(compared: Compared) -> bool:
    return compared.curve.treatment.partition("-w")[0] in _RANDOM


def figure3(networks: pd.DataFrame, looks: Looks) -> Canvas:
    """Returns the figure; random filters, whose losses are far larger, have a second panel with its own scale."""
    found = {label: item for label, item in curves(networks).items() if len(item.table)}
    near = {label: item for label, item in found.items() if not _is_random(item)}
    with style.settings():
        panels = [near, found] if near and len(found) > len(near) else [found]
        canvas, all_axes = style.canvas(1, len(panels), 4.2)
        marks = {label: "oD^vsPXph*d"[place % 11] for place, label in enumerate(found)}
        for axes, shown in zip(all_axes, panels, strict=True):
            for label, item in shown.items():
                _curve(canvas, axes, label, item.table.sort_values("n"), looks[item.curve].colour, marks[label])
            axes.axhline(0, color=style.INK, linewidth=0.8)
            style.n_axis(axes, int(max(item.table["n"].max() for item in shown.values())))
            axes.set_xlim(-0.3, axes.get_xlim()[1])
        all_axes[0].set_ylabel("top-1 minus own base, percentage points")
        if len(panels) == 2:
            all_axes[0].set_title("Halves of more and less similar classes")
            all_axes[1].set_title("With random filters")
        style.legend(canvas, all_axes[-1].get_legend_handles_labels()[0])
    return canvas


def _curve(canvas: Canvas, axes: Axes, label: str, table: pd.DataFrame, colour: str, marker: str) -> None:
    """Draws a curve; directions of one treatment differ by line and marker."""
    line = next((line for part, line in _LINES.items() if label.endswith(part)), "-")
    start = [0] if table["n"].min() == 1 else []
    axes.plot(
        start + list(table["n"]), start + list(100 * table["minus_base"]), color=colour, linestyle=line, marker=marker,
        markersize=4.5, label=escaping.figure(label),
    )  # fmt: skip
    for row in table.itertuples():
        text = f"{label}, n = {row.n}: {points(row.minus_base)} percentage points"
        canvas.mark(axes, row.n, 100 * row.minus_base, text, marker=marker, markersize=6, color=colour)
