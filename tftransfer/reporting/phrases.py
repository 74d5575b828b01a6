"""Numbers and differences as texts: per cent, percentage points, intervals, runs of n."""

import math

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
NO_BREAK = "\N{NO-BREAK SPACE}"


def percent(fraction: float) -> str:
    """Returns a fraction in per cent, "" if it is missing: `0.6251` is `62.5 %`."""
    return "" if _none(fraction) else f"{100 * fraction:.1f} %"


def points(fraction: float, digits: int = 2) -> str:
    """Returns a difference in percentage points with its sign; none if it rounds to zero.

    Example:
        >>> points(0.0123), points(-0.000001)
        ('+1.23', '0.00')
    """
    if _none(fraction):
        return ""
    text = f"{abs(100 * fraction):.{digits}f}"
    sign = "" if float(text) == 0 else MINUS if fraction < 0 else "+"
    return sign + text


def above(fraction: float, digits: int = 2) -> str:
    """Returns a difference in words, to be followed by what it is a difference from.

    Example:
        >>> above(0.0123), above(-0.5, 1), above(0.0)
        ('1.23 percentage points above', '50.0 percentage points below', '0.00 percentage points from')
    """
    text = points(fraction, digits)
    side = "above" if text.startswith("+") else "below" if text.startswith(MINUS) else "from"
    return f"{text.lstrip('+' + MINUS)} percentage points {side}"


def interval(low: float, high: float, digits: int = 2) -> str:
    """Returns an interval in percentage points, "" if there is none.

    Example:
        >>> interval(0.0022, 0.0284)
        '+0.22 to +2.84'
    """
    return "" if _none(low) or _none(high) else f"{points(low, digits)} to {points(high, digits)}"


def numbers(values: list[int]) -> str:
    """Returns integers in ascending order, consecutive ones as ranges.

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
    """Returns consecutive integers: `5`, `4, 5` or `1 to 3`."""
    return f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run))


def count(many: int, noun: str) -> str:
    """Returns a number with its noun: `1 split`, `4 splits`."""
    return f"{many} {noun}{'' if many == 1 else 's'}"


def over(clusters: int, what: str, images: int = 0) -> str:
    """Returns the source of variation that an interval includes.

    Example:
        >>> over(4, "splits"), over(2, "seeds", 108)
        ('over 4 splits', 'over 2 seeds and 108 validation images')
    """
    also = f" and {images} validation images" if images else ""
    return f"over {count(int(clusters), what.removesuffix('s'))}{also}"


def _none(value: float) -> bool:
    return value is None or math.isnan(value)
