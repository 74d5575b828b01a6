"""Figure 2 of the paper, and the same with every network compared with its own base."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tftransfer.analysis.decomposition import CO_ADAPTATION, SPECIFICITY, decomposition
from tftransfer.analysis.differences import base_mean, paired_bases
from tftransfer.analysis.intervals import ABOVE, BELOW
from tftransfer.analysis.roles import BASE
from tftransfer.reporting import style
from tftransfer.reporting.phrases import count, interval, percent, points
from tftransfer.reporting.style import Canvas

_LINES = ("BnB", "AnB", "BnB+", "AnB+", "SnB", "RnB")
# Sideways shift of points: treatments beside each other, splits close together within a treatment.
_SHIFT = {"BnB": -0.24, "BnB+": -0.08, "AnB": 0.08, "AnB+": 0.24, "SnB": 0.34, "RnB": 0.42}
# Less so where lines join means: intervals lie beside each other.
_DODGE = {"BnB": -0.03, "BnB+": -0.07, "AnB": 0.03, "AnB+": 0.07, "SnB": 0.1, "RnB": 0.12}
# Effect, the treatment at whose line it is shaded, its name, and what its interval must say.
_SHADES = (
    (CO_ADAPTATION, "BnB", "lost co-adaptation", BELOW),
    (SPECIFICITY, "AnB", "specific features", BELOW),
    ("fine-tuned transfer", "AnB+", "gain of fine-tuned transfer", ABOVE),
)
_PLAIN = {"images_per_class": 0, "preserve": 0, "release_step": 0}


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows without preserved blocks, staged release or reduced data."""
    fits = pd.Series(True, index=table.index)
    for column, value in _PLAIN.items():
        fits &= table[column].eq(value)
    return table[fits]


def figure2(networks: pd.DataFrame) -> Canvas:
    """Returns the paper's Figure 2: all networks above, means below, with the effects shaded.

    Args:
        networks: Counted networks of one kind of halves.
    """
    networks = plain(networks)
    with style.settings():
        canvas, (top, bottom) = style.canvas(2, 1, 8.6, sharex=True, sharey=True)
        most = int(networks["n"].max())
        _scatter(canvas, top, networks)
        means = _means(networks)
        _shade(bottom, {t: g.set_index("n")["mean"] for t, g in means.groupby("treatment")}, decomposition(networks))
        for treatment, group in means.groupby("treatment", sort=False):
            base = 100 * base_mean(networks[networks["treatment"].eq(treatment)])
            _line(canvas, bottom, treatment, group, base, _size)
        bottom.axhline(100 * paired_bases(networks)["top1"].mean(), color=style.INK, linewidth=0.8)
        style.n_axis(bottom, most)
        top.set_title("Each network")
        bottom.set_title("Means over halves, splits and seeds")
        for axes in (top, bottom):
            axes.set_ylabel("top-1, %")
        style.legend(canvas, top, networks["treatment"].unique())
    return canvas


def paired(effects: pd.DataFrame, losses: pd.DataFrame, overlay: pd.DataFrame | None = None) -> Canvas:
    """Returns the means of differences from the own base, with intervals.

    Args:
        effects: From `analysis.effects`, of one kind of halves.
        losses: From `decomposition.decomposition`, the same: what is beyond its interval is shaded.
        overlay: The same of the paper, drawn behind.
    """
    effects = plain(effects)
    shown = effects[effects["pairs"].gt(0) & effects["treatment"].ne(BASE)].sort_values("n")
    with style.settings():
        canvas, (axes,) = style.canvas(1, 1, 5.0)
        lines = {
            treatment: pd.Series(100 * group["minus_base"].to_numpy(), index=group["n"])
            for treatment, group in shown.groupby("treatment")
        }
        _shade(axes, lines, plain(losses))
        if overlay is not None:
            _behind(axes, plain(overlay))
        for treatment in style.present(list(lines)):
            group = shown[shown["treatment"].eq(treatment)]
            table = pd.DataFrame({"n": group["n"], "mean": 100 * group["minus_base"]})
            table[["low", "high", "pairs"]] = group[["low", "high", "pairs"]]
            table["x"] = table["n"] + _DODGE.get(treatment, 0)
            _intervals(axes, treatment, table)
            _line(canvas, axes, treatment, table, 0.0, _said)
        axes.axhline(0, color=style.INK, linewidth=0.8)
        most = int(max(shown["n"].max(), 0 if overlay is None else overlay["n"].max()))
        style.n_axis(axes, most)
        axes.set_xlim(-0.2, most + 0.6)
        axes.set_ylabel("top-1 less own base, points")
        style.legend(canvas, axes, list(lines))
    return canvas


def _means(networks: pd.DataFrame) -> pd.DataFrame:
    """Returns mean top-1 in per cent by treatment and n, over networks that have a base, and bases that have others."""
    bases = paired_bases(networks)
    others = networks[networks["treatment"].ne(BASE)]
    compared = others[others["minus_base"].notna()]
    shown = pd.concat([bases, others if compared.empty else compared])
    return shown.groupby(["treatment", "n"])["top1"].agg(["mean", "size"]).mul([100, 1]).reset_index()


def _size(row: pd.Series) -> str:
    """Returns what a mean of all networks says under the pointer."""
    return f"{row['mean']:.2f} %, mean of {count(int(row['size']), 'network')}"


def _said(row: pd.Series) -> str:
    """Returns what a mean says under the pointer."""
    between = interval(row["low"], row["high"])
    known = f", 95 % interval {between}" if between else ""
    return f"{points(row['mean'] / 100)} points{known}, {count(int(row['pairs']), 'pair')}"


def _scatter(canvas: Canvas, axes: Axes, networks: pd.DataFrame) -> None:
    """Draws every network, shifted sideways so that none hides another."""
    places = {split: place for place, split in enumerate(sorted(networks["split"].unique()))}
    width = 0.1 / max(1, len(places) - 1)
    for row in networks.itertuples():
        side = width * (places[row.split] - (len(places) - 1) / 2)
        own = row.treatment == BASE
        text = f"{row.label}, {row.split}, seed {row.seed}: {percent(row.top1)}"
        text += "" if own else f" ({points(row.minus_base)} from its base)"
        canvas.mark(
            axes, row.n + (6 * side if own else _SHIFT.get(row.treatment, 0) + side), 100 * row.top1, text,
            marker=style.marker(row.treatment), markersize=5 if own else 4.5, color=style.colour(row.treatment),
            markerfacecolor="white" if own else style.colour(row.treatment), alpha=0.85,
        )  # fmt: skip


def _line(canvas: Canvas, axes: Axes, treatment: str, table: pd.DataFrame, base: float, say) -> None:
    """Draws a treatment's means, joined to the base."""
    table = table.sort_values("n")
    table = table if "x" in table else table.assign(x=table["n"])
    if treatment in _LINES and len(table) > 1:
        start = ([0], [base]) if table["n"].min() == 1 else ([], [])
        axes.plot([*start[0], *table["x"]], [*start[1], *table["mean"]], color=style.colour(treatment))
    for _, row in table.iterrows():
        canvas.mark(
            axes, row["x"], row["mean"], f"{treatment}, n = {int(row['n'])}: {say(row)}",
            marker=style.marker(treatment), markersize=6, color=style.colour(treatment),
            markerfacecolor="white" if treatment == BASE else style.colour(treatment),
        )  # fmt: skip


def _intervals(axes: Axes, treatment: str, table: pd.DataFrame) -> None:
    """Draws the intervals that there are, slightly beside each other."""
    known = table[table["low"].notna()]
    if known.empty:
        return
    # Relative to the mean, so that a bar keeps its place where the mean is not its middle.
    below, above = known["mean"] - 100 * known["low"], 100 * known["high"] - known["mean"]
    axes.errorbar(
        known["x"], known["mean"], [below, above], fmt="none", ecolor=style.colour(treatment), elinewidth=1.2, capsize=3
    )


def _shade(axes: Axes, lines: dict[str, pd.Series], losses: pd.DataFrame) -> None:
    """Shades and names the effects, as the paper does, where they are beyond their intervals for all n together.

    The height of a shade is the paired difference, whatever other networks the lines are means of.
    """
    for effect, treatment, name, verdict in _SHADES:
        rows = losses[losses["effect"].eq(effect)].set_index("n").sort_index()
        if treatment in lines and rows["verdict_together"].eq(verdict).any():
            end = lines[treatment].sort_index().reindex(rows.index).dropna()
            rows = rows.loc[end.index]
            start = end - 100 * rows["mean"]
            _between(axes, start, end, rows["verdict_together"].eq(verdict), style.colour(treatment), name)


def _between(axes: Axes, start: pd.Series, end: pd.Series, shown: pd.Series, shade: str, name: str) -> None:
    """Shades from `start` to `end` half a block around each n that is shown, and names the furthest of these."""
    ns = end.index.to_numpy(dtype=float)
    xs = np.unique(np.concatenate([ns - 0.5, ns, ns + 0.5]))
    xs = xs[(xs >= ns.min()) & (xs <= ns.max())] if len(ns) > 1 else xs
    for n in ns[shown.to_numpy()]:
        here = xs[np.abs(xs - n) <= 0.5]
        axes.fill_between(here, np.interp(here, ns, start), np.interp(here, ns, end), color=shade, alpha=0.16, lw=0)
    gap = (end - start)[shown]
    below = bool(gap.mean() < 0)
    _name(axes, name, start, end, gap.idxmin() if below else gap.idxmax(), below)


def _name(axes: Axes, name: str, first: pd.Series, end: pd.Series, n: float, below: bool) -> None:
    """Names a shaded effect where it is largest: losses inside their shade, gains above their line."""
    last = max(end.index)
    if not below:
        n, y = last, float(end.max())
    elif n == last and len(end) > 1:  # in the middle of the last stretch, so that it stays inside
        n, y = last - 0.5, float(first.iloc[-2:].mean() + end.iloc[-2:].mean()) / 2
    else:  # nearer to where the shade is wide
        y = 0.62 * float(first[n]) + 0.38 * float(end[n])
    axes.annotate(
        name, (n, y), fontsize=8.5, color=style.INK, ha="center" if below else "right",
        va="center" if below else "bottom", xytext=(0, 0 if below else 10), textcoords="offset points",
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
        zorder=1.9,  # below lines and points: no number is hidden
    )  # fmt: skip


def _behind(axes: Axes, effects: pd.DataFrame) -> None:
    """Draws the paper's means, dashed."""
    named = False
    for treatment, group in effects[effects["treatment"].isin(_LINES)].groupby("treatment"):
        group = group.sort_values("n")
        axes.plot(
            [0, *group["n"]], [0, *(100 * group["minus_base"])], color=style.colour(treatment), linestyle=(0, (2, 2)),
            linewidth=1.1, alpha=0.8, zorder=1, label=None if named else "dashed: the paper",
        )  # fmt: skip
        named = True
