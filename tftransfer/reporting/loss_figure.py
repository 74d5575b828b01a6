"""Bars of what a cut costs at each block and what fine-tuning gains."""

import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.decomposition import CO_ADAPTATION, SPECIFICITY
from tftransfer.reporting import style
from tftransfer.reporting.phrases import interval, points
from tftransfer.reporting.style import Canvas
from tftransfer.reporting.treatment_figures import plain

_BARS = {
    CO_ADAPTATION: ("BnB", "", "lost co-adaptation (BnB less base)"),
    SPECIFICITY: ("AnB", "", "specific features (AnB less BnB)"),
    "fine-tuned control": ("BnB+", "//", "longer training (BnB+ less base)"),
    "fine-tuned transfer": ("AnB+", "..", "fine-tuned transfer (AnB+ less base)"),
}


def bars(decomposition: pd.DataFrame) -> Canvas:
    """Returns the figure.

    Args:
        decomposition: From `decomposition.decomposition`, of one kind of halves.
    """
    table = plain(decomposition)
    shown = [effect for effect in _BARS if table["effect"].eq(effect).any()]
    width = 0.8 / max(1, len(shown))
    with style.settings():
        canvas, (axes,) = style.canvas(1, 1, 4.2)
        for place, effect in enumerate(shown):
            rows = table[table["effect"].eq(effect)].sort_values("n")
            _effect(canvas, axes, effect, rows, (place - (len(shown) - 1) / 2) * width, 0.92 * width)
        axes.axhline(0, color=style.INK, linewidth=0.8)
        blocks = sorted(table.loc[table["effect"].isin(shown), "n"].unique())
        axes.set_xticks(blocks)
        axes.set_xlim(min(blocks) - 0.75, max(blocks) + 0.75)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("n, copied blocks")
        axes.set_ylabel("points")
        canvas.figure.legend(loc="outside lower center", ncols=2)
    return canvas


def _effect(canvas: Canvas, axes: Axes, effect: str, rows: pd.DataFrame, shift: float, width: float) -> None:
    """Draws an effect's bars, one for each n, with their intervals."""
    treatment, hatch, label = _BARS[effect]
    mean, low, high = (100 * rows[column] for column in ("mean", "low", "high"))
    drawn = axes.bar(
        rows["n"] + shift, mean, width, color=style.colour(treatment), label=label, hatch=hatch, edgecolor="white",
        linewidth=0.5,
    )  # fmt: skip
    for bar, row in zip(drawn, rows.itertuples(), strict=True):
        between = interval(row.low, row.high)
        known = f", 95 % interval {between}" if between else ""
        canvas.tip(bar, f"{label}, n = {row.n}: {points(row.mean)} points{known}")
    known = low.notna()
    if known.any():
        reach = [(mean - low)[known], (high - mean)[known]]
        at = (rows["n"] + shift)[known]
        axes.errorbar(at, mean[known], reach, fmt="none", ecolor=style.INK, elinewidth=1, capsize=2)
