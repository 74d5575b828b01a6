"""Bars of the losses of frozen copies and the gains of fine-tuned ones at each n."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tftransfer.analysis.decomposition import CO_ADAPTATION, SPECIFICITY
from tftransfer.experiment.treatments import variant
from tftransfer.reporting import style
from tftransfer.reporting.looks import COLOURS
from tftransfer.reporting.phrases import interval, points
from tftransfer.reporting.style import Canvas

_BARS = {
    CO_ADAPTATION: ("BnB", "", "co-adaptation (BnB minus base)"),
    SPECIFICITY: ("AnB", "", "specificity (AnB minus BnB)"),
    "fine-tuned control": ("BnB+", "//", "longer training (BnB+ minus base)"),
    "fine-tuned transfer": ("AnB+", "..", "fine-tuned transfer (AnB+ minus base)"),
}
# Ways to copy that are never in one mean.
_KIND = ("preserve", "release_step")


def bars(decomposition: pd.DataFrame) -> Canvas:
    """Returns the figure: one panel for copies without preserved blocks, and one for each way to preserve some.

    Args:
        decomposition: From `decomposition.decomposition`, of one kind of halves and one number of images per class.
    """
    table = decomposition[decomposition["effect"].isin(_BARS)]
    kinds = list(table[list(_KIND)].drop_duplicates().sort_values(list(_KIND)).itertuples(index=False, name=None))
    shown = [effect for effect in _BARS if table["effect"].eq(effect).any()]
    blocks = sorted(table["n"].unique())
    with style.settings():
        height = 1.0 + 3.2 * len(kinds)
        canvas, panels = style.canvas(len(kinds), 1, height, sharex=True, sharey=True)
        for axes, kind in zip(panels, kinds, strict=True):
            _panel(canvas, axes, table[(table[list(_KIND)] == list(kind)).all(axis=1)], shown)
            axes.set_title(_kept(*kind) if any(kind) or len(kinds) > 1 else "")
        panels[-1].set_xticks(blocks)
        panels[-1].set_xlim(min(blocks) - 0.75, max(blocks) + 0.75)
        panels[-1].set_xlabel("n, copied blocks")
        style.legend(canvas, [_patch(*_BARS[effect]) for effect in shown])
    return canvas


def _kept(preserve: int, release_step: int) -> str:
    """Returns the title of a panel: the blocks preserved above the n copied ones."""
    return variant(preserve=preserve, release_step=release_step) or "none preserved"


def _patch(treatment: str, hatch: str, label: str) -> Patch:
    """Returns an effect's patch in the legend."""
    return Patch(facecolor=COLOURS[treatment], hatch=hatch, edgecolor="white", label=label)


def _panel(canvas: Canvas, axes: Axes, table: pd.DataFrame, shown: list[str]) -> None:
    """Draws the bars of one panel, the effects side by side."""
    width = 0.8 / max(1, len(shown))
    for place, effect in enumerate(shown):
        rows = table[table["effect"].eq(effect)].sort_values("n")
        _effect(canvas, axes, effect, rows, (place - (len(shown) - 1) / 2) * width, 0.92 * width)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("percentage points")


def _effect(canvas: Canvas, axes: Axes, effect: str, rows: pd.DataFrame, shift: float, width: float) -> None:
    """Draws an effect's bars, one for each n, with their intervals."""
    treatment, hatch, label = _BARS[effect]
    mean, low, high = (100 * rows[column] for column in ("mean", "low", "high"))
    drawn = axes.bar(
        rows["n"] + shift, mean, width, color=COLOURS[treatment], hatch=hatch, edgecolor="white",
        linewidth=0.5,
    )  # fmt: skip
    for bar, row in zip(drawn, rows.itertuples(), strict=True):
        between = interval(row.low, row.high)
        known = f", 95 % interval {between}" if between else ""
        canvas.tip(bar, f"{label}, n = {row.n}: {points(row.mean)} percentage points{known}")
    known = low.notna()
    if known.any():
        reach = [(mean - low)[known], (high - mean)[known]]
        at = (rows["n"] + shift)[known]
        axes.errorbar(at, mean[known], reach, fmt="none", ecolor=style.INK, elinewidth=1, capsize=2)
