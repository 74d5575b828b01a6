"""Numbers as a reader sees them."""

import math

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
NO_BREAK = "\N{NO-BREAK SPACE}"


def percent(share: float) -> str:
    """Returns a share in per cent: `0.6251` is `62.5 %`."""
    return "" if _none(share) else f"{100 * share:.1f} %"


def points(share: float, digits: int = 2) -> str:
    """Returns a difference in points with its sign; what rounds to nothing has none.

    Example:
        >>> points(0.0123), points(-0.000001)
        ('+1.23', '0.00')
    """
    if _none(share):
        return ""
    text = f"{abs(100 * share):.{digits}f}"
    sign = "" if float(text) == 0 else MINUS if share < 0 else "+"
    return sign + text


def interval(low: float, high: float, digits: int = 2) -> str:
    """Returns an interval in points, empty if there is none.

    Example:
        >>> interval(0.0022, 0.0284)
        '+0.22 to +2.84'
    """
    return "" if _none(low) or _none(high) else f"{points(low, digits)} to {points(high, digits)}"


def numbers(values: list[int]) -> str:
    """Returns whole numbers, runs of them shortened.

    Example:
        >>> numbers([1, 2, 3, 5, 7])
        '1 to 3, 5, 7'
    """
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(_run(run) for run in runs)


def _run(run: list[int]) -> str:
    """Returns whole numbers that follow each other: `5`, `4, 5` or `1 to 3`."""
    return f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run))


def count(many: int, noun: str) -> str:
    """Returns a number with its noun: `1 split`, `4 splits`."""
    return f"{many} {noun}{'' if many == 1 else 's'}"


def over(clusters: int, what: str, images: int = 0) -> str:
    """Returns what an interval speaks of.

    Example:
        >>> over(4, "splits"), over(2, "seeds", 108)
        ('over 4 splits', 'over 2 seeds and 108 validation images')
    """
    also = f" and {images} validation images" if images else ""
    return f"over {count(int(clusters), what.removesuffix('s'))}{also}"


def _none(value: float) -> bool:
    return value is None or math.isnan(value)
