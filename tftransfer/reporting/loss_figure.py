"""Bars of what a cut costs at each block and what fine-tuning gains."""

import pandas as pd

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
            treatment, hatch, label = _BARS[effect]
            rows = table[table["effect"].eq(effect)].sort_values("n")
            x = rows["n"] + (place - (len(shown) - 1) / 2) * width
            axes.bar(x, 100 * rows["mean"], width * 0.92, color=style.colour(treatment), label=label, hatch=hatch,
                     edgecolor="white", linewidth=0.5)  # fmt: skip
            known = rows["low"].notna()
            if known.any():
                low, high = 100 * (rows["mean"] - rows["low"])[known], 100 * (rows["high"] - rows["mean"])[known]
                axes.errorbar(x[known], 100 * rows["mean"][known], [low, high], fmt="none", ecolor=style.INK,
                              elinewidth=1, capsize=2)  # fmt: skip
            for at, row in zip(x, rows.itertuples(), strict=True):
                between = interval(row.low, row.high)
                said = f"{label}, n = {row.n}: {points(row.mean)} points" + (f", 95 % {between}" if between else "")
                canvas.mark(axes, at, 100 * row.mean, said, marker="_", markersize=7, color=style.INK)
        axes.axhline(0, color=style.INK, linewidth=0.8)
        axes.set_xticks(sorted(table.loc[table["effect"].isin(shown), "n"].unique()))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("n, copied blocks")
        axes.set_ylabel("points")
        canvas.figure.legend(loc="outside lower center", ncols=2)
    return canvas
