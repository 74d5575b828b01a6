"""Images in memory and in folders that tests share."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image


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


def write_photographs(root: pathlib.Path, classes: int = 6, training: int = 20, validation: int = 8) -> pathlib.Path:
    """Fills a folder for `--dataset=folder` with images whose red and green tell the class; returns it."""
    for number in range(classes):
        shade = 240 * number // classes
        for split, images in (("train", training), ("val", validation)):
            folder = root / split / f"class{number}"
            folder.mkdir(parents=True)
            for i in range(images):
                Image.new("RGB", (40, 36), (shade, 255 - shade, (i * 37) % 256)).save(folder / f"{i}.png")
    return root
