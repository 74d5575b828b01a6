"""The top-1 from which on a network is above chance. Nothing here imports TensorFlow."""

import math

import numpy as np

ABOVE_CHANCE = 3e-4
"""Significance level: of 170 networks at chance, one or more is taken for above it in 5 % of studies."""


def left_chance(top1: float, chance: float, images: int) -> bool:
    """Whether a top-1 is above chance: at least `least_above_chance`.

    Args:
        top1: Fraction of the images that the network classifies correctly, 0 to 1.
        chance: That fraction at chance, 0 to 1.
        images: Number of validation images.
    """
    return round(top1 * images) >= least_above_chance(chance, images) * images - 0.5


def least_above_chance(chance: float, images: int) -> float:
    """Returns the lowest top-1 that shows that a network is above chance.

    It is that of an exact, one-sided binomial test at the level `ABOVE_CHANCE`.

    Args:
        chance: Fraction of the images that a network at chance classifies correctly, 0 to 1.
        images: Number of validation images.

    Returns:
        The fraction, 0 to 1; infinite if even all images would not show it.
    """
    if not 0 < chance < 1:
        return 1 / max(images, 1) if chance <= 0 else math.inf
    right = np.arange(images + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((images - right[1:] + 1) / right[1:]))])
    probabilities = np.exp(ways + right * math.log(chance) + (images - right) * math.log1p(-chance))
    beyond = np.cumsum(probabilities[::-1])[::-1]  # P(X >= right), (images + 1,)
    shown = np.flatnonzero(beyond <= ABOVE_CHANCE)
    return float(shown[0] / images) if len(shown) else math.inf
