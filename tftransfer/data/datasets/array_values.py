"""Images and labels from Python, checked: shapes, types, ranges, classes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tftransfer.data.datasets.dataset import MOST_BYTES, DataSetError
from tftransfer.system import escaping

MOST_CLASSES = 100_000
_CHUNK = 2**24  # values that are converted at once, so that a large set is never in memory twice
# Fractions of 255 reach 1 at most. Pixels of 0 to 255 reach more than 16, if the images show anything.
_FRACTIONS, _DARKEST = 1.0, 16.0
_SHAPES = "(n, height, width, 3), (n, height, width, 1) or (n, height, width)"


def checked_images(images: Any, name: str = "images") -> np.ndarray:
    """Returns images as an array `(n, height, width, channels)`; an array is not copied.

    Args:
        images: uint8 or floating point, `(n, height, width, 3)`, `(n, height, width, 1)` or `(n, height, width)`.
        name: What messages call them.

    Raises:
        DataSetError: If type or shape are others.
    """
    try:
        array = np.asarray(images)
    except Exception as error:  # lists of unequal images, tensors on devices
        raise DataSetError(
            f"The {name} cannot be made one array: {_short(error)}. Expected images of one size, {_SHAPES}. Images of "
            "different sizes are written with write_pairs."
        ) from error
    refuse_types(array, name)
    shape = array.shape
    if array.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        hint = "Put the channels last: np.moveaxis(images, 1, -1)."
    elif array.ndim == 4 and shape[3] == 4:
        hint = "Leave out the fourth channel: images[..., :3]."
    else:
        hint = "Reshape the array, or write the images with write_pairs."
    array = array[..., np.newaxis] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise DataSetError(f"The {name} have a shape that is not known. Expected {_SHAPES}. Received: {shape}. {hint}")
    if not array.size:
        raise DataSetError(f"The {name} are empty. Expected one or more of 1 x 1 pixels or more. Received: {shape}")
    if array[0].size > MOST_BYTES:
        raise DataSetError(f"The {name} are too large. Expected {MOST_BYTES:,} values at most. Received: {shape[1:]}")
    return array


def refuse_types(array: np.ndarray, name: str) -> None:
    """Raises DataSetError unless an array is uint8 or floating point."""
    if array.dtype == object:
        raise DataSetError(
            f"The {name} are an array of Python objects, as NumPy makes of images that differ in size. Expected uint8 "
            "or floating point. Write images of different sizes with write_pairs."
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DataSetError(
            f"The {name} are of another type. Expected uint8 (0 to 255), or floating point (0 to 1 or 0 to 255). "
            f"Received: {array.dtype}. If the values are 0 to 255, use images.astype('uint8')."
        )


def factor_of(arrays: Sequence[np.ndarray], name: str = "images") -> float:
    """Returns the factor on pixels that makes them 0 to 255: 255 where all are 0 to 1, else 1.

    Args:
        arrays: All images of a data set, training and validation; they have one range.
        name: What messages call them.

    Raises:
        DataSetError: If the types differ, values are no numbers, or the range is neither 0 to 1 nor 0 to 255, or could
            be either.
    """
    if len({array.dtype for array in arrays}) > 1:
        types = " and ".join(str(array.dtype) for array in arrays)
        raise DataSetError(f"Training and validation images are of different types. Expected one. Received: {types}")
    lows, highs = zip(*((part.min(), part.max()) for array in arrays for part in _parts(array)), strict=True)
    low, high = float(np.min(lows)), float(np.max(highs))  # these keep what is not a number
    return factor_of_range(low, high, arrays[0].dtype, name)


def factor_of_range(low: float, high: float, dtype: np.dtype, name: str) -> float:
    """Returns the factor for pixels from `low` to `high`, as `factor_of`."""
    received = f"Received: {dtype}, {low:g} to {high:g}"
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataSetError(f"The {name} hold NaN or infinity. Expected 0 to 1 or 0 to 255. {received}. Repair them.")
    if dtype == np.uint8:
        if high == 1:
            raise DataSetError(
                f"The {name} are nearly black, as if fractions had been cut to whole numbers. Expected uint8 of 0 to "
                f"255. {received}. Multiply by 255 before the conversion."
            )
        return 1.0
    if low >= 0 and high <= _FRACTIONS:
        return 255.0
    if low >= 0 and _DARKEST <= high <= 255:
        return 1.0
    raise DataSetError(
        f"The range of the {name} is neither 0 to 1 nor 0 to 255. Expected 1 at most, or from 0 to between "
        f"{_DARKEST:g} and 255. {received}. Undo any normalisation (the mean is subtracted in training), or convert "
        "the images to uint8."
    )


def pixels(array: np.ndarray, factor: float) -> Iterator[np.ndarray]:
    """Yields each image as uint8 `(height, width, channels)`; some are converted at a time."""
    for part in _parts(array):
        yield from to_uint8(part, factor)


def to_uint8(array: np.ndarray, factor: float) -> np.ndarray:
    """Returns pixels as uint8, rounded."""
    if array.dtype == np.uint8:
        return array
    return np.rint(array.astype(np.float32, copy=False) * np.float32(factor)).astype(np.uint8)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, _CHUNK // max(1, array[0].size))
    for start in range(0, len(array), step):
        yield np.asarray(array[start : start + step])


def checked_labels(labels: Any, count: int, name: str = "labels") -> np.ndarray:
    """Returns labels as an array `(count,)` of whole numbers or texts.

    Raises:
        DataSetError: If they are something else, or not as many as the images.
    """
    try:
        array = np.asarray(labels)
    except Exception as error:
        raise DataSetError(f"The {name} cannot be made one array: {_short(error)}. Expected {_LABELS}.") from error
    if array.ndim == 2 and array.shape[1] == 1:  # as keras.datasets has them
        array = array[:, 0]
    if array.ndim != 1:
        hint = " Of one-hot rows, use labels.argmax(axis=1)." if array.ndim == 2 else ""
        raise DataSetError(f"The {name} have another shape. Expected (n,). Received: {array.shape}.{hint}")
    if len(array) != count:
        raise DataSetError(f"Each image needs one label. Received: {count} images and {len(array)} {name}")
    if array.dtype.kind in "OS" and all(isinstance(label, str | bytes) for label in array):
        array = np.array([_text(label) for label in array])
    if array.dtype.kind not in "iuU":
        kind = f"{array.dtype}, such as {escaping.first(list(array[:3]))}"
        raise DataSetError(
            f"The {name} are of another type. Expected {_LABELS}. Received: {kind}. Use labels.astype(int) or "
            "labels.astype(str)."
        )
    return array


_LABELS = "whole numbers or texts, one for each image"


def _text(label: str | bytes) -> str:
    try:
        return label.decode() if isinstance(label, bytes) else str(label)
    except UnicodeDecodeError as error:
        raise DataSetError(f"A label is no text in UTF-8. Received: {label[:80]!r}") from error


def classes_of(
    labels: Sequence[np.ndarray], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Returns class names, and the labels as positions in them, int32.

    Args:
        labels: Labels of each subset, as from `checked_labels`.
        class_names: Names of the classes: those of labels 0, 1, 2 ..., or all texts in the order wanted; None for the
            labels themselves, sorted.

    Raises:
        DataSetError: If there are fewer than two classes, or names and labels do not fit.
    """
    if len({array.dtype.kind == "U" for array in labels}) > 1:
        raise DataSetError("Training labels and validation labels differ. Expected texts or numbers in both.")
    is_text = labels[0].dtype.kind == "U"
    present = np.unique(np.concatenate(labels))
    names = tuple(str(value) for value in present) if class_names is None else _checked_names(class_names)
    if len(present) < 2:
        raise DataSetError(f"There is one class. Expected two or more. Received: labels {escaping.first(present)}")
    if len(names) > MOST_CLASSES:
        raise DataSetError(
            f"There are {len(names):,} classes; {MOST_CLASSES:,} are read at most. Are the labels numbers to predict?"
        )
    if class_names is None:
        return names, [np.searchsorted(present, array).astype(np.int32) for array in labels]
    place = {name: position for position, name in enumerate(names)}
    known = place.keys() if is_text else range(len(names))
    if unknown := [value for value in present.tolist() if value not in known]:
        fitting = "class_names with all of them" if is_text else f"labels from 0 to {len(names) - 1}, one for each name"
        raise DataSetError(f"{len(unknown)} label(s) have no name: {escaping.first(unknown)}. Expected {fitting}.")
    if absent := [name for name, value in zip(names, names if is_text else range(len(names)), strict=True)
                  if value not in set(present.tolist())]:  # fmt: skip
        raise DataSetError(
            f"{len(absent)} class(es) of class_names have no image: {escaping.first(absent)}. Leave them out."
        )
    if not is_text:
        return names, [array.astype(np.int32) for array in labels]
    return names, [np.array([place[str(value)] for value in array], np.int32) for array in labels]


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(class_names)
    if isinstance(class_names, str) or not all(isinstance(name, str) for name in names):
        raise DataSetError(f"class_names must be a list of texts. Received: {escaping.first(names)}")
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise DataSetError(f"class_names must differ. Received more than once: {escaping.first(twice)}")
    return names


def refuse_bad_names(names: Sequence[str]) -> None:
    """Raises DataSetError if a class name is empty or no text that can be written."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataSetError(f"The class name {escaping.terminal(name, 80)} is no text in UTF-8.") from error
        if not name.strip():
            raise DataSetError(f"A class name is empty. Expected some letters. Received: {name!r}")


def _short(error: BaseException) -> str:
    return escaping.terminal(f"{type(error).__name__}: {error}", 200)
