"""Folds of the training images: each is held out once, class by class, while the others train."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tftransfer import seeds
from tftransfer.data.store import Half


def numbers(half: Half, folds: int) -> np.ndarray:
    """Returns the fold of each training image, int `(images,)`, 0 to `folds - 1`.

    Images of a class are dealt out in the order of hashes of their ids, so that every fold has as many of each class
    as possible, and adding images moves few of the others.

    Args:
        half: Training images.
        folds: Number of folds, 2 or more.
    """
    rank = seeds.hashed(seeds.derive(0, "folds"), half.ids)
    found = np.zeros(len(half), np.int64)
    dealt = 0
    for label in np.unique(half.labels):
        positions = np.flatnonzero(half.labels == label)
        order = positions[np.argsort(rank[positions], kind="stable")]
        found[order] = (np.arange(len(order)) + dealt) % folds
        dealt += len(order)
    return found


def divide(half: Half, folds: int, held_out: int) -> tuple[Half, Half]:
    """Returns the images to train on, and those of the fold that is held out."""
    chosen = numbers(half, folds) == held_out
    return _only(half, ~chosen), _only(half, chosen)


def possible(counts: Sequence[int], folds: int) -> int:
    """Returns the number of folds that leave each class an image to train on and, in all, some to hold out.

    Args:
        counts: Training images of each class.
        folds: Number that is wanted.

    Raises:
        ValueError: If a class has fewer than two images.
    """
    fewest = min(counts)
    if fewest < 2:
        raise ValueError(
            f"Advice holds out some images of each class and trains on the others. Expected 2 or more training images "
            f"of each class. Received: a class with {fewest}."
        )
    return max(2, min(folds, fewest))


def _only(half: Half, chosen: np.ndarray) -> Half:
    return dataclasses.replace(half, labels=half.labels[chosen], ids=half.ids[chosen])
