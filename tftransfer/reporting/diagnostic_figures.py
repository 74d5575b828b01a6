"""Figures of diagnostics: first-layer filters, and similarity of features block by block."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.frames import BASE
from tftransfer.records.filter_grid import filter_grid
from tftransfer.reporting import style
from tftransfer.reporting.history_figure import panels_of
from tftransfer.reporting.looks import CURVE
from tftransfer.reporting.style import Canvas
from tftransfer.system import escaping

_BLOCK_CHARACTERS = 24  # of a block's name under the axis
_MOST_WITHOUT_BASE = 3

Diagnostics = Mapping[str, Mapping[str, np.ndarray]]


def family(networks: pd.DataFrame, diagnostics: Diagnostics) -> list[tuple[str, str]]:
    """Returns the networks whose filters are shown, as (name, title): both bases and one network with copied blocks.

    That network is a fine-tuned one if there is any: frozen filters equal those of the source bit by bit.
    """
    shown = networks[networks["name"].isin([name for name, arrays in diagnostics.items() if "filters" in arrays])]
    copies = shown[shown["treatment"].isin(["AnB+", "AnB"]) & shown["images_per_class"].eq(0)].sort_values(
        ["treatment", "target", "split", "seed", "n"], ascending=[False, False, True, True, True]
    )
    for row in copies.itertuples():
        bases = shown[
            shown["treatment"].eq(BASE) & shown["split"].eq(row.split) & shown["seed"].eq(row.seed)
            & shown["images_per_class"].eq(0)
        ].set_index("target")["name"]  # fmt: skip
        other = {"A": "B", "B": "A"}[row.target]
        if {row.target, other} <= set(bases.index):
            return [
                (bases[other], f"base{other}, the source"),
                (row.name, f"{row.label}, with copied blocks"),
                (bases[row.target], f"base{row.target}, the target's own"),
            ]
    bases = shown[shown["treatment"].eq(BASE)].drop_duplicates("label")
    some = bases if len(bases) else shown.drop_duplicates("label").head(_MOST_WITHOUT_BASE)
    return [(row.name, row.label) for row in some.itertuples()]


def filters(shown: list[tuple[str, str]], diagnostics: Diagnostics) -> Canvas:
    """Returns the figure of first-layer filters."""
    with style.settings():
        pictures = [filter_grid(diagnostics[name]["filters"]) for name, _ in shown]
        ratio = pictures[0].shape[0] / pictures[0].shape[1]
        canvas, panels = style.canvas(1, len(shown), 0.5 + ratio * style.WIDTH / len(shown))
        for axes, picture, (name, title) in zip(panels, pictures, shown, strict=True):
            axes.imshow(picture, interpolation="nearest")
            style.title(axes, title)
            axes.set_axis_off()
            canvas.tip(axes, f"first-layer filters of {name}")
    return canvas


def similarity(networks: pd.DataFrame, diagnostics: Diagnostics) -> Canvas:
    """Returns the figure of CKA at each block, between the two bases, and between networks and their own base."""
    table = _similarities(networks, diagnostics)
    own = table[table["kind"].eq("with_base")]
    groups = [(title, group) for title, group in panels_of(own) if not group["treatment"].eq(BASE).all()]
    blocks = list(dict.fromkeys(table["block"]))
    bases = _of_bases(table).groupby("block")["cka"].mean().reindex(blocks)
    first = ["baseA and baseB"] if bases.notna().any() else []
    titles = [*first, *(f"{title} and its base" for title, _ in groups)]
    columns = min(3, len(titles))
    rows = math.ceil(len(titles) / columns)
    with style.settings():
        canvas, panels = style.canvas(rows, columns, 1.1 + 2.5 * rows, sharex=True, sharey=True)
        shade = style.shades(int(table["n"].max()))
        for axes, name in zip(panels, first, strict=False):
            _curve(canvas, axes, bases, name, style.INK)
        for axes, (title, group) in zip(panels[len(first) :], groups, strict=False):
            for n, of_n in group.groupby("n"):
                means = of_n.groupby("block")["cka"].mean().reindex(blocks)
                _curve(canvas, axes, means, f"{title}, n = {n}", shade(int(n)))
        for axes in panels[len(titles) :]:
            axes.set_visible(False)
        for place, (axes, title) in enumerate(zip(panels, titles, strict=False)):
            style.title(axes, title)
            axes.set_xticks(range(len(blocks)), [escaping.figure(name, most=_BLOCK_CHARACTERS) for name in blocks])
            axes.tick_params(labelbottom=True, labelrotation=90, axis="x")
            axes.set_ylabel("CKA" if place % columns == 0 else "")
        panels[0].set_ylim(min(0.0, float(table["cka"].min()) - 0.02), 1.04)
        style.n_legend(canvas, map(int, own["n"]), shade)
    return canvas


def _curve(canvas: Canvas, axes: Axes, means: pd.Series, name: str, colour: object) -> None:
    """Draws the CKA of one curve, block by block."""
    axes.plot(range(len(means)), means, color=colour, marker=".")
    for place, (block, value) in enumerate(means.items()):
        if not math.isnan(value):
            text = f"{name}, {block}: {value:.2f}"
            canvas.mark(axes, place, value, text, marker="o", markersize=3.5, color=colour)


def _of_bases(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the CKA between the bases of both halves, from networks with all images."""
    # What copies from pretrained weights is compared with those, and with fewer images the base is another network.
    fits = table["kind"].eq("source_with_base") & table["treatment"].isin(["AnB", "AnB+"])
    return table[fits & table["images_per_class"].eq(0)]


def _similarities(networks: pd.DataFrame, diagnostics: Diagnostics) -> pd.DataFrame:
    """Returns one row per network, kind of comparison and block."""
    rows = [
        {column: getattr(row, column) for column in (*CURVE, "n", "images_per_class")}
        | {"kind": kind, "block": str(block), "cka": float(value)}
        for row in networks.itertuples()
        for kind in ("with_base", "source_with_base")
        if kind in diagnostics.get(row.name, {})
        for block, value in zip(diagnostics[row.name]["blocks"], diagnostics[row.name][kind], strict=True)
    ]
    return pd.DataFrame(rows, columns=[*CURVE, "n", "images_per_class", "kind", "block", "cka"])


def has_similarities(networks: pd.DataFrame, diagnostics: Diagnostics) -> bool:
    """Whether there are data for `similarity`."""
    table = _similarities(networks, diagnostics)
    return bool(table["kind"].eq("with_base").any()) or len(_of_bases(table)) > 0
