"""What a kind of motif is: a function that draws it and the poses it is seen in."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tftransfer.data.motifs.plane import Plane

Drawing = tuple[np.ndarray, np.ndarray | None]
"""Signed distances of the main shape and, in a second colour on top of it, of its accents."""


class Kind(NamedTuple):
    """One class of the data set.

    Attributes:
        draw: Draws one individual on a plane.
        turn: Largest rotation either way, in degrees; 180 means that any pose is natural.
        fills: True for a pattern that covers the picture, False for an object in front of something.
        wobble: How far its edges may be bent, in units of the plane.
    """

    draw: Callable[[Plane, np.random.Generator], Drawing]
    turn: float = 180.0
    fills: bool = False
    wobble: float = 0.03


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Returns True with this probability."""
    return rng.random() < probability


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """Returns an integer from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))
