"""`arrays`: NumPy arrays, or pairs of image and label, which a Python program wrote into a folder.

from tftransfer.data.datasets import arrays
arrays.write(images, labels, "my_data", class_names=["cat", "dog", "eel", "fox"])
# python -m tftransfer.run --dataset=arrays --data_dir=my_data --treatment=BnB --n=4
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tftransfer.data.datasets import array_folder, array_values
from tftransfer.data.datasets.array_folder import FILES, PIXELS, ArrayExample, Contents, Writer, is_in_cache
from tftransfer.data.datasets.dataset import Dataset, DataSetError, Examples, existing_folder
from tftransfer.data.datasets.folder import HOLDOUT_FRACTION, SMALL_CLASSES, hold_out
from tftransfer.system import escaping

__all__ = [
    "describe",
    "is_held_out",
    "is_in_cache",
    "open_dataset",
    "write",
    "write_pairs",
    "write_pairs_to_cache",
    "write_to_cache",
]

LAYOUT = "a folder that tftransfer.data.datasets.arrays.write made"
_PAIR = "Expected pairs (image, label)"


def describe(data_dir: str | None) -> tuple[str, ...]:
    """Returns the class names, from the description in the folder."""
    return array_folder.read_description(existing_folder(data_dir, "arrays", LAYOUT)).class_names


def open_dataset(data_dir: str | None) -> Dataset:
    """Returns the data set of the images in a folder; its identity is their content."""
    contents = Contents(existing_folder(data_dir, "arrays", LAYOUT))
    about = contents.about
    height, width = about.shape[:2] if about.shape else (0, 1)
    return Dataset(
        name="arrays",
        class_names=about.class_names,
        class_kinds=(None,) * len(about.class_names),
        native_size=height if height == width else None,
        identity=about.identity,
        subsets={
            "train": _examples(contents, np.flatnonzero(~contents.validation)),
            "val": _examples(contents, np.flatnonzero(contents.validation)),
        },
        notes={SMALL_CLASSES: about.small_classes} if about.small_classes else {},
        side=about.side,
    )


def is_held_out(data_dir: str | None) -> bool:
    """Whether the validation images were held out of one set of images."""
    return array_folder.read_description(existing_folder(data_dir, "arrays", LAYOUT)).held_out


def _examples(contents: Contents, positions: np.ndarray) -> Examples:
    """Returns the examples at some positions, in the order in which they were written."""

    def between(start: int, stop: int) -> Iterator[ArrayExample]:
        for position in positions[start:stop].tolist():
            label = int(contents.labels[position])
            yield ArrayExample(label, f"{position:08d}", contents.path, *contents.place(position), contents.about.shape)

    return Examples(len(positions), between, contents.labels[positions])


def write(
    images: Any,
    labels: Any,
    folder: str | os.PathLike,
    validation: tuple[Any, Any] | None = None,
    class_names: Sequence[str] | None = None,
    validation_fraction: float = HOLDOUT_FRACTION,
) -> str:
    """Writes images and labels into a folder, for `--dataset=arrays --data_dir=FOLDER`.

    The folder appears whole or not at all. Arrays are read in pieces, so a large one may be a `numpy.memmap`.

    Args:
        images: `(n, height, width, 3)`, `(n, height, width, 1)` or `(n, height, width)`: uint8, or floating point
            from 0 to 1 (the largest value is 1 at most) or from 0 to 255 (it is 16 or more). Grey images become RGB
            when they are read.
        labels: Class of each image, `(n,)`: whole numbers or texts.
        folder: A new or an empty folder, or one with the same data set.
        validation: Images and labels of the validation set, as above; None to hold some of each class out.
        class_names: Names of labels 0, 1, 2 ..., or all texts in the order wanted; None for the labels themselves,
            sorted. A study needs four classes or more, two for each half.
        validation_fraction: Fraction of each class that is held out, about, without `validation`. Which images are
            depends on the pixels of each alone: images that come or go move no other, and copies of one image stay
            together.

    Returns:
        The folder's absolute path.

    Raises:
        DataSetError: If images or labels are not as above, with what was received and what to do.
        OSError: If the folder cannot be written.
    """
    return _write(images, labels, validation, class_names, validation_fraction, _absolute(folder), None)


def write_to_cache(
    images: Any,
    labels: Any,
    cache_dir: str | os.PathLike,
    validation: tuple[Any, Any] | None = None,
    class_names: Sequence[str] | None = None,
    validation_fraction: float = HOLDOUT_FRACTION,
) -> str:
    """Writes images and labels, as `write`, into a folder of a cache that is named by its content.

    Returns:
        The folder's absolute path, the same for the same content.
    """
    return _write(images, labels, validation, class_names, validation_fraction, None, cache_dir)


def write_pairs(
    pairs: Iterable[tuple[Any, Any]],
    folder: str | os.PathLike,
    validation: Iterable[tuple[Any, Any]] | None = None,
    class_names: Sequence[str] | None = None,
    validation_fraction: float = HOLDOUT_FRACTION,
) -> str:
    """Writes pairs of image and label, one at a time, into a folder, for `--dataset=arrays --data_dir=FOLDER`.

    Images may differ in size; they are stored as PNG, without loss.

    Args:
        pairs: A finite iterable, such as a `tf.data.Dataset` that is not batched: images `(height, width, 3)`,
            `(height, width, 1)` or `(height, width)` as in `write`, or the bytes of image files (JPEG, PNG ...).
            Whether floating-point images are 0 to 1 or 0 to 255 is decided by the first.
        folder: As in `write`.
        validation: Pairs of the validation set; None to hold some of each class out.
        class_names: As in `write`.
        validation_fraction: As in `write`.

    Returns:
        The folder's absolute path.

    Raises:
        DataSetError: If images or labels are not as above.
        OSError: If the folder cannot be written.
    """
    return _write_pairs(pairs, validation, class_names, validation_fraction, _absolute(folder), None)


def write_pairs_to_cache(
    pairs: Iterable[tuple[Any, Any]],
    cache_dir: str | os.PathLike,
    validation: Iterable[tuple[Any, Any]] | None = None,
    class_names: Sequence[str] | None = None,
    validation_fraction: float = HOLDOUT_FRACTION,
) -> str:
    """Writes pairs of image and label, as `write_pairs`, into a folder of a cache that is named by its content.

    Returns:
        The folder's absolute path, the same for the same content.
    """
    return _write_pairs(pairs, validation, class_names, validation_fraction, None, cache_dir)


def _absolute(folder: str | os.PathLike) -> str:
    return os.path.abspath(os.path.expanduser(folder))


def _parent(goal: str | None, cache_dir: str | os.PathLike | None) -> str:
    return os.path.dirname(goal) if goal else os.path.join(_absolute(cache_dir), "arrays")


def _write(
    images: Any,
    labels: Any,
    validation: tuple[Any, Any] | None,
    class_names: Sequence[str] | None,
    fraction: float,
    goal: str | None,
    cache_dir: str | os.PathLike | None,
) -> str:
    """Checks images and labels of both subsets, then writes them."""
    _check_fraction(fraction)
    given = [(images, labels, "")]
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise DataSetError(f"Expected validation=(images, labels) or None. Received: {type(validation).__name__}")
        given.append((*validation, "validation "))
    arrays = [array_values.checked_images(x, f"{of}images") for x, _, of in given]
    texts = [array_values.checked_labels(y, len(x), f"{of}labels") for x, (_, y, of) in zip(arrays, given, strict=True)]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise DataSetError(
            f"Training and validation images differ in shape. Received: {arrays[0].shape[1:]} and "
            f"{arrays[1].shape[1:]}. Resize them to one size, or write both with write_pairs."
        )
    factor = array_values.factor_of(arrays)
    names, numbers = array_values.classes_of(texts, class_names)
    with Writer(_parent(goal, cache_dir), PIXELS) as writer:
        for array in arrays:
            for image in array_values.pixels(array, factor):
                writer.add(image)
        return _published(writer, names, numbers, fraction, goal)


def _write_pairs(
    pairs: Iterable[tuple[Any, Any]],
    validation: Iterable[tuple[Any, Any]] | None,
    class_names: Sequence[str] | None,
    fraction: float,
    goal: str | None,
    cache_dir: str | os.PathLike | None,
) -> str:
    """Writes the pairs of both subsets, and checks them meanwhile."""
    _check_fraction(fraction)
    with Writer(_parent(goal, cache_dir), FILES) as writer:
        adder, texts = _PairAdder(writer), []
        for subset in (pairs, validation) if validation is not None else (pairs,):
            labels = [adder.add(pair) for pair in _finite(subset)]
            if not labels:
                raise DataSetError(f"There are no images. {_PAIR}. Received: an empty {type(subset).__name__}")
            texts.append(array_values.checked_labels(labels, len(labels)))
        names, numbers = array_values.classes_of(texts, class_names)
        return _published(writer, names, numbers, fraction, goal)


def _finite(pairs: Any) -> Iterable[Any]:
    """Returns an iterable of NumPy values; refuses a `tf.data.Dataset` without an end."""
    if hasattr(pairs, "cardinality") and int(pairs.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise DataSetError(
            "The data set repeats without an end. Expected a finite one. Leave out repeat(), or use take(n)."
        )
    if hasattr(pairs, "as_numpy_iterator"):
        return pairs.as_numpy_iterator()
    if not isinstance(pairs, Iterable):
        raise DataSetError(f"{_PAIR}, one after the other. Received: {type(pairs).__name__}")
    return pairs


class _PairAdder:
    """Checks pairs and adds their images to a writer; the first image decides on the range of floating-point ones."""

    def __init__(self, writer: Writer):
        self._writer = writer
        self._factor: float | None = None

    def add(self, pair: Any) -> Any:
        """Adds the image of a pair; returns its label."""
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            kind = f"a dictionary of {escaping.first(list(pair))}" if isinstance(pair, dict) else type(pair).__name__
            raise DataSetError(f"{_PAIR}. Received: {kind}. Map the data set to pairs, as with as_supervised=True.")
        image, label = pair
        if isinstance(image, bytes):
            self._writer.add_file(image)
        else:
            self._writer.add(self._pixels(image))
        return _label(label, len(self._writer) - 1)

    def _pixels(self, image: Any) -> np.ndarray:
        """Returns an image as uint8 `(height, width, channels)`."""
        name = f"image {len(self._writer)}"
        try:
            array = np.asarray(image)
        except Exception as error:
            raise DataSetError(f"The {name} is no array: {type(error).__name__}. {_PAIR}.") from error
        if array.ndim == 4:
            raise DataSetError(f"The {name} is a batch, {array.shape}. {_PAIR}. Use unbatch().")
        if array.ndim not in (2, 3):
            raise DataSetError(
                f"The {name} has a shape that is not known. Expected (height, width, 3), (height, width, 1) or "
                f"(height, width). Received: {array.shape}"
            )
        array = array_values.checked_images(array[np.newaxis], name)[0]
        low, high = float(array.min()), float(array.max())
        if self._factor is None or not (np.isfinite(low) and np.isfinite(high)):
            # A dark image says nothing on the others of whole numbers.
            factor = 1.0 if array.dtype == np.uint8 else array_values.factor_of_range(low, high, array.dtype, name)
            self._factor, self._dtype = factor, array.dtype
        if array.dtype != self._dtype:
            raise DataSetError(f"The {name} is {array.dtype}, those before are {self._dtype}. Expected one type.")
        most = 255 / self._factor
        if low < 0 or high > most:
            raise DataSetError(
                f"The {name} is not of the range of the first, 0 to {most:g}. Received: {low:g} to {high:g}. Bring all "
                "images to one range, or convert them to uint8."
            )
        return array_values.to_uint8(array, self._factor)


def _label(label: Any, position: int) -> Any:
    """Returns a label as a number or a text."""
    array = np.asarray(label)
    if array.size != 1:
        raise DataSetError(
            f"The label of image {position} is not one value. Expected a whole number or a text. Received the shape "
            f"{array.shape}. Of one-hot rows, use argmax."
        )
    return array.reshape(()).item()


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise DataSetError(f"validation_fraction must lie between 0 and 1. Received: {fraction}")


def _published(
    writer: Writer, names: tuple[str, ...], numbers: Sequence[np.ndarray], fraction: float, goal: str | None
) -> str:
    """Divides the images into subsets, after refusing classes without images for one of them; returns the folder."""
    labels = np.concatenate(numbers)
    if len(numbers) == 2:
        for here, of in zip(numbers, ("training", "validation"), strict=True):
            counts = np.bincount(here, minlength=len(names))
            if absent := [names[label] for label in np.flatnonzero(counts == 0)]:
                raise DataSetError(
                    f"{len(absent)} class(es) have no {of} image: {escaping.first(absent)}. Expected each class in "
                    "both subsets. Add images, or leave these classes out."
                )
        validation, small = np.arange(len(labels)) >= len(numbers[0]), 0
    else:
        validation, small = _held_out(writer.digests, labels, names, fraction)
    return writer.publish(names, labels, validation, len(numbers) == 1, small, goal)


def _held_out(
    digests: Sequence[bytes], labels: np.ndarray, names: Sequence[str], fraction: float
) -> tuple[np.ndarray, int]:
    """Returns which images are held out, bool `(n,)`, and for how many classes their hashes alone did not decide."""
    held, small = np.zeros(len(labels), bool), 0
    counts = np.bincount(labels, minlength=len(names))
    if few := [names[label] for label in np.flatnonzero(counts < 2)]:
        raise DataSetError(
            f"{len(few)} class(es) have one image: {escaping.first(few)}. Expected two or more, one of them to be held "
            "out. Add images, leave these classes out, or pass validation=(images, labels)."
        )
    order = np.argsort(labels, kind="stable")
    for name, positions in zip(names, np.split(order, np.cumsum(counts)[:-1]), strict=True):
        keys = [digests[position].hex() for position in positions]
        if len(set(keys)) < 2:  # copies of one image, which must still be divided
            keys = [f"{key} {index}" for index, key in enumerate(keys)]
        _, chosen, is_steady = hold_out(list(dict.fromkeys(keys)), name, fraction)
        chosen = set(chosen)
        held[positions] = [key in chosen for key in keys]
        small += not is_steady
    return held, small
