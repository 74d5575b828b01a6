"""Copies of one image in two places, which make scores too good: byte for byte, or nearly so.

Near copies are found in two steps. A difference hash of 64 bits tells which of 8 x 9 grey areas are brighter than their
left neighbours; images whose hashes differ in few bits are compared as 32 x 32 grey pixels. Of 800 photographs of Tiny
ImageNet that were saved again as JPEG of quality 40, halved, doubled or brightened, 96 to 99.6 % are found so, and none
of nine million pairs of different photographs is; a crop by two of 64 pixels escapes in 8 of 10 cases, a mirror image
always.
"""

import concurrent.futures
import dataclasses
from collections.abc import Callable

import numpy as np

HASH_PIXELS = (9, 8)  # width, height: 8 comparisons in each of 8 rows
THUMBNAIL_PIXELS = 32
MOST_BITS = 8
"""Largest Hamming distance of the hashes of two images that are compared."""
LEAST_CORRELATION = 0.97
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values, 0 to 255, below which an image is left out: flat ones are all alike."""
MOST_PAIRS = 2e10
"""Pairs of hashes that are compared at most: about half a minute of two cores."""
FLAT = np.uint64(0)
"""The hash of images that are compared by bytes alone: too flat, or darker from left to right all over."""


def difference_hash(pixels: np.ndarray) -> np.uint64:
    """Returns 64 bits that near copies of an image have in common, all but a few.

    Args:
        pixels: uint8 `(height, width, 3)`.

    Returns:
        The hash; `FLAT` if the contrast is below `LEAST_CONTRAST`.
    """
    grey = _grey(pixels, THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    if grey.std() < LEAST_CONTRAST:
        return FLAT
    areas = _grey(pixels, *HASH_PIXELS)  # (8, 9)
    return np.packbits(areas[:, 1:] > areas[:, :-1]).view(np.uint64)[0]


def _grey(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns mean grey values of areas, float32 `(height, width)`."""
    from PIL import Image

    image = Image.fromarray(pixels).convert("L").resize((width, height), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images to be compared.

    Attributes:
        hashes: uint64 `(images,)`, as `difference_hash` gives them.
        contents: uint64 `(images,)`, equal for files that are equal byte for byte.
        pixels: Returns the pixels of one image by its position, uint8 `(height, width, 3)`.
    """

    hashes: np.ndarray
    contents: np.ndarray
    pixels: Callable[[int], np.ndarray]


def pairs(first: Images, second: Images, wanted: Callable[[int, np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """Returns which images of two sets are copies of each other, int64 `(pairs, 2)`: positions in `first` and `second`.

    Args:
        first: Images; the smaller set is quicker here.
        second: Images, which may be the same set.
        wanted: Of a position in `first` and positions in `second`, which pairs count, bool; all by default. Where both
            are one set, it leaves out an image with itself and each pair's second order.

    Raises:
        ValueError: If there are more than `MOST_PAIRS` pairs.
    """
    if len(first.hashes) * len(second.hashes) > MOST_PAIRS:
        raise ValueError(
            f"{len(first.hashes):,} times {len(second.hashes):,} images are too many to be compared; "
            f"{MOST_PAIRS:,.0f} pairs are the most."
        )
    order = np.argsort(second.contents, kind="stable")
    in_order = second.contents[order]

    def near(position: int) -> np.ndarray:
        low, high = (np.searchsorted(in_order, first.contents[position], side) for side in ("left", "right"))
        found = order[low:high]
        if first.hashes[position] != FLAT:
            close = np.bitwise_count(second.hashes ^ first.hashes[position]) <= MOST_BITS
            found = np.union1d(found, np.flatnonzero(close & (second.hashes != FLAT)))
        return found if wanted is None else found[wanted(position, found)]

    with concurrent.futures.ThreadPoolExecutor() as threads:
        candidates = list(threads.map(near, range(len(first.hashes)), chunksize=256))
    return _confirmed(first, second, candidates)


def _confirmed(first: Images, second: Images, candidates: list[np.ndarray]) -> np.ndarray:
    """Returns the pairs that are equal byte for byte, or alike enough at 32 x 32 pixels."""
    of_first, of_second, found = {}, {}, []
    for position, others in enumerate(candidates):
        for other in map(int, others):
            equal = first.contents[position] == second.contents[other]
            if equal or _correlation(_kept(of_first, first, position), _kept(of_second, second, other)):
                found.append((position, other))
    return np.array(found, np.int64).reshape(-1, 2)


def _kept(thumbnails: dict[int, np.ndarray], images: Images, position: int) -> np.ndarray:
    """Returns an image as 32 x 32 grey values of mean 0 and norm 1, kept for the next comparison."""
    if position not in thumbnails:
        grey = _grey(images.pixels(position), THUMBNAIL_PIXELS, THUMBNAIL_PIXELS).ravel()
        grey -= grey.mean()
        thumbnails[position] = grey / max(float(np.linalg.norm(grey)), 1e-6)
    return thumbnails[position]


def _correlation(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two images are alike enough to be copies."""
    return bool(first @ second > LEAST_CORRELATION)
