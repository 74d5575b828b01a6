"""Learning curves: validation top-1 while training, one panel a treatment."""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.roles import BASE
from tftransfer.records import Record
from tftransfer.reporting import style
from tftransfer.reporting.style import Canvas

_COLUMNS = 3


def histories(records: Sequence[Record], networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the evaluations of counted networks, by name: columns `epoch` and `top1` in per cent."""
    wanted = set(networks["name"])
    found = {}
    for record in records:
        history = record.content["history"]
        if record.name in wanted and history.get("epoch") and history.get("val_top1"):
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
    treatments = style.present(networks["treatment"].unique())
    columns = min(_COLUMNS, len(treatments))
    rows = math.ceil(len(treatments) / columns)
    with style.settings():
        canvas, panels = style.canvas(rows, columns, 0.9 + 2.5 * rows, sharex=True, sharey=True)
        bases = networks.loc[networks["treatment"].eq(BASE), "name"]
        most = int(networks["n"].max())
        palette = style.shades(most)
        for axes, treatment in zip(panels, treatments, strict=False):
            for name in bases if treatment != BASE else ():
                axes.plot("epoch", "top1", data=found[name], color=style.FAINT, linewidth=1)
            for row in networks[networks["treatment"].eq(treatment)].itertuples():
                shade = style.INK if treatment == BASE else palette(max(1, row.n))
                _curve(axes, found[row.name], shade)
            axes.set_title(treatment)
        for axes in panels[len(treatments) :]:
            axes.set_visible(False)
        for axes in panels[: len(treatments)][-columns:]:
            axes.set_xlabel("epochs")
            axes.tick_params(labelbottom=True)
        for axes in panels[::columns]:
            axes.set_ylabel("validation top-1, %")
        _n_legend(canvas, networks, palette)
    return canvas


def _curve(axes: Axes, table: pd.DataFrame, shade: object) -> None:
    single = {"marker": "o", "markersize": 4} if len(table) == 1 else {}
    axes.plot(table["epoch"], table["top1"], color=shade, linewidth=1.1, alpha=0.85, **single)


def _n_legend(canvas: Canvas, networks: pd.DataFrame, palette: Callable[[int], object]) -> None:
    """Names the colours of n, and what is grey."""
    ns = sorted(int(n) for n in networks.loc[networks["n"].gt(0), "n"].unique())
    lines = [mpl.lines.Line2D([], [], color=palette(n), label=f"n = {n}") for n in ns]
    if ns:
        lines.append(mpl.lines.Line2D([], [], color=style.FAINT, label="bases"))
        canvas.figure.legend(handles=lines, loc="outside lower center", ncols=8)
