"""Image-classification sets of TensorFlow Datasets, read in their stored order as encoded bytes.

Names and class counts come without TensorFlow; it is imported where images are downloaded or read.
"""

import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator

import filelock
import numpy as np

from tftransfer.data.datasets.dataset import (
    Dataset,
    DataSetError,
    Digest,
    EncodedExample,
    Examples,
    refuse_equal_names,
)
from tftransfer.data.datasets.names import OWN_DATASETS, near_names
from tftransfer.data.datasets.prepared_sets import MOST_CLASSES, readable, refuse_too_many, refuse_unknown_code
from tftransfer.system import escaping

DEFAULT_DATA_DIR = "~/tensorflow_datasets"
VALIDATION_SPLITS = ("validation", "test")
IMAGENET_ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")
# name, name/config, name:version, name/config:version; "namespace:name" would make TFDS search the network.
_SPELLING = re.compile(r"[A-Za-z]\w*(/[\w.+-]+)?(:\d+\.(\d+|\*)\.(\d+|\*))?")
_WORDNET_ID = re.compile(r"n\d{8}")


def describe(dataset: str, data_dir: str | None = None) -> tuple[str, ...]:
    """Returns the class names; label numbers for sets that get their names with their first download."""
    builder = _builder(dataset, data_dir)
    return _class_order(dataset, builder.info.features[_keys(dataset, builder)[1]].names)[0]


def open_dataset(dataset: str, data_dir: str | None) -> Dataset:
    """Returns a data set of TensorFlow Datasets; downloads and prepares it if that was not done before."""
    builder = _builder(dataset, data_dir)
    image_key, label_key = _keys(dataset, builder)
    if not builder.is_prepared():
        _download(dataset, builder, _root(data_dir))
        builder = _builder(dataset, data_dir)
    if builder.info.file_format is not None and builder.info.file_format.value != "tfrecord":
        raise DataSetError(
            f"{dataset!r} was prepared as {builder.info.file_format.value} in {builder.data_path}; expected tfrecord, "
            "which can be read in order. Remove that folder, or pass another --data_dir."
        )
    names, labels = _class_order(dataset, builder.info.features[label_key].names)
    split_of = _split_names(dataset, builder)
    shape = builder.info.features[image_key].shape
    return Dataset(
        name=dataset,
        class_names=names,
        class_kinds=(None,) * len(names),
        native_size=shape[0] if shape[0] is not None and shape[0] == shape[1] else None,
        identity=Digest(
            builder.info.full_name,
            names,
            *((subset, split, builder.info.splits[split].num_examples) for subset, split in split_of.items()),
        ).hexdigest(),
        subsets={subset: _examples(builder, split, image_key, label_key, labels) for subset, split in split_of.items()},
    )


def _root(data_dir: str | None) -> str:
    """Returns the folder of prepared sets."""
    return os.path.abspath(os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR") or DEFAULT_DATA_DIR))


def _builder(dataset: str, data_dir: str | None):
    """Returns the builder of TensorFlow Datasets for `dataset`."""
    import tensorflow_datasets as tfds

    root = _root(data_dir)
    if os.path.exists(root) and not os.path.isdir(root):
        raise DataSetError(f"Expected a folder for TensorFlow Datasets, got a file. Received: data_dir={root!r}")
    try:
        if not _SPELLING.fullmatch(dataset):
            raise tfds.core.registered.DatasetNotFoundError(dataset)
        refuse_unknown_code(os.path.join(root, re.split("[/:]", dataset)[0]))
        return tfds.builder(dataset, data_dir=root, try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError as error:
        near = near_names(re.split("[/:]", dataset)[0])
        guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise DataSetError(
            f"Unknown data set.{guess} Expected one of {', '.join(OWN_DATASETS)}, module:function, or an "
            f"image-classification set of TensorFlow Datasets as name, name/config or name:version. Received: "
            f"dataset={dataset!r}"
        ) from error
    except DataSetError:
        raise
    except Exception as error:  # unknown configurations and versions, and broken sets, raise nearly anything
        raise DataSetError(f"TensorFlow Datasets cannot open {dataset!r}: {error}") from error


def _keys(dataset: str, builder) -> tuple[str, str]:
    """Returns the names of the image and the label feature."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    held = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    keys = tuple(builder.info.supervised_keys or ())[:2]
    image_key, label_key = keys if len(keys) == 2 and set(keys) <= set(held) else ("image", "label")
    image, label = held.get(image_key), held.get(label_key)
    if not isinstance(image, tfds.features.Image) or np.dtype(image.np_dtype).name not in ("uint8", "uint16"):
        problem = "one image of 8 or 16 bits"
    elif not isinstance(label, tfds.features.ClassLabel):
        problem = "one class label (not several, and no number to predict)"
    elif not label.num_classes or not 0 < label.num_classes <= MOST_CLASSES:
        problem = f"a known number of classes, up to {MOST_CLASSES:,}"
    else:
        return image_key, label_key
    present = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in held.items()) or type(features).__name__
    raise DataSetError(
        f"{dataset!r} is no image-classification set: expected {problem} per example. Found the features: {present}."
    )


def _class_order(dataset: str, names: list[str]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Returns the class names in our order, and our label for each label of TensorFlow Datasets.

    The order is that of TensorFlow Datasets, except for WordNet ids: those are sorted, so that a split of classes is
    the same in `imagenet2012` and in `imagenet_resized`.
    """
    refuse_equal_names(dataset, names)
    order = list(range(len(names)))
    if all(_WORDNET_ID.fullmatch(name) for name in names):
        order.sort(key=names.__getitem__)
    return tuple(names[theirs] for theirs in order), {theirs: ours for ours, theirs in enumerate(order)}


def _split_names(dataset: str, builder) -> dict[str, str]:
    """Returns the split of TensorFlow Datasets that serves as each of our two subsets."""
    present = tuple(builder.info.splits)
    validation = next((name for name in VALIDATION_SPLITS if name in present), None)
    if "train" not in present or validation is None:
        raise DataSetError(
            f"{dataset!r} needs the split 'train' and one of {', '.join(map(repr, VALIDATION_SPLITS))}. Found: "
            f"{escaping.first(present)}. Save its images as <class>/<image files>, and use --dataset=folder, which "
            "holds some out."
        )
    for name in ("train", validation):
        refuse_too_many(dataset, builder.info.splits[name])
    return {"train": "train", "val": validation}


def _download(dataset: str, builder, root: str) -> None:
    """Lets TensorFlow Datasets download and prepare the set, in one process at a time."""
    _require_manual_files(dataset, builder, root)
    if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:  # otherwise the files are in place
        _require_network(dataset, builder, root)
    try:
        os.makedirs(root, exist_ok=True)
        with filelock.FileLock(os.path.join(root, f".{builder.name}.lock")):
            builder.download_and_prepare()
    except Exception as error:
        raise DataSetError(
            f"TensorFlow Datasets could not prepare {dataset!r} in {root}: {type(error).__name__}: {error}"
        ) from error


def _require_manual_files(dataset: str, builder, root: str) -> None:
    """Raises DataSetError if files that only the user can download are missing."""
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not instructions:
        return
    folder = os.path.join(root, "downloads", "manual")
    if builder.name == "imagenet2012":
        missing = [name for name in IMAGENET_ARCHIVES if not os.path.isfile(os.path.join(folder, name))]
        if missing:
            raise DataSetError(
                f"{dataset!r} is not prepared in {root}, and {' and '.join(missing)} cannot be found. Register at "
                f"https://image-net.org/download-images, download {' and '.join(IMAGENET_ARCHIVES)} and put them, not "
                f"unpacked, into {folder}."
            )
    elif not os.path.isdir(folder) or not os.listdir(folder):
        raise DataSetError(
            f"{dataset!r} is not prepared in {root}, and needs files that only you can get. Put them into {folder}: "
            f"{' '.join(instructions.split())}"
        )


def _require_network(dataset: str, builder, root: str) -> None:
    """Raises DataSetError if the host cannot be reached; TensorFlow Datasets itself would retry for minutes."""
    hosts = sorted({urllib.parse.urlsplit(url).hostname for url in builder.url_infos} - {None})
    if not hosts or urllib.request.getproxies():  # behind a proxy, names need not resolve here
        return
    try:
        socket.getaddrinfo(hosts[0], 443)
    except OSError as error:
        raise DataSetError(
            f"{dataset!r} is not prepared in {root}, and {hosts[0]} cannot be reached to download it ({error}). "
            "Connect to a network, or pass the --data_dir of a machine that has it."
        ) from error


def _examples(builder, split: str, image_key: str, label_key: str, labels: dict[int, int]) -> Examples:
    """Returns the examples of one split in stored order; `labels` maps the labels of TensorFlow Datasets to ours."""

    def between(start: int, stop: int) -> Iterator[EncodedExample]:
        import tensorflow as tf
        import tensorflow_datasets as tfds

        with tf.device("CPU"):
            records = builder.as_dataset(
                split=f"{split}[{start}:{stop}]",
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(
                    {image_key: True, label_key: True}, decoders={image_key: tfds.decode.SkipDecoding()}
                ),
                # Several files read in turns would have an order that depends on where reading starts.
                read_config=tfds.ReadConfig(add_tfds_id=True, interleave_cycle_length=1, try_autocache=False),
            )
        for record in readable(records.as_numpy_iterator(), f"The split {split!r} of {builder.info.full_name}"):
            label, key = int(record[label_key]), record["tfds_id"].decode()
            if label not in labels:
                raise DataSetError(
                    f"The split {split!r} of {builder.info.full_name} has images without a label, first {key}; "
                    "expected one class for each."
                )
            yield EncodedExample(labels[label], key, record[image_key])

    return Examples(builder.info.splits[split].num_examples, between)
