"""The size of a data set's images, from which the default size of a network's input follows."""

import contextlib
import statistics

from PIL import Image

from tftransfer.data.datasets.dataset import Dataset

SMALLEST, LARGEST = 32, 227
"""Sides in pixels of the default input: AlexNet's smallest, and the paper's."""
_MARGIN = 227 / 256  # of an image's side: the paper's crops of 227 pixels, from images of 256
_MULTIPLE = 8  # so that a few more images do not make another input, and so another study
_LOOKED_AT = 40


def median_side(dataset: Dataset) -> float | None:
    """Returns the median side of some training images in pixels, the root of their area; None if none can be read.

    Only the first bytes of files are read.
    """
    if known := dataset.native_size or dataset.side:
        return float(known)
    examples, sides = dataset.examples("train"), []
    for position in range(0, len(examples), max(1, len(examples) // _LOOKED_AT)):
        path = getattr(examples[position], "path", None)
        # What cannot be read is named when images are prepared.
        with contextlib.suppress(Exception), Image.open(path) as image:
            sides.append((image.width * image.height) ** 0.5)
    return statistics.median(sides) if sides else None


def suggested_input(side: float | None, least: int = SMALLEST) -> int:
    """Returns the side of the network's input that suits images.

    It is 227/256 of the images' side, so that crops can move in images that are not enlarged, as a multiple of 8, from
    32 to the paper's 227.

    Args:
        side: Median side of the images in pixels; None if it is not known, which gives 227.
        least: Smallest side that the network takes.

    Example:
        >>> [suggested_input(side) for side in (20, 32, 64, 100, 256, 1000)]
        [32, 32, 56, 88, 227, 227]
    """
    if side is None or side * _MARGIN >= LARGEST:
        return max(least, LARGEST)
    return max(least, SMALLEST, round(side * _MARGIN / _MULTIPLE) * _MULTIPLE)
