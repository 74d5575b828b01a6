"""Checks of a prepared set of TensorFlow Datasets, which may come from anybody, before it is read."""

import glob
import itertools
import os
from collections.abc import Iterator
from typing import Any

from tftransfer.data.datasets.dataset import DataSetError
from tftransfer.system import escaping, untrusted_files

# Bytes of an empty TFRecord: length, checksum of the length, checksum of the content.
RECORD_BYTES = 16
MOST_CLASSES, MOST_SHARDS = 100_000, 1_000_000
_MOST_BYTES = 2_000_000  # of a description of features
_DEPTHS = (("*",), ("*", "*"))  # version, configuration/version


def refuse_unknown_code(folder: str) -> None:
    """Raises DataSetError if a prepared set names modules of its own, which TensorFlow Datasets would import.

    Args:
        folder: Folder of all configurations and versions of the set; it need not exist.
    """
    for path in itertools.chain(
        *(glob.iglob(os.path.join(glob.escape(folder), *depth, "features.json")) for depth in _DEPTHS)
    ):
        try:
            classes = list(_classes_named(untrusted_files.read_json(path, _MOST_BYTES)))
        except (OSError, ValueError, RecursionError) as error:
            raise DataSetError(f"{path} is damaged ({error}). Prepare or download the data set again.") from error
        if foreign := [name for name in classes if not str(name).startswith("tensorflow_datasets.")]:
            raise DataSetError(
                f"{path} names features that are not of TensorFlow Datasets: {escaping.first(foreign)}. Their modules "
                "would be imported and run. Prepare the set with the features of TensorFlow Datasets, or save its "
                "images as <class>/<image files> for --dataset=folder."
            )


def _classes_named(value: Any) -> Iterator[Any]:
    """Yields the names of Python classes in a description of features, at any depth."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        kind = value.get("type")
        is_legacy = isinstance(kind, str) and "content" in value
        yield from (value[name] for name in ("pythonClassName", "python_class_name") if name in value)
        yield from [kind] if is_legacy else []
    for part in inner:
        yield from _classes_named(part)


def refuse_too_many(dataset: str, split) -> None:
    """Raises DataSetError if a split of TFDS claims more examples than its files can hold."""
    claimed, shards = split.num_examples, len(split.shard_lengths or ())
    held = sum(os.path.getsize(path) for path in split.filepaths if os.path.isfile(path)) if shards < MOST_SHARDS else 0
    if not 0 <= claimed <= held // RECORD_BYTES:
        raise DataSetError(
            f"The split {split.name!r} of {dataset!r} says that it has {claimed:,} examples; its files have {held:,} "
            "bytes. Prepare or download the data set again."
        )


def readable(records: Iterator[dict], what: str) -> Iterator[dict]:
    """Yields records; raises DataSetError, with `what` was read, at the first that TensorFlow cannot read."""
    import tensorflow as tf

    try:
        yield from records
    except tf.errors.OpError as error:
        raise DataSetError(
            f"{what} cannot be read: {type(error).__name__}: {escaping.terminal(str(error.message))[:300]}. Prepare or "
            "download the data set again."
        ) from error
