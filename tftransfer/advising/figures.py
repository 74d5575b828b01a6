"""Figures of an advice as SVG inside its page: block map, race, repeats, cheap scores. Letters and marks stand beside
colours, which the page's style gives to classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.advising import candidates
from tftransfer.system import escaping

WIDTH = 760.0
_LABEL, _RIGHT, _ROW = 186.0, 76.0, 26.0  # of the block map: names at the left, scores at the right, height of a row
_NARROWEST = 15.0  # a block's column; a letter fits into it
_PANELS = 4  # of cheap scores, side by side
_MOST_NAMED = 8
_RACE_POINTS, _REPEATS_POINTS = 0.3, 0.12  # below the best score, at most, of what figures show; the rest is named
WORDS = {"k": "kept", "t": "tuned", "n": "new", "d": "dropped"}


def score(candidate: Mapping[str, Any]) -> float | None:
    """Returns a candidate's mean over whole trainings, else its last score."""
    return candidate["last"] if candidate["mean"] is None else candidate["mean"]


def kept(candidate: Mapping[str, Any]) -> int:
    """Returns the number of blocks from the input that a candidate keeps."""
    decisions = candidate["decisions"]
    return len(decisions) - len(decisions.lstrip("k"))


def rank(content: Mapping[str, Any], name: str) -> str:
    """Returns the class of a candidate's marks: `chosen`, `best`, `habit` or `other`."""
    if name == content["chosen"]:
        return "chosen"
    return "best" if name in content["best_set"] else "habit" if name in candidates.HABITS else "other"


def shown(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the candidates of the block map: the chosen one, those that may be as good, the habits."""
    by_name = {one["name"]: one for one in content["candidates"]}
    names = dict.fromkeys([content["chosen"], *content["best_set"], *candidates.HABITS])
    return [by_name[name] for name in names if name in by_name]


def block_map(content: Mapping[str, Any]) -> str:
    """Returns the block map: a column for each block, as wide as its cost, and a row for each candidate.

    Args:
        content: The advice, as `document.content` gives it.
    """
    work, rows = content["work"], shown(content)
    width = max(WIDTH, _LABEL + _RIGHT + 1.6 * _NARROWEST * len(work))
    columns = _columns(work, width - _LABEL - _RIGHT)
    parts, left = [], _LABEL
    for number, (name, wide, cost) in enumerate(zip(content["blocks"], columns, work, strict=True), 1):
        about = f"block {number}, {name}: {100 * cost / (sum(work) or 1):.1f} % of the arithmetic"
        label = "head" if number == len(work) and wide > 30 else number
        parts.append(_text(left + wide / 2, 14, label, "axis", "middle", about))
        for row, one in enumerate(rows):
            letter = one["decisions"][number - 1]
            place = f'x="{left + 0.75:.1f}" y="{22 + row * _ROW:.1f}" width="{wide - 1.5:.1f}" height="{_ROW - 4}"'
            tip = _title(f"{one['name']}: {name} {WORDS[letter]}")
            parts.append(f'<rect class="block {letter}" {place} rx="2">{tip}</rect>')
            parts.append(_text(left + wide / 2, 22 + row * _ROW + 16, letter.upper(), f"letter on-{letter}", "middle"))
        left += wide
    for row, one in enumerate(rows):
        y, label = 22 + row * _ROW + 16, _shortened(one["name"])
        parts.append(_text(_LABEL - 8, y, label, f"name {rank(content, one['name'])}", "end", one["words"]))
        parts.append(_text(left + 8, y, _percent(score(one)), "value"))
    return _svg(width, 26 + _ROW * len(rows), "Blocks kept, tuned, new and dropped", parts)


def _columns(work: Sequence[float], width: float) -> list[float]:
    """Returns the widths of blocks, in proportion to their cost where that leaves room for a letter."""
    spare, whole = width - _NARROWEST * len(work), sum(work) or 1.0
    return [_NARROWEST + spare * cost / whole for cost in work]


def race(content: Mapping[str, Any]) -> str:
    """Returns the race: score by steps, a line for each candidate, which ends where it was dropped.

    Args:
        content: The advice, as `document.content` gives it.
    """
    runners = [one for one in content["candidates"] if one["race"]]
    if not runners:
        return ""
    steps, height, left, right = content["steps"], 330.0, 52.0, 236.0
    points = [top1 for one in runners for _, top1 in one["race"]]
    scale = _Scale(max(min(points), max(points) - _RACE_POINTS), max(points), height - 34, 16)
    across = (WIDTH - left - right) / max(1, steps)
    parts = _grid(scale, left, WIDTH - right)
    for step in sorted({step for one in runners for step, _ in one["race"]}):
        parts.append(_text(left + step * across, height - 14, f"{step:,}", "axis", "middle"))
    parts.append(_text(WIDTH - right + 24, height - 14, "steps", "axis"))
    order = ("other", "habit", "best", "chosen")  # the last is drawn on top
    # What is far behind all others leaves the picture at its lower edge.
    parts.append(f'<clipPath id="inside"><rect width="{WIDTH}" height="{height - 28}"/></clipPath>')
    for one in sorted(runners, key=lambda one: order.index(rank(content, one["name"]))):
        place = [(left + step * across, scale(top1)) for step, top1 in one["race"]]
        parts.append(f'<g clip-path="url(#inside)">{_line(place, rank(content, one["name"]), _about(one))}</g>')
        if one["race"][-1][0] < steps and place[-1][1] < height - 30:
            parts.append(_text(place[-1][0], place[-1][1] + 4, "\u00d7", "end", "middle"))
    named = [one for one in runners if rank(content, one["name"]) != "other" and one["race"][-1][0] == steps]
    named = sorted(named, key=lambda one: one["name"] != content["chosen"])[:_MOST_NAMED]
    heights = _apart([scale(one["race"][-1][1]) for one in named], 15.0, 10, height - 30)
    for one, y in zip(named, heights, strict=True):
        text = f"{_shortened(one['name'])} {_percent(one['race'][-1][1])}"
        parts.append(_text(WIDTH - right + 8, y + 4, text, f"name {rank(content, one['name'])}"))
    return _svg(WIDTH, height, "The race: held-out score by training steps", parts)


def repeats(content: Mapping[str, Any]) -> str:
    """Returns the scores of candidates on several folds: a row for each, a dot for each training, a bar at the mean.

    Args:
        content: The advice, as `document.content` gives it.
    """
    rows = sorted((one for one in content["candidates"] if one["confirmed"]), key=lambda one: -one["mean"])
    if not rows:
        return ""
    runs = {one["name"]: [*_raced(one, content["steps"]), *one["confirmed"]] for one in rows}
    points = [top1 for of in runs.values() for *_, top1 in of]
    low, bottom = max(min(points), max(points) - _REPEATS_POINTS), 10 + _ROW * len(rows)
    scale = _Scale(low, max(points), _LABEL + 12, WIDTH - 78)
    parts = []
    for value in scale.ticks:
        parts.append(f'<line class="grid" x1="{scale(value):.1f}" x2="{scale(value):.1f}" y1="4" y2="{bottom}"/>')
        parts.append(_text(scale(value), bottom + 16, f"{100 * value:g} %", "axis", "middle"))
    for row, one in enumerate(rows):
        y, kind = 4 + (row + 0.5) * _ROW, rank(content, one["name"])
        parts.append(_text(_LABEL - 4, y + 4, _shortened(one["name"]), f"name {kind}", "end", one["words"]))
        if one["mean"] < low:
            parts.append(_text(_LABEL + 12, y + 4, "\N{LEFTWARDS ARROW} further behind", "axis"))
            parts.append(_text(WIDTH - 62, y + 4, _percent(one["mean"]), "value"))
            continue
        for fold, seed, top1 in runs[one["name"]]:
            tip = _title(f"{one['name']}, fold {fold}, seed {seed}: {_percent(top1)}")
            parts.append(f'<circle class="dot {kind}" cx="{scale(top1):.1f}" cy="{y:.1f}" r="4.5">{tip}</circle>')
        x = scale(one["mean"])
        parts.append(f'<line class="mean {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}"/>')
        parts.append(_text(WIDTH - 62, y + 4, _percent(one["mean"]), "value"))
    return _svg(WIDTH, bottom + 24, "Scores on several folds", parts)


def _raced(one: Mapping[str, Any], steps: int) -> list[list[float]]:
    """Returns the end of a candidate's race as a repeat: fold, seed, score."""
    return [[0, 0, top1] for step, top1 in one["race"] if step == steps]


def measured(content: Mapping[str, Any]) -> dict[int, float]:
    """Returns scores of new heads on kept blocks alone, by their number: what cheap scores rank.

    Args:
        content: The advice, as `document.content` gives it.
    """
    found = {}
    for one in content["candidates"]:
        if one["family"] == candidates.KEEP_DROP or one["name"] == candidates.HEAD_ONLY:
            found[kept(one)] = score(one)
    return {depth: value for depth, value in sorted(found.items()) if value is not None}


def scores(content: Mapping[str, Any]) -> str:
    """Returns the cheap scores by depth, each on a scale of its own, after what was measured there.

    Args:
        content: The advice, as `document.content` gives it.
    """
    panels = {"measured top-1": measured(content)}
    panels |= {name: {int(n): value for n, value in of.items()} for name, of in content["scores"].items()}
    panels = {name: dict(sorted(of.items())) for name, of in panels.items() if of}
    if len(panels) < 2:
        return ""
    most, wide, high, parts = len(content["blocks"]) - 1, WIDTH / _PANELS, 132.0, []
    for place, (name, of) in enumerate(panels.items()):
        left, top = place % _PANELS * wide, place // _PANELS * high
        low, span = min(of.values()), (max(of.values()) - min(of.values())) or 1.0
        at = {n: (left + 10 + (wide - 34) * n / most, top + 96 - 62 * (v - low) / span) for n, v in of.items()}
        favourite = max(of, key=of.__getitem__)
        lost = content["score_regrets"].get(name)
        parts.append(_text(left + 6, top + 14, name, "name chosen" if place == 0 else "name"))
        ends = f'x1="{left + 6:.1f}" x2="{left + wide - 18:.1f}" y1="{top + 102:.1f}" y2="{top + 102:.1f}"'
        parts.append(f'<line class="grid" {ends}/>')
        parts.append(_line(list(at.values()), "chosen" if place == 0 else "best", name))
        x, y = at[favourite]
        parts.append(f'<circle class="dot chosen" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        text = f"best: {favourite} kept" if lost is None else f"{favourite} kept; loses {100 * lost:.1f}"
        parts.append(_text(left + 6, top + 118, text, "axis"))
    return _svg(WIDTH, high * -(-len(panels) // _PANELS), "Cheap scores by number of kept blocks", parts)


class _Scale:
    """A linear scale from scores to pixels, with round ticks.

    Args:
        low: Lowest score.
        high: Highest score.
        first: Pixels of the low end.
        last: Pixels of the high end.
    """

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        margin = max(0.004, 0.06 * (high - low))
        self._low, self._high = max(0.0, low - margin), min(1.0, high + margin)
        self._first, self._last = first, last
        span = self._high - self._low
        step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if span / s <= 7)
        whole = int(self._low / step)
        self.ticks = [t for n in range(whole, whole + 9) if self._low <= (t := round(n * step, 6)) <= self._high]

    def __call__(self, value: float) -> float:
        part = (value - self._low) / (self._high - self._low)
        return self._first + part * (self._last - self._first)


def _grid(scale: _Scale, left: float, right: float) -> list[str]:
    """Returns horizontal lines with their scores."""
    parts = []
    for value in scale.ticks:
        y = scale(value)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 6, y + 4, f"{100 * value:g} %", "axis", "end"))
    return parts


def _apart(wanted: Sequence[float], least: float, top: float, bottom: float) -> list[float]:
    """Returns heights near those wanted, at least some pixels from each other, in the order given."""
    found, order = list(wanted), sorted(range(len(wanted)), key=wanted.__getitem__)
    last = top - least
    for place in order:
        last = found[place] = max(found[place], last + least)
    last = bottom + least
    for place in reversed(order):
        last = found[place] = min(found[place], last - least)
    return found


def _line(points: Sequence[tuple[float, float]], kind: str, about: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(f'<circle class="point {kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points)
    return f'<g><polyline class="line {kind}" points="{path}"/>{marks}{_title(about)}</g>'


def _about(one: Mapping[str, Any]) -> str:
    """Returns a candidate and the last of its race as text."""
    step, top1 = one["race"][-1]
    return f"{one['name']}: {one['words']}; {_percent(top1)} after {step} steps"


def _shortened(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}\N{HORIZONTAL ELLIPSIS}"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def _title(text: str) -> str:
    return f"<title>{escaping.html(text)}</title>"


def _text(x: float, y: float, text: object, kind: str, anchor: str = "start", about: str = "") -> str:
    tip = _title(about) if about else ""
    shown = escaping.html(str(text))
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}{tip}</text>'


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """Returns an SVG element with a label for readers of screens."""
    inner = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escaping.html(label)}">\n{inner}\n</svg>'
    )
