"""Images in memory that tests share."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayHalf:
    """The images of a task, in memory."""

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    size: int = 32
    encoding: str = "raw"

    def __len__(self):
        return len(self.ids)

    def read(self, positions):
        return self.images[positions]


def make_half(images: int, classes: int, seed: int, side: int = 32) -> ArrayHalf:
    """Returns images of which each class has a colour pattern of its own, under noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(77).integers(0, 255, (classes, side, side, 3))
    labels = rng.integers(0, classes, images)
    noise = rng.integers(0, 128, (images, side, side, 3))
    pixels = np.clip(patterns[labels] * 0.5 + noise, 0, 255).astype(np.uint8)
    return ArrayHalf(pixels, labels.astype(np.int32), np.arange(images), side)
