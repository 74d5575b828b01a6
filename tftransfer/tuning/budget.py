"""Time budgets of a search, and the expected duration of a trial."""

import math
import re
from collections.abc import Iterable

from tftransfer.tuning.study import OK, Trial

_GRAMMAR = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SAFETY = 1.1  # longest trial relative to its estimate, on machines with little other work


def expected(text: str) -> str | None:
    """Returns the expected form of a time budget, or None if `text` has it.

    Example:
        >>> expected("20m"), expected("20")
        (None, 'a number and its unit, more than 0: 90s, 20m or 2h')
    """
    match = _GRAMMAR.fullmatch(text)
    return None if match and float(match["number"]) > 0 else "a number and its unit, more than 0: 90s, 20m or 2h"


def seconds_of(text: str) -> float:
    """Returns a time budget in seconds.

    Example:
        >>> seconds_of("1.5h")
        5400.0
    """
    if expected(text):
        raise ValueError(f"Bad time. Expected {expected(text)}. Received: {text!r}")
    match = _GRAMMAR.fullmatch(text)
    return float(match["number"]) * _SECONDS[match["unit"]]


def duration(seconds: float) -> str:
    """Returns a duration in words.

    Example:
        >>> duration(42.4), duration(605), duration(7260)
        ('42 s', '10 min 5 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Pace:
    """Expected durations of trials on this machine, from measured ones.

    Args:
        trials: Trials of the study; only finished ones count.
    """

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._measured = [trial for trial in trials if trial.status == OK and trial.images_per_second]

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._measured)

    @property
    def overhead_seconds(self) -> float:
        """Shortest time of a trial besides its training steps: start, compilation, evaluation."""
        return max(0.0, min(t.seconds - t.train_images / t.images_per_second for t in self._measured))

    def seconds(self, width: float, train_images: int) -> float:
        """Returns an upper estimate of the seconds that a trial takes.

        It is based on the latest trial of the nearest width, as the machine may have got other work since the first
        one. Other widths are scaled: the work grows with their square, and a narrower network is assumed to save less.

        Args:
            width: Width of the network.
            train_images: Steps times batch size.
        """

        def distance(trial: Trial) -> float:
            return abs(math.log(width / trial.recipe["width"]))

        nearest = min(self._measured, key=lambda trial: (distance(trial), -trial.number))
        ratio = width / nearest.recipe["width"]
        per_image = (nearest.seconds - self.overhead_seconds) / nearest.train_images
        return self.overhead_seconds + _SAFETY * train_images * per_image * max(ratio, ratio**2)
