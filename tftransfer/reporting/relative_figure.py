"""Figure 3 of the paper: how far unlike halves and random filters fall below their base."""

import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.differences import effects
from tftransfer.reporting import style
from tftransfer.reporting.phrases import points
from tftransfer.reporting.style import Canvas
from tftransfer.reporting.treatment_figures import plain

_HALF = {"A": "man-made", "B": "natural"}


def curves(networks: pd.DataFrame) -> dict[str, tuple[str, pd.DataFrame]]:
    """Returns what the figure compares: label -> treatment and its effects by n.

    Args:
        networks: Counted networks of all kinds of halves.
    """
    networks = plain(networks)
    found: dict[str, tuple[str, pd.DataFrame]] = {}
    for kind, here in networks.groupby("halves"):
        transfer = here[here["treatment"].eq("AnB")]
        if kind == "random":
            found["AnB, random halves"] = ("AnB", effects(transfer))
        elif kind != "all":
            for target, group in transfer.groupby("target"):
                other = {"A": "B", "B": "A"}[str(target)]
                name = _HALF if kind == "natural_manmade" else {"A": "A", "B": "B"}
                found[f"AnB, {name[other]} to {name[str(target)]}"] = ("AnB", effects(group))
        for treatment, name in (("RnB", "random filters"), ("SnB", "random with learnt statistics")):
            group = here[here["treatment"].eq(treatment)]
            if len(group):
                where = "" if kind == "all" else f", {kind} halves"
                found[f"{treatment}, {name}{where}"] = (treatment, effects(group))
    return {label: (treatment, table[table["pairs"].gt(0)]) for label, (treatment, table) in found.items()}


def figure3(networks: pd.DataFrame) -> Canvas:
    """Returns the figure; far losses (random filters) have a panel of their own scale beside the others."""
    found = {label: item for label, item in curves(networks).items() if len(item[1])}
    near = {label: item for label, item in found.items() if item[0] == "AnB"}
    with style.settings():
        panels = [near, found] if near and len(found) > len(near) else [found]
        canvas, all_axes = style.canvas(1, len(panels), 4.2)
        looks = {label: _look(label, place) for place, label in enumerate(found)}
        for axes, shown in zip(all_axes, panels, strict=True):
            for label, (treatment, table) in shown.items():
                _curve(canvas, axes, label, treatment, table.sort_values("n"), looks[label])
            axes.axhline(0, color=style.INK, linewidth=0.8)
            style.n_axis(axes, int(max(table["n"].max() for _, table in shown.values())))
            axes.set_xlim(-0.3, axes.get_xlim()[1])
        all_axes[0].set_ylabel("top-1 less own base, points")
        if len(panels) == 2:
            all_axes[0].set_title("Halves more and less alike")
            all_axes[1].set_title("With random filters")
        handles, labels = all_axes[-1].get_legend_handles_labels()
        canvas.figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return canvas


def _look(label: str, place: int) -> dict[str, object]:
    """Returns a curve's line style: directions of one treatment differ by dashes and marker."""
    dashes = {"to natural": "-", "to man-made": (0, (5, 2)), "random halves": (0, (1, 1))}
    line = next((dash for part, dash in dashes.items() if label.endswith(part)), "-")
    return {"linestyle": line, "marker": "oD^vsPX"[place % 7]}


def _curve(
    canvas: Canvas, axes: Axes, label: str, treatment: str, table: pd.DataFrame, look: dict[str, object]
) -> None:
    colour = style.colour(treatment)
    joined = table["n"].min() == 1
    axes.plot(
        ([0] if joined else []) + list(table["n"]), ([0] if joined else []) + list(100 * table["minus_base"]),
        color=colour, linestyle=look["linestyle"], marker=look["marker"], markersize=4.5, label=label,
    )  # fmt: skip
    for row in table.itertuples():
        text = f"{label}, n = {row.n}: {points(row.minus_base)} points"
        canvas.mark(axes, row.n, 100 * row.minus_base, text, marker=look["marker"], markersize=6, color=colour)
