"""Figures from portraits: first-layer filters, and how alike features are block by block."""

import math
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.roles import BASE
from tftransfer.mosaic import mosaic
from tftransfer.reporting import style
from tftransfer.reporting.style import Canvas

Portraits = Mapping[str, Mapping[str, np.ndarray]]


def family(networks: pd.DataFrame, portraits: Portraits) -> list[tuple[str, str]]:
    """Returns the networks whose filters are shown, with what they are: both bases and one grafted network.

    The grafted one is fine-tuned if there is such a network: frozen filters are those of the source to the last bit.
    """
    shown = networks[networks["name"].isin([name for name, arrays in portraits.items() if "filters" in arrays])]
    grafted = shown[shown["treatment"].isin(["AnB+", "AnB"]) & shown["images_per_class"].eq(0)].sort_values(
        ["treatment", "target", "split", "seed", "n"], ascending=[False, False, True, True, True]
    )
    for row in grafted.itertuples():
        bases = shown[
            shown["treatment"].eq(BASE) & shown["split"].eq(row.split) & shown["seed"].eq(row.seed)
            & shown["images_per_class"].eq(0)
        ].set_index("target")["name"]  # fmt: skip
        other = {"A": "B", "B": "A"}[row.target]
        if {row.target, other} <= set(bases.index):
            return [
                (bases[other], f"base{other}, the source"),
                (row.name, f"{row.label}, grafted"),
                (bases[row.target], f"base{row.target}, the target's own"),
            ]
    bases = shown[shown["treatment"].eq(BASE)].drop_duplicates("label")
    return [(row.name, row.label) for row in bases.itertuples()]


def filters(shown: list[tuple[str, str]], portraits: Portraits) -> Canvas:
    """Returns the first-layer filters of some networks."""
    with style.settings():
        pictures = [mosaic(portraits[name]["filters"]) for name, _ in shown]
        ratio = pictures[0].shape[0] / pictures[0].shape[1]
        canvas, panels = style.canvas(1, len(shown), 0.5 + ratio * style.WIDTH / len(shown))
        for axes, picture, (name, title) in zip(panels, pictures, shown, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(title)
            axes.set_axis_off()
            canvas.tip(axes, f"first-layer filters of {name}")
    return canvas


def similarity(networks: pd.DataFrame, portraits: Portraits) -> Canvas:
    """Returns how alike features are at each block: of the two bases, and of networks and their own base."""
    table = _similarities(networks, portraits)
    treatments = [name for name in style.present(table["treatment"].unique()) if name != BASE]
    panels_of = ["", *treatments]
    columns = min(3, len(panels_of))
    rows = math.ceil(len(panels_of) / columns)
    blocks = list(dict.fromkeys(table["block"]))
    with style.settings():
        canvas, panels = style.canvas(rows, columns, 0.9 + 2.5 * rows, sharex=True, sharey=True)
        ns = sorted(int(n) for n in table["n"].unique())
        palette = style.shades(max(ns))
        _bases(canvas, panels[0], table[table["kind"].eq("source_with_base")], blocks)
        for axes, treatment in zip(panels[1:], treatments, strict=False):
            here = table[table["kind"].eq("with_base") & table["treatment"].eq(treatment)]
            for n, group in here.groupby("n"):
                means = group.groupby("block")["cka"].mean().reindex(blocks)
                axes.plot(range(len(blocks)), means, color=palette(n), marker=".")
                for place, value in enumerate(means):
                    said = f"{treatment}, n = {n}, {blocks[place]}: {value:.2f}"
                    canvas.mark(axes, place, value, said, marker="o", markersize=3.5, color=palette(n))
            axes.set_title(f"{treatment} and its base")
        for axes in panels[len(panels_of) :]:
            axes.set_visible(False)
        for place, axes in enumerate(panels[: len(panels_of)]):
            axes.set_xticks(range(len(blocks)), blocks, rotation=90)
            axes.tick_params(labelbottom=True)
            axes.set_ylabel("CKA" if place % columns == 0 else "")
        panels[0].set_ylim(min(0.0, float(table["cka"].min()) - 0.02), 1.04)
        lines = [mpl.lines.Line2D([], [], color=palette(n), marker=".", label=f"n = {n}") for n in ns]
        canvas.figure.legend(handles=lines, loc="outside lower center", ncols=8)
    return canvas


def _similarities(networks: pd.DataFrame, portraits: Portraits) -> pd.DataFrame:
    """Returns one row per network, kind of comparison and block."""
    rows = [
        {"kind": kind, "treatment": row.treatment, "n": row.n, "block": str(block), "cka": float(value)}
        for row in networks.itertuples()
        for kind in ("with_base", "source_with_base")
        if kind in portraits.get(row.name, {})
        for block, value in zip(portraits[row.name]["blocks"], portraits[row.name][kind], strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "treatment", "n", "block", "cka"])


def has_similarities(networks: pd.DataFrame, portraits: Portraits) -> bool:
    """Returns True if `similarity` has something to show."""
    return len(_similarities(networks, portraits)) > 0


def _bases(canvas: Canvas, axes: Axes, table: pd.DataFrame, blocks: list[str]) -> None:
    """Draws how alike the bases of both halves are."""
    transfer = table[table["treatment"].str.startswith("AnB")]
    means = transfer.groupby("block")["cka"].mean().reindex(blocks)
    axes.plot(range(len(blocks)), means, color=style.INK, marker="o", markersize=4)
    for place, value in enumerate(means):
        if not math.isnan(value):
            said = f"baseA and baseB, {blocks[place]}: {value:.2f}"
            canvas.mark(axes, place, value, said, marker="o", markersize=4, color=style.INK)
    axes.set_title("baseA and baseB")
