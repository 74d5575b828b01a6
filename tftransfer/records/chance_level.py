"""When a top-1 is above chance. Nothing here imports TensorFlow."""

import math

import numpy as np

ABOVE_CHANCE = 3e-4
"""Share of networks at chance that are taken for above it, at most: of the paper's 170, one in 5 of 100 studies."""


def left_chance(top1: float, chance: float, images: int) -> bool:
    """Returns True if `top1` is shown to be above `chance` on so many images: at least `least_above_chance`."""
    return round(top1 * images) >= least_above_chance(chance, images) * images - 0.5


def least_above_chance(chance: float, images: int) -> float:
    """Returns the least top-1 that shows that a network is above chance.

    That is an exact, one-sided binomial test at the level `ABOVE_CHANCE`: a network at chance reaches it less often.

    Args:
        chance: Share of images that it gets right at chance, 0 to 1.
        images: Number of validation images.

    Returns:
        A share; infinite where all images right would not show it.
    """
    if not 0 < chance < 1:
        return 1 / max(images, 1) if chance <= 0 else math.inf
    right = np.arange(images + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((images - right[1:] + 1) / right[1:]))])
    shares = np.exp(ways + right * math.log(chance) + (images - right) * math.log1p(-chance))
    beyond = np.cumsum(shares[::-1])[::-1]  # of so many or more
    shown = np.flatnonzero(beyond <= ABOVE_CHANCE)
    return float(shown[0] / images) if len(shown) else math.inf
