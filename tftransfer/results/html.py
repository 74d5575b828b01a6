"""HTML of results in a notebook: plain tables and small curves, in the notebook's own colours."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tftransfer.system import escaping

_WIDTH, _HEIGHT = 320, 120


def page(*parts: str) -> str:
    """Returns parts below each other."""
    return f"<div>{''.join(parts)}</div>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Returns a table of names and values, which may come from anybody."""
    return table(("", ""), rows, head=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], head: bool = True) -> str:
    """Returns a table of texts, which may come from anybody."""
    first = _row("th", columns) if head else ""
    return f"<table>{first}{''.join(_row('td', row) for row in rows)}</table>"


def _row(cell: str, texts: Sequence[str]) -> str:
    style = ' style="text-align:left"'
    return f"<tr>{''.join(f'<{cell}{style}>{escaping.html(str(text))}</{cell}>' for text in texts)}</tr>"


def curve(history: Mapping[str, Sequence[Any]]) -> str:
    """Returns the validation accuracy over training as a small SVG; empty with fewer than two evaluations."""
    steps, scores = history.get("step", ()), history.get("val_top1", ())
    points = [
        (float(step), float(score))
        for step, score in zip(steps, scores, strict=False)
        if score is not None and math.isfinite(score)
    ]
    if len(points) < 2:
        return ""
    last = max(step for step, _ in points) or 1.0
    path = " ".join(f"{_WIDTH * step / last:.1f},{_HEIGHT * (1 - score):.1f}" for step, score in points)
    label = f"validation top-1 over {last:.0f} steps, 0 to 100 %; last {100 * points[-1][1]:.1f} %"
    line = f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    frame = f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
    box = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg {box} role="img" aria-label="{label}">{frame}{line}</svg><div><small>{label}</small></div>'
