"""Copies of one image in two places, which make scores too good: byte for byte, or nearly so.

Near copies are found in two steps. A difference hash of 64 bits tells which of 8 x 9 grey areas are brighter than their
left neighbours; images whose hashes differ in few bits are compared as 32 x 32 grey pixels. Of 800 photographs of Tiny
ImageNet that were saved again as JPEG of quality 40, halved, doubled or brightened, 96 to 99.6 % are found so, and none
of nine million pairs of different photographs is; a crop by two of 64 pixels escapes in 8 of 10 cases, a mirror image
always.

Images are known by their content, 64 bits of the SHA-256 of the original, so that a thousand copies of one image count
once. Hashes that differ in at most 8 bits differ in at most 2 within one of three parts, and are looked up by these
(multi-index hashing, Norouzi, Punjani and Fleet 2012).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

HASH_PIXELS = (9, 8)  # width, height: 8 comparisons in each of 8 rows
THUMBNAIL_PIXELS = 32
THUMBNAIL_BYTES = THUMBNAIL_PIXELS**2
MOST_BITS = 8
"""Largest Hamming distance of the hashes of two images that are compared."""
LEAST_CORRELATION = 0.97
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values, 0 to 255, below which an image is left out: flat ones are all alike."""
IDENTICAL, NEAR = "identical", "near"
FLAT = np.uint64(0)
"""The hash of images that are compared by bytes alone: too flat, or darker from left to right all over."""
MOST_LOOKED_UP = 5e9
"""Pairs of hashes that are looked up at most: about a minute of one core."""
MOST_COMPARED = 4_000_000
"""Pairs of images whose pixels are compared at most: about half a minute, and 64 MB."""
_PARTS = ((0, 22), (22, 21), (43, 21))  # of a hash: first bit, bits
_MOST_IN_A_PART = MOST_BITS // len(_PARTS)
_BLOCK = 1_000_000  # pairs of hashes held at a time
_PIXEL_BLOCK = 4096  # pairs of thumbnails held at a time: 40 MB
_NO_PAIRS = np.zeros((0, 2), np.uint64)
_ANY = -1  # the place of an image that is in several


class TooAlikeError(ValueError):
    """So many images resemble each other that pairs of them say nothing, and would take hours."""


def signature(pixels: np.ndarray) -> tuple[np.uint64, np.ndarray]:
    """Returns that by which near copies of an image are found.

    Args:
        pixels: uint8 `(height, width, 3)`.

    Returns:
        The hash, of which near copies have all but a few bits in common (`FLAT` if the contrast is below
        `LEAST_CONTRAST`), and the mean grey values of 32 x 32 areas, uint8 `(1024,)`.
    """
    image = Image.fromarray(pixels).convert("L")
    thumbnail = _areas(image, THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)  # (32, 32)
    if thumbnail.std() < LEAST_CONTRAST:
        return FLAT, thumbnail.ravel()
    areas = _areas(image, *HASH_PIXELS)  # (8, 9)
    return np.packbits(areas[:, 1:] > areas[:, :-1]).view(np.uint64)[0], thumbnail.ravel()


def _areas(image: Image.Image, width: int, height: int) -> np.ndarray:
    """Returns the mean grey values of areas, uint8 `(height, width)`."""
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images to be compared.

    Attributes:
        contents: uint64 `(images,)`, equal for files that are equal byte for byte.
        hashes: uint64 `(images,)`, as `signature` gives them.
        places: Number of each image's class and subset, int64 `(images,)`: images of one place are not compared.
        thumbnails: Returns those of some images by position, uint8 `(positions, 1024)`.
    """

    contents: np.ndarray
    hashes: np.ndarray
    places: np.ndarray
    thumbnails: Callable[[np.ndarray], np.ndarray]

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the position of one image of each content that has a hash, and its place, `_ANY` for several."""
        order = np.argsort(self.contents, kind="stable")
        order = order[self.hashes[order] != FLAT]
        if not order.size:
            return order, order
        starts = np.flatnonzero(np.r_[True, np.diff(self.contents[order]) != 0])
        lowest, highest = (ufunc.reduceat(self.places[order], starts) for ufunc in (np.minimum, np.maximum))
        return order[starts], np.where(lowest == highest, lowest, _ANY)


class ComparedStore(Protocol):
    """A store, as far as the search asks it."""

    dataset: str
    near_copies: np.ndarray | None

    def images_to_compare(self) -> Images:
        """Returns all images of the store."""


class ComparedHalf(Protocol):
    """Some images of a store, as far as the search asks them."""

    store: ComparedStore
    labels: np.ndarray

    def __len__(self) -> int: ...

    def contents(self) -> np.ndarray:
        """Returns 64 bits of the SHA-256 of each original, uint64 `(images,)`."""

    def names(self, positions: np.ndarray) -> list[str]:
        """Returns the names of some images in the data set."""


def near_pairs(images: Images) -> np.ndarray:
    """Returns which images of different places are near copies, each pair once.

    Images that are equal byte for byte are no pair: their contents are equal.

    Returns:
        Contents of both images of each pair, uint64 `(pairs, 2)`.

    Raises:
        TooAlikeError: If more than `MOST_LOOKED_UP` or `MOST_COMPARED` pairs would have to be compared.
    """
    positions, places = images.distinct()
    hashes = images.hashes[positions]

    def candidates() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first, second in _close(hashes, hashes, within=True):
            apart = (places[first] != places[second]) | (places[first] == _ANY)
            yield positions[first[apart]], positions[second[apart]]

    return _confirmed(images, images, candidates())


def between(first: ComparedStore, second: ComparedStore) -> np.ndarray:
    """Returns which images of one store are near copies of images of another, of whatever subset and class.

    Those of two halves follow from it: `twins(half.contents(), other.contents(), between(half.store, other.store))`.

    Returns:
        Contents of both images of each pair, uint64 `(pairs, 2)`, the first store's first. Images that are equal byte
        for byte have equal contents, and are in no pair.

    Raises:
        TooAlikeError: If more than `MOST_LOOKED_UP` or `MOST_COMPARED` pairs would have to be compared.
    """
    one, other = first.images_to_compare(), second.images_to_compare()
    of_one, of_other = one.distinct()[0], other.distinct()[0]

    def candidates() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for here, there in _close(one.hashes[of_one], other.hashes[of_other], within=False):
            here, there = of_one[here], of_other[there]
            unequal = one.contents[here] != other.contents[there]
            yield here[unequal], there[unequal]

    return _confirmed(one, other, candidates())


def _close(first: np.ndarray, second: np.ndarray, within: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields positions of hashes that differ in at most `MOST_BITS` bits, in arrays of bounded length, each pair once.

    Args:
        first: Hashes, uint64 `(images,)`.
        second: Hashes, uint64 `(others,)`.
        within: Whether both are the same hashes; then a pair is yielded in one order only, and none with itself.
    """
    looked_up = 0
    for number, (shift, bits) in enumerate(_PARTS):
        own, others = (_part(hashes, shift, bits).astype(np.int64) for hashes in (first, second))
        order = np.argsort(others, kind="stable")
        starts = np.zeros(2**bits + 1, np.int64)
        np.cumsum(np.bincount(others, minlength=2**bits), out=starts[1:])
        # Of two parts that differ in a bit, the one without it asks for the other.
        asking = [np.flatnonzero(own & (1 << bit) == 0) if within else np.arange(len(own)) for bit in range(bits)]
        for flipped in _flips(bits):
            queries = asking[flipped.bit_length() - 1] if flipped else np.arange(len(own))
            buckets = own[queries] ^ flipped
            lows = starts[buckets]
            counts = starts[buckets + 1] - lows
            looked_up += int(counts.sum())
            if looked_up > MOST_LOOKED_UP:
                raise TooAlikeError(f"more than {MOST_LOOKED_UP:,.0f} pairs of images resemble each other")
            for block in _blocks(counts):
                places = np.arange(counts[block].sum()) + np.repeat(
                    lows[block] - np.cumsum(counts[block]) + counts[block], counts[block]
                )
                ones, twos = np.repeat(queries[block], counts[block]), order[places]
                differing = first[ones] ^ second[twos]
                near = np.bitwise_count(differing) <= MOST_BITS
                if within and not flipped:
                    near &= ones < twos
                ones, twos, differing = ones[near], twos[near], differing[near]
                fresh = np.ones(len(ones), bool)  # not met by an earlier part
                for earlier in _PARTS[:number]:
                    fresh &= np.bitwise_count(_part(differing, *earlier)) > _MOST_IN_A_PART
                yield ones[fresh], twos[fresh]


def _part(hashes: np.ndarray, shift: int, bits: int) -> np.ndarray:
    return (hashes >> np.uint64(shift)) & np.uint64(2**bits - 1)


def _flips(bits: int) -> list[int]:
    """Returns all numbers of some bits of which at most `_MOST_IN_A_PART` are 1."""
    ones = (itertools.combinations(range(bits), count) for count in range(_MOST_IN_A_PART + 1))
    return [sum(1 << bit for bit in chosen) for chosen in itertools.chain.from_iterable(ones)]


def _blocks(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the positions of counts above 0, in blocks whose sum is about `_BLOCK`, or of one large count."""
    positions = np.flatnonzero(counts)
    if positions.size:
        sums = np.cumsum(counts[positions])
        yield from np.split(positions, np.flatnonzero(np.diff(sums // _BLOCK)) + 1)


def _confirmed(one: Images, other: Images, candidates: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Returns the contents of those candidates that are alike enough at 32 x 32 pixels, uint64 `(pairs, 2)`."""
    found, compared = [np.zeros((2, 0), np.int64)], 0
    for pair in candidates:
        found.append(np.stack(pair))
        compared += len(pair[0])
        if compared > MOST_COMPARED:
            raise TooAlikeError(f"more than {MOST_COMPARED:,} pairs of images resemble each other")
    pairs = np.concatenate(found, axis=1)
    pairs = pairs[:, np.argsort(pairs[0], kind="stable")]  # neighbours share a shard
    alike = [
        _alike(one.thumbnails(pairs[0, start : start + _PIXEL_BLOCK]),
               other.thumbnails(pairs[1, start : start + _PIXEL_BLOCK]))
        for start in range(0, compared, _PIXEL_BLOCK)
    ]  # fmt: skip
    pairs = pairs[:, np.concatenate([*alike, np.zeros(0, bool)])]
    return np.stack([one.contents[pairs[0]], other.contents[pairs[1]]], axis=1)


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether images are near copies by their thumbnails, uint8 `(images, 1024)`; bool `(images,)`."""
    first, second = (grey - grey.mean(axis=1, keepdims=True, dtype=np.float32) for grey in (first, second))
    products, one, other = (np.einsum("ij,ij->i", *two) for two in ((first, second), (first,) * 2, (second,) * 2))
    return products > LEAST_CORRELATION * np.sqrt(one * other)


@dataclasses.dataclass(frozen=True, eq=False)
class Twins:
    """Images that have copies elsewhere.

    Attributes:
        identical: Whether an image has a copy byte for byte, bool `(images,)`.
        near: Whether it has only a near copy, bool `(images,)`.
    """

    identical: np.ndarray
    near: np.ndarray

    @property
    def either(self) -> np.ndarray:
        """Whether an image has a copy of either kind, bool `(images,)`."""
        return self.identical | self.near

    def counts(self) -> dict[str, int]:
        """Returns the number of images with copies, by kind."""
        return {IDENTICAL: int(self.identical.sum()), NEAR: int(self.near.sum())}


def twins(contents: np.ndarray, others: np.ndarray, near: np.ndarray) -> Twins:
    """Returns which images have copies among others.

    Args:
        contents: Those of the images, uint64 `(images,)`.
        others: Those of the others, uint64 `(others,)`.
        near: Contents of near copies, uint64 `(pairs, 2)`, in any order within a pair.
    """
    identical = np.isin(contents, others)
    return Twins(identical, np.isin(contents, _partners(near, others)) & ~identical)


def in_two_classes(contents: np.ndarray, labels: np.ndarray, near: np.ndarray) -> Twins:
    """Returns which images have copies in another class.

    Args:
        contents: uint64 `(images,)`.
        labels: int32 `(images,)`.
        near: Contents of near copies, uint64 `(pairs, 2)`.
    """
    known, inverse = np.unique(contents, return_inverse=True)
    lowest, highest = np.full(len(known), np.iinfo(np.int64).max), np.full(len(known), -1, np.int64)
    np.minimum.at(lowest, inverse, labels)
    np.maximum.at(highest, inverse, labels)
    here = near[np.isin(near, known).all(axis=1)]
    one, other = (np.searchsorted(known, here[:, side]) for side in (0, 1))
    differ = (np.minimum(lowest[one], lowest[other]) != np.maximum(highest[one], highest[other]))[:, None]
    identical = (lowest != highest)[inverse]
    return Twins(identical, np.isin(contents, here[differ.repeat(2, axis=1)]) & ~identical)


def _partners(near: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Returns the contents that are near copies of some."""
    return np.concatenate([near[np.isin(near[:, 1 - side], contents), side] for side in (0, 1)])


def first_names(
    half: ComparedHalf,
    found: Twins,
    others: Sequence[ComparedHalf],
    near: np.ndarray,
    most: int,
    in_another_class: bool = False,
) -> list[list[str]]:
    """Returns the first images of a half that have copies, as rows of name, name of a copy, and `IDENTICAL` or `NEAR`.

    Args:
        half: The images.
        found: Which of them have copies.
        others: Where the copies are.
        near: Contents of near copies, uint64 `(pairs, 2)`.
        most: Number of images of each kind.
        in_another_class: Whether only copies with another label count; halves must then be of the same classes.
    """
    rows = []
    for kind, chosen in ((IDENTICAL, found.identical), (NEAR, found.near)):
        for position in np.flatnonzero(chosen)[:most]:
            content = half.contents()[position : position + 1]
            alike, named = content if kind == IDENTICAL else _partners(near, content), ""
            for other in others:
                hits = np.isin(other.contents(), alike)
                hits &= other.labels != half.labels[position] if in_another_class else True
                named = named or next(iter(other.names(np.flatnonzero(hits)[:1])), "")
            rows.append([half.names(np.array([position]))[0], named, kind])
    return rows


def near_of(first: ComparedStore, second: ComparedStore) -> np.ndarray | None:
    """Returns near copies within one store, or between two; None where they are not known."""
    if first is second:
        return first.near_copies
    try:
        return between(first, second)
    except TooAlikeError:
        return None


def found_between(half: ComparedHalf, other: ComparedHalf, most: int) -> dict[str, Any]:
    """Returns which images of a half have copies in another half, of the same store or another, for a record.

    Args:
        half: The images.
        other: Where copies are looked for.
        most: Number of images of each kind that are named.

    Returns:
        How many have copies byte for byte (`identical`) or only near ones (`near`; None if these were not looked for),
        and the first of them, as from `first_names`.
    """
    near = near_of(half.store, other.store)
    pairs = _NO_PAIRS if near is None else near
    copied = twins(half.contents(), other.contents(), pairs)
    return _described(copied, near, first_names(half, copied, [other], pairs, most))


def found_in(training: ComparedHalf, validation: ComparedHalf, most: int) -> dict[str, dict[str, Any]]:
    """Returns the copies in the images that a network uses, for its record.

    Args:
        training: Its training images.
        validation: Its validation images, of the same classes.
        most: Number of images of each kind that are named.

    Returns:
        As from `found_between`: validation images with copies in `training`, and all images with copies in another
        class, `classes`.
    """
    halves, near = [training, validation], training.store.near_copies
    pairs = _NO_PAIRS if near is None else near
    contents, labels = (np.concatenate(parts) for parts in ([h.contents() for h in halves], [h.labels for h in halves]))
    copied = in_two_classes(contents, labels, pairs)
    names, start = [], 0
    for half in halves:
        here, start = slice(start, start + len(half)), start + len(half)
        found = Twins(copied.identical[here], copied.near[here])
        names += first_names(half, found, halves, pairs, most, in_another_class=True)
    return {
        "training": found_between(validation, training, most),
        "classes": _described(copied, near, names),
    }


def require(store: ComparedStore) -> np.ndarray:
    """Returns a store's near copies, uint64 `(pairs, 2)`.

    Raises:
        TooAlikeError: If they were not looked for.
    """
    if store.near_copies is None:
        raise TooAlikeError(
            f"So many images of {store.dataset} resemble each other that near copies were not looked for: none can be "
            "left out. Leave out --exclude_duplicates, or remove copies from the data set."
        )
    return store.near_copies


def _described(copied: Twins, near: np.ndarray | None, names: list[list[str]]) -> dict[str, Any]:
    """Returns counts and names as a record holds them."""
    return copied.counts() | ({NEAR: None} if near is None else {}) | {"first": names}
