"""Figure of effects against images per class: transfer with more and less target data."""

import math

import pandas as pd
from matplotlib.axes import Axes

from tftransfer.reporting import looks as looks_lib
from tftransfer.reporting import style
from tftransfer.reporting.looks import Looks
from tftransfer.reporting.phrases import count, interval, points
from tftransfer.reporting.style import Canvas

_COLUMNS = 3
_DODGE = 1.04  # factor from curve to curve, so that intervals stand beside each other
_MOST_TICKS = 5  # more do not fit side by side
_ALL_BEYOND = 2.5  # "all" stands so many times further right than the most images that have a number


def sizes(table: pd.DataFrame, looks: Looks) -> Canvas:
    """Returns the figure: one curve per treatment and n, over images per class on a logarithmic axis.

    Args:
        table: From `analysis.data_size`, of one kind of halves.
        looks: Of all curves.
    """
    most = float(table["images_per_class"].max())
    places = table["images_per_class"].where(table["images_per_class"].gt(0), most * _ALL_BEYOND).astype(float)
    table = table.assign(x=places).sort_values("x")
    if table["n"].nunique() == 1:
        return _one_panel(table, looks)
    curves = looks_lib.curves(table)
    columns = min(_COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    with style.settings():
        canvas, panels = style.canvas(rows, columns, 1.2 + 2.7 * rows, sharex=True, sharey=True)
        shade = style.shades(int(table["n"].max()))
        for axes, curve in zip(panels, curves, strict=False):
            for n, group in looks_lib.of(table, curve).groupby("n"):
                shifted = group.assign(x=group["x"] * _DODGE ** (n - table["n"].mean()))
                _curve(canvas, axes, curve.name, shifted, shade(int(n)), looks[curve].marker)
            style.title(axes, curve.name)
            _axes(axes, table)
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel("percentage points above the base")
        style.n_legend(canvas, map(int, table["n"]), shade)
    return canvas


def _one_panel(table: pd.DataFrame, looks: Looks) -> Canvas:
    """Returns the figure of curves that share their n."""
    curves = looks_lib.curves(table)
    with style.settings():
        canvas, (axes,) = style.canvas(1, 1, 4.6)
        for place, curve in enumerate(curves):
            group = looks_lib.of(table, curve)
            shifted = group.assign(x=group["x"] * _DODGE ** (place - (len(curves) - 1) / 2))
            _curve(canvas, axes, curve.name, shifted, looks[curve].colour, looks[curve].marker)
        _axes(axes, table)
        axes.set_title(f"n = {int(table['n'].iloc[0])}")
        axes.set_ylabel("top-1 minus own base, percentage points")
        style.legend(
            canvas, [style.handle(looks[curve], curve.meaning_in(str(table["halves"].iloc[0]))) for curve in curves]
        )
    return canvas


def _curve(canvas: Canvas, axes: Axes, name: str, group: pd.DataFrame, colour: object, marker: str) -> None:
    """Draws one curve with the intervals that there are."""
    line = "-" if group["common"].all() else ":"
    axes.plot(group["x"], 100 * group["minus_base"], color=colour, linestyle=line)
    known = group[group["low"].notna()]
    if len(known):
        reach = [100 * (known["minus_base"] - known["low"]), 100 * (known["high"] - known["minus_base"])]
        axes.errorbar(known["x"], 100 * known["minus_base"], reach, fmt="none", ecolor=colour, elinewidth=1, capsize=2)
    for row in group.rename(columns={"count": "pairs"}).itertuples():
        between = interval(row.low, row.high)
        known = f"{points(row.minus_base)} percentage points" + (f", 95 % interval {between}" if between else "")
        text = f"{name}, n = {row.n}, {_images(row.images_per_class)}: {known}, {count(int(row.pairs), 'pair')}"
        canvas.mark(axes, row.x, 100 * row.minus_base, text, marker=marker, markersize=5, color=colour)


def _images(number: int) -> str:
    return f"{number} images per class" if number else "all images"


def _axes(axes: Axes, table: pd.DataFrame) -> None:
    """Labels the logarithmic axis at the numbers of images in the table."""
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.set_xscale("log")
    ticks = dict(sorted(zip(table["x"], table["images_per_class"], strict=True)))
    turn = 90 if len(ticks) > _MOST_TICKS else 0
    axes.set_xticks(list(ticks), [str(number) if number else "all" for number in ticks.values()], rotation=turn)
    axes.minorticks_off()
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("images per class")
