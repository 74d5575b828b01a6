"""Figure 2 of the paper, and the same with differences from each network's own base."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tftransfer.analysis.decomposition import CO_ADAPTATION, SPECIFICITY, decomposition
from tftransfer.analysis.differences import base_mean, paired_bases
from tftransfer.analysis.families import are_halves, is_policy
from tftransfer.analysis.frames import BASE
from tftransfer.analysis.intervals import ABOVE, BELOW, accuracy_of
from tftransfer.reporting import looks as looks_lib
from tftransfer.reporting import style
from tftransfer.reporting.looks import Curve, Looks
from tftransfer.reporting.phrases import count, interval, percent, points
from tftransfer.reporting.style import Canvas

# Sideways shift of curves beside each other: of single networks, and, less, of means and their intervals.
_SHIFT, _DODGE = 0.16, 0.04
_WIDE_DODGE = 0.09  # where each curve has intervals of its own length: pairs that are no halves
_ROOM = 0.72  # of the way from one n to the next
_BASES_WIDER = 6  # the bases, at n = 0, have the room of all treatments
# Effect, the treatment at whose line it is shaded, its name, and what its interval must say.
_SHADES = (
    (CO_ADAPTATION, "BnB", "lost co-adaptation", BELOW),
    (SPECIFICITY, "AnB", "specific features", BELOW),
    ("fine-tuned transfer", "AnB+", "gain of fine-tuned transfer", ABOVE),
)

Lines = Mapping[Curve, pd.DataFrame]


def figure2(networks: pd.DataFrame, looks: Looks) -> Canvas:
    """Returns the paper's Figure 2: all networks above, means below, with the effects shaded.

    Args:
        networks: Counted networks of one kind of halves and one number of images per class.
        looks: Of all curves.
    """
    with style.settings():
        canvas, (top, bottom) = style.canvas(2, 1, 8.6, sharex=True, sharey=True)
        curves = looks_lib.curves(networks)
        _scatter(canvas, top, networks, curves, looks)
        shown = _compared(networks)
        lines = {curve: _means(looks_lib.of(shown, curve)) for curve in looks_lib.curves(shown)}
        kind = str(networks["halves"].iloc[0])
        shades = _shade(bottom, lines, decomposition(networks), looks) if are_halves(kind) else []
        places = _places(list(lines), _WIDE_DODGE)
        for curve, table in lines.items():
            if not compared(networks):
                lines[curve] = table.assign(x=table["n"] + places[curve])
                _intervals(bottom, looks[curve].colour, lines[curve])
        for curve, table in lines.items():
            _line(canvas, bottom, curve, table, 100 * base_mean(looks_lib.of(shown, curve)), looks)
        bases = paired_bases(networks)
        if len(bases):
            bottom.axhline(100 * bases["top1"].mean(), color=style.INK, linewidth=0.8)
        style.n_axis(bottom, int(networks["n"].max()), bool(len(bases)))
        top.set_title("Each network")
        bottom.set_title("Means over halves, splits and seeds" if are_halves(kind) else "Means over seeds")
        for axes in (top, bottom):
            axes.set_ylabel("top-1, %")
        style.accuracy_axis(top)
        style.legend(canvas, [*_marks(curves, looks, kind), *shades])
    return canvas


def paired(effects: pd.DataFrame, losses: pd.DataFrame, looks: Looks, overlay: pd.DataFrame | None = None) -> Canvas:
    """Returns the means of differences from the own base, with intervals.

    Args:
        effects: From `analysis.effects`, of one kind of halves and one number of images per class.
        losses: From `decomposition.decomposition`, the same: what is beyond its interval is shaded, of halves.
        looks: Of all curves.
        overlay: The same for the paper, drawn in the background.
    """
    shown = effects[effects["pairs"].gt(0) & effects["treatment"].ne(BASE)].sort_values("n")
    with style.settings():
        canvas, (axes,) = style.canvas(1, 1, 5.0)
        curves = looks_lib.curves(shown)
        kind = str(shown["halves"].iloc[0])
        places = _places(curves, _DODGE if are_halves(kind) else _WIDE_DODGE)
        lines = {curve: _differences(looks_lib.of(shown, curve), places[curve]) for curve in curves}
        shades = _shade(axes, lines, losses, looks) if are_halves(kind) else []
        dashed = [] if overlay is None else _overlay(axes, overlay)
        for curve, table in lines.items():
            _intervals(axes, looks[curve].colour, table)
            _line(canvas, axes, curve, table, 0.0, looks)
        axes.axhline(0, color=style.INK, linewidth=0.8)
        most = int(max(shown["n"].max(), 0 if overlay is None else overlay["n"].max()))
        style.n_axis(axes, most)
        axes.set_ylabel("top-1 minus own base, percentage points")
        style.legend(canvas, [*_marks(curves, looks, kind), *shades, *dashed])
    return canvas


def compared(networks: pd.DataFrame) -> bool:
    """Whether any network has a base to be compared with."""
    return bool(networks.loc[networks["treatment"].ne(BASE), "minus_base"].notna().any())


def _compared(networks: pd.DataFrame) -> pd.DataFrame:
    """Returns the networks that have a base, and the bases that have others; all, where none is compared."""
    others = networks[networks["treatment"].ne(BASE)]
    paired_ones = others[others["minus_base"].notna()]
    return pd.concat([paired_bases(networks), others if paired_ones.empty else paired_ones])


def _means(group: pd.DataFrame) -> pd.DataFrame:
    """Returns the plain means of a curve by n, in per cent, each with its tooltip; `low` and `high` are fractions.

    Networks without a base are left out where others have one: bases are drawn for those that pair.
    """
    own = group[group["minus_base"].notna()]
    used = group if own.empty else own
    table = used.groupby("n")["top1"].agg(["mean", "size"]).reset_index()
    tips = [f"{100 * row.mean:.2f} %, mean of {count(int(row.size), 'network')}" for row in table.itertuples()]
    ends = [accuracy_of(of_n) for _, of_n in used.groupby("n")]
    return pd.DataFrame(
        {"n": table["n"], "x": table["n"], "mean": 100 * table["mean"], "tip": tips}
        | {"low": [one.low for one in ends], "high": [one.high for one in ends]}
    )


def _differences(group: pd.DataFrame, shift: float) -> pd.DataFrame:
    """Returns the paired means of a curve by n, in percentage points, each with its tooltip."""
    table = group[["n", "low", "high", "pairs"]].assign(x=group["n"] + shift, mean=100 * group["minus_base"])
    return table.assign(tip=[_tip(row) for row in table.to_dict("records")]).sort_values("n")


def _tip(row: Mapping[str, float]) -> str:
    """Returns the tooltip of a mean of differences."""
    between = interval(row["low"], row["high"])
    known = f", 95 % interval {between}" if between else ""
    return f"{points(row['mean'] / 100)} percentage points{known}, {count(int(row['pairs']), 'pair')}"


def _places(curves: list[Curve], most: float) -> dict[Curve, float]:
    """Returns the sideways shift of each curve, in units of n; the bases are in the middle."""
    beside = [curve for curve in curves if not curve.treatment.startswith(BASE)]
    step = min(most, _ROOM / max(1, len(beside)))
    shifts = {curve: step * (place - (len(beside) - 1) / 2) for place, curve in enumerate(beside)}
    return {curve: shifts.get(curve, 0.0) for curve in curves}


def _scatter(canvas: Canvas, axes: Axes, networks: pd.DataFrame, curves: list[Curve], looks: Looks) -> None:
    """Draws every network, shifted sideways so that none hides another."""
    splits = {split: place for place, split in enumerate(sorted(networks["split"].unique()))}
    places = _places(curves, _SHIFT)
    width = min(0.1, 0.6 * _ROOM / len(curves)) / max(1, len(splits) - 1)
    for row in networks.itertuples():
        curve = Curve(row.treatment, row.preserve, row.release_step)
        look, base = looks[curve], row.treatment == BASE
        side = width * (splits[row.split] - (len(splits) - 1) / 2) * (1 if row.n else _BASES_WIDER)
        text = f"{row.label}, {row.split}, seed {row.seed}: {percent(row.top1)}"
        lead = f"{points(row.minus_base)} percentage points from its base"
        text += "" if base else f" ({'no base' if np.isnan(row.minus_base) else lead})"
        canvas.mark(
            axes, row.n + places[curve] + side, 100 * row.top1, text, marker=look.marker, color=look.colour,
            markersize=4.5 if row.n else 5, markerfacecolor="white" if base else look.colour, alpha=0.85,
        )  # fmt: skip


def _line(canvas: Canvas, axes: Axes, curve: Curve, table: pd.DataFrame, base: float, looks: Looks) -> None:
    """Draws a curve's means, joined to each other and, from n = 1, to the base.

    Of a policy, n = 0 would be another network than the base: `t7n1` of `A:ktn:B`.
    """
    look = looks[curve]
    if len(table) > 1 and table["n"].min() > 0:
        from_base = table["n"].min() == 1 and not np.isnan(base) and not is_policy(curve.treatment)
        start = ([0], [base]) if from_base else ([], [])
        axes.plot([*start[0], *table["x"]], [*start[1], *table["mean"]], color=look.colour)
    for row in table.itertuples():
        canvas.mark(
            axes, row.x, row.mean, f"{curve.name}, n = {row.n}: {row.tip}", marker=look.marker, markersize=6,
            color=look.colour, markerfacecolor="white" if curve.treatment == BASE else look.colour,
        )  # fmt: skip


def _intervals(axes: Axes, colour: str, table: pd.DataFrame) -> None:
    """Draws the intervals, where there are any."""
    known = table[table["low"].notna()]
    if known.empty:
        return
    # Relative to the mean, so that a bar keeps its place where the mean is not its middle.
    below, above = known["mean"] - 100 * known["low"], 100 * known["high"] - known["mean"]
    axes.errorbar(known["x"], known["mean"], [below, above], fmt="none", ecolor=colour, elinewidth=1.2, capsize=3)


def _shade(axes: Axes, lines: Lines, losses: pd.DataFrame, looks: Looks) -> list[Artist]:
    """Shades the effects, as the paper does, where they are significant for all n together.

    The height of a shade is the paired difference, whatever other networks the lines are means of. Returns their
    patches for the legend.
    """
    losses = losses[losses["preserve"].eq(0) & losses["release_step"].eq(0)]
    found = []
    for effect, treatment, name, verdict in _SHADES:
        rows = losses[losses["effect"].eq(effect)].set_index("n").sort_index()
        curve = Curve(treatment)
        if curve in lines and rows["verdict_together"].eq(verdict).any():
            end = lines[curve].set_index("n")["mean"].sort_index().reindex(rows.index).dropna()
            rows = rows.loc[end.index]
            _between(axes, end, 100 * rows["mean"], rows["verdict_together"].eq(verdict), looks[curve].colour)
            found.append(Patch(color=looks[curve].colour, alpha=0.16, linewidth=0, label=name))
    return found


def _between(axes: Axes, end: pd.Series, effect: pd.Series, shown: pd.Series, shade: str) -> None:
    """Shades an effect up to its line, half a block around each n that is shown.

    Towards an n that is not shown the shade narrows to nothing, so that it never covers what was neither lost nor
    gained there.
    """
    ns, alone = end.index.to_numpy(dtype=float), len(end) == 1
    for place in np.flatnonzero(shown.to_numpy()):
        xs, heights = [ns[place]], [float(effect.iloc[place])]
        for step, at in ((-1, 0), (1, 2)):
            beside = place + step
            if alone or 0 <= beside < len(ns):
                x = ns[place] + step / 2
                xs.insert(at, x)
                heights.insert(at, np.interp(x, ns, effect) if alone or shown.iloc[beside] else 0.0)
        lines = np.interp(xs, ns, end)
        axes.fill_between(xs, lines - np.array(heights), lines, color=shade, alpha=0.16, lw=0)


def _overlay(axes: Axes, effects: pd.DataFrame) -> list[Artist]:
    """Draws the paper's means, dashed; returns their handles for the legend."""
    looks = Looks(effects)
    for curve in looks_lib.curves(effects):
        group = looks_lib.of(effects, curve).sort_values("n")
        if curve.treatment.startswith(BASE):
            continue
        axes.plot(
            [0, *group["n"]], [0, *(100 * group["minus_base"])], color=looks[curve].colour, linestyle="--",
            linewidth=1.1, alpha=0.8, zorder=1,
        )  # fmt: skip
    return [Line2D([], [], color=style.INK, linestyle="--", linewidth=1.1, label="dashed: the paper")]


def _marks(curves: list[Curve], looks: Looks, kind: str) -> list[Artist]:
    """Returns the handles of the curves for the legend; `kind` is that of the halves."""
    return [style.handle(looks[curve], curve.meaning_in(kind), curve.treatment == BASE) for curve in curves]
