"""What held-out images can show: disagreement, the smallest difference, and the interval of a final score."""

import math

import numpy as np
from scipy import special

from tftransfer.analysis.intervals import LEVEL


def disagreement(correct: np.ndarray) -> np.ndarray:
    """Returns the share of images on which exactly one of two candidates is right.

    Args:
        correct: Whether each candidate classifies each image correctly, `(candidates, images)`, bool.

    Returns:
        The shares, `(candidates, candidates)`, 0 to 1; 0 on the diagonal.
    """
    right = correct.astype(float)
    both, alone = right @ right.T, right.sum(axis=1)
    return (alone[:, None] + alone[None, :] - 2 * both) / correct.shape[1]


def paired_error(disagreement: np.ndarray | float, images: int) -> np.ndarray | float:
    """Returns the standard error of a paired difference in top-1 that is due to the choice of images.

    It is sqrt(d / n), the most that the shares allow (McNemar's: the squared difference, which would be subtracted, is
    small beside d where candidates are close).

    Args:
        disagreement: Share of images on which exactly one of both is right, 0 to 1.
        images: Number of held-out images.
    """
    return np.sqrt(np.asarray(disagreement) / images)


def image_covariance(correct: np.ndarray) -> np.ndarray:
    """Returns the covariance of scores that is due to the choice of images, `(candidates, candidates)`.

    The variance of a difference, from it, is (d - difference²) / (n - 1).

    Args:
        correct: Whether each candidate classifies each image correctly, `(candidates, images)`, bool.
    """
    return np.atleast_2d(np.cov(correct.astype(float))) / correct.shape[1]


def smallest_difference(disagreement: float, images: int) -> float:
    """Returns the smallest difference in top-1 that held-out images can show: two paired standard errors.

    Args:
        disagreement: Share of images on which exactly one of two candidates is right, 0 to 1.
        images: Number of held-out images.

    Example:
        >>> round(smallest_difference(0.1, 200), 3)
        0.045
    """
    return 2 * float(paired_error(disagreement, images))


def labels_to_halve(images: int, held_out_fraction: float = 1.0) -> int:
    """Returns how many more labels would halve the smallest difference.

    Half the error takes four times the held-out images: three times as many more.

    Args:
        images: Number of held-out images.
        held_out_fraction: Share of new labels that is held out, above 0 to 1.
    """
    if not 0 < held_out_fraction <= 1:
        raise ValueError(f"Expected a held-out fraction above 0, up to 1. Received: {held_out_fraction}.")
    return math.ceil(3 * images / held_out_fraction - 1e-9)


def score_interval(correct: int, images: int, level: float = LEVEL) -> tuple[float, float]:
    """Returns the interval of a final score, from images that no phase saw.

    It is the exact one of Clopper and Pearson (1934), which holds at least as often as its level says for every score;
    Wilson's is narrower and holds less often for some. `analysis.intervals` has those of means over networks.

    Args:
        correct: Number of images classified correctly.
        images: Their number.
        level: Share of intervals that hold the truth, 0 to 1.

    Returns:
        Lower and upper end, 0 to 1.
    """
    if not 0 <= correct <= images or images < 1:
        raise ValueError(f"Expected 0 to {images} correct images of at least one. Received: {correct} of {images}.")
    tail = (1 - level) / 2
    low = float(special.betaincinv(correct, images - correct + 1, tail)) if correct else 0.0
    high = float(special.betaincinv(correct + 1, images - correct, 1 - tail)) if correct < images else 1.0
    return low, high
