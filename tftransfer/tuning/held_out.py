"""Held-out training images that a search scores recipes on, so that validation images are never used."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tftransfer import seeds
from tftransfer.data.store import Half

ONE_IN = 5
"""One in this many training images of each class is held out."""


def divide(half: Half, class_names: Sequence[str]) -> tuple[Half, Half]:
    """Divides training images into those to train on and held-out ones.

    A fifth of each class is held out, at least one image: those with the lowest hash of their id, so that the same ones
    are held out in every trial, whatever its seed.

    Args:
        half: Training images of a target.
        class_names: Names of its classes, by label.

    Returns:
        Images to train on, images held out.

    Raises:
        ValueError: If a class has fewer than two images, or the images are not training images.
    """
    if half.subset != "train":
        raise ValueError(f"Only training images may be held out. Received: images of {half.subset!r}")
    rank = seeds.hashed(seeds.derive(0, "held out"), half.ids)
    held = np.zeros(len(half), bool)
    for label, name in enumerate(class_names):
        positions = np.flatnonzero(half.labels == label)
        if len(positions) < 2:
            raise ValueError(
                f"A search holds out one image of each class at least and trains on the others. Expected 2 or more "
                f"training images of each class. Received: class {name!r} has {len(positions)}."
            )
        count = max(1, len(positions) // ONE_IN)
        held[positions[np.argsort(rank[positions], kind="stable")[:count]]] = True
    return _only(half, ~held), _only(half, held)


def _only(half: Half, chosen: np.ndarray) -> Half:
    return dataclasses.replace(half, labels=half.labels[chosen], ids=half.ids[chosen])
