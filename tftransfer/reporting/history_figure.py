"""Learning curves: validation top-1 during training, one panel per treatment and number of images."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tftransfer.analysis.frames import BASE
from tftransfer.records.record_files import Record
from tftransfer.reporting import looks, style
from tftransfer.reporting.style import Canvas

_COLUMNS = 3


def histories(records: Sequence[Record], networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the evaluations of counted networks, by name: columns `epoch` and `top1` in per cent."""
    counted = set(networks["name"])
    found = {}
    for record in records:
        history = record.content["history"]
        if record.name in counted and history.get("epoch") and history.get("val_top1"):
            table = pd.DataFrame({"epoch": history["epoch"], "top1": history["val_top1"]}, dtype="float64").dropna()
            found[record.name] = table.assign(top1=100 * table["top1"])
    return found


def curves(networks: pd.DataFrame, found: Mapping[str, pd.DataFrame]) -> Canvas:
    """Returns the figure.

    Args:
        networks: Counted networks.
        found: From `histories`.
    """
    networks = networks[networks["name"].isin(found)]
    groups = panels_of(networks)
    columns = min(_COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    with style.settings():
        canvas, panels = style.canvas(rows, columns, 0.9 + 2.5 * rows, sharex=True, sharey=True)
        shade = style.shades(int(networks["n"].max()))
        for axes, (title, group) in zip(panels, groups, strict=False):
            _bases(axes, networks, group, found)
            for row in group.itertuples():
                _curve(axes, found[row.name], shade(row.n))
            style.title(axes, title)
        for axes in panels[len(groups) :]:
            axes.set_visible(False)
        for axes in panels[: len(groups)][-columns:]:
            axes.set_xlabel("epochs")
            axes.tick_params(labelbottom=True)
        for axes in panels[::columns]:
            axes.set_ylabel("validation top-1, %")
        style.accuracy_axis(panels[0])
        bases = [Line2D([], [], color=style.FAINT, label="bases")] if networks["n"].gt(0).any() else []
        style.n_legend(canvas, map(int, networks["n"]), shade, *bases)
    return canvas


def panels_of(networks: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Returns the networks that may share a panel, with its title: one treatment, and one number of images."""
    several = networks["images_per_class"].nunique() > 1
    found = []
    for curve in looks.curves(networks):
        groups = looks.of(networks, curve).groupby("images_per_class")
        for images, group in sorted(groups, key=lambda item: (item[0] == 0, item[0])):
            plain = ", all images" if several and not images else ""
            found.append((looks.named(curve.name, images_per_class=int(images)) + plain, group))
    return found


def _bases(axes: Axes, networks: pd.DataFrame, group: pd.DataFrame, found: Mapping[str, pd.DataFrame]) -> None:
    """Draws the bases with as many images in the background of other networks."""
    if group["treatment"].eq(BASE).all():
        return
    bases = networks[networks["treatment"].eq(BASE) & networks["images_per_class"].isin(group["images_per_class"])]
    for name in bases["name"]:
        axes.plot("epoch", "top1", data=found[name], color=style.FAINT, linewidth=1)


def _curve(axes: Axes, table: pd.DataFrame, shade: object) -> None:
    single = {"marker": "o", "markersize": 4} if len(table) == 1 else {}
    axes.plot(table["epoch"], table["top1"], color=shade, linewidth=1.1, alpha=0.85, **single)
