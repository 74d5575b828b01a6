"""Images in hand as a folder below the cache, named after their content."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np


def kept(value: Any, cache_dir: str | os.PathLike) -> str:
    """Writes images and labels into the cache, unless they are there; returns their folder.

    Args:
        value: `(images, labels)`; `((images, labels), (images, labels))` of training and validation, as
            `keras.datasets` gives them; or a `tf.data.Dataset` of pairs, or two, of single images or of batches.
            Images are `(n, height, width, 3)`, uint8 or floats, or a list of arrays of any sizes; labels are numbers,
            texts, or rows with a single 1.
        cache_dir: Folder of the cache.

    Raises:
        ValueError: If it is none of these, or images and labels do not fit each other.
    """
    from tftransfer.data.datasets import arrays

    parts = list(value) if _is_two(value) else [value]
    if any(_is_stream(part) or isinstance(part[0], tuple | list) for part in parts):
        streams = [_singly(part) for part in parts]
        names = getattr(parts[0], "class_names", None)  # of keras.utils.image_dataset_from_directory
        more = {"class_names": list(names)} if names else {}
        validation = streams[1] if len(streams) == 2 else None
        return str(arrays.write_pairs_to_cache(streams[0], cache_dir, validation, **more))
    training, *rest = [(images, _labels(labels)) for images, labels in parts]
    return str(arrays.write_to_cache(*training, cache_dir, validation=rest[0] if rest else None))


def _is_stream(value: Any) -> bool:
    """Whether a value is a `tf.data.Dataset`."""
    return hasattr(value, "as_numpy_iterator")


def _is_two(value: Any) -> bool:
    """Whether a value is training and validation; raises ValueError if it is neither that nor images with labels."""
    if _is_stream(value):
        return False
    if not isinstance(value, tuple | list) or len(value) != 2:
        count = f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
        raise ValueError(f"Expected (images, labels), or two such pairs. Received: {count}")
    return all(_is_stream(part) or (isinstance(part, tuple | list) and _is_pair(part)) for part in value)


def _is_pair(part: tuple | list) -> bool:
    """Whether two values are images and labels, rather than two images or two labels."""
    return len(part) == 2 and (getattr(part[0], "ndim", 0) >= 3 or isinstance(part[0], tuple | list)) and (
        len(part[0]) == len(part[1])
    )  # fmt: skip


def _labels(labels: Any) -> np.ndarray:
    """Returns labels, one for each image: a column, or rows with a single 1, become one each."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
        return labels.argmax(axis=1)
    return labels


def _singly(part: Any) -> Iterator[tuple[Any, Any]]:
    """Yields single images with their labels."""
    if not _is_stream(part):
        yield from zip(part[0], _labels(part[1]), strict=True)
        return
    if int(part.cardinality()) == -1:
        raise ValueError("The tf.data.Dataset never ends. Leave repeat() out, or use take(count).")
    for element in part.as_numpy_iterator():
        if not isinstance(element, tuple) or len(element) != 2:
            count = f" of {len(element)}" if isinstance(element, tuple) else ""
            raise ValueError(
                f"Expected a tf.data.Dataset of pairs (image, label). Received elements: "
                f"{type(element).__name__}{count}."
            )
        image, label = element
        batched = getattr(image, "ndim", 0) == 4
        yield from zip(image, _labels(label), strict=True) if batched else [(image, _label(label))]


def _label(label: Any) -> Any:
    """Returns the label of a single image, a row with a single 1 as its position."""
    return _labels(label[np.newaxis])[0] if getattr(label, "ndim", 0) == 1 and len(label) > 1 else label
