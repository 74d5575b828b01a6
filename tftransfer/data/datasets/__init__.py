"""Data sets of every kind: `open_dataset` lists the images, `describe_classes` reads the names of the classes alone.

Nothing here imports TensorFlow; TensorFlow Datasets (and TensorFlow with it) is loaded only where one of its sets is
read.
"""

import os

from tftransfer.data.datasets import arrays, folder, functions, motifs, synsets, tiny_imagenet
from tftransfer.data.datasets.dataset import (
    SUBSETS,
    Dataset,
    DataSetError,
    EncodedExample,
    Example,
    Examples,
    FileExample,
)
from tftransfer.data.datasets.names import (
    OWN_DATASETS,
    default_input_size,
    follows_images,
    is_without_folder,
    known_datasets,
    near_names,
)
from tftransfer.data.datasets.sides import median_side, suggested_input

__all__ = [
    "OWN_DATASETS",
    "SUBSETS",
    "DataSetError",
    "Dataset",
    "EncodedExample",
    "Example",
    "Examples",
    "FileExample",
    "arrays",
    "dataset",
    "default_input_size",
    "describe_classes",
    "folder",
    "follows_images",
    "functions",
    "is_held_out",
    "is_without_folder",
    "known_datasets",
    "median_side",
    "near_names",
    "open_dataset",
    "study_prefix",
    "suggested_input",
    "synsets",
    "user_cache",
]


# Each module has `open_dataset(data_dir)`, and `describe(data_dir)`, which returns the names of its classes.
_OWN = {"motifs": motifs, "tiny_imagenet": tiny_imagenet, "folder": folder, "arrays": arrays}


def open_dataset(dataset: str, data_dir: str | None = None) -> Dataset:
    """Opens a data set: lists its images, and decodes none.

    Args:
        dataset: "motifs", "tiny_imagenet", "folder", "arrays", or an image-classification set of TensorFlow Datasets as
            `name`, `name/config`, `name:version` or `name/config:version`. `module:function` calls a function, and
            keeps its images in the user's cache.
        data_dir: Folder of the data. Not needed for "motifs"; for TensorFlow Datasets its folder of prepared sets (by
            default `~/tensorflow_datasets`), into which missing sets are downloaded.

    Returns:
        The data set, with the subsets "train" and "val".

    Raises:
        DataSetError: If there is no such data set or it cannot be used, with the remedy.
    """
    if dataset in _OWN:
        return _OWN[dataset].open_dataset(data_dir)
    if functions.is_function(dataset):
        return arrays.open_dataset(functions.write_to_cache(dataset, data_dir, user_cache()))
    from tftransfer.data.datasets import tfds

    return tfds.open_dataset(dataset, data_dir)


def describe_classes(dataset: str, data_dir: str | None = None) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Returns the class names and kinds of a data set without reading an image; needs neither TensorFlow nor network.

    A set of TensorFlow Datasets that was never prepared may have label numbers in place of names (`cifar100`).

    Args:
        dataset: As in `open_dataset`.
        data_dir: As in `open_dataset`. `motifs` and `imagenet2012` need none.

    Returns:
        The names, by label, and for each "manmade", "natural" or, where the data set itself does not say, None.

    Raises:
        DataSetError: If there is no such data set, or its names cannot be found.
    """
    if dataset == "motifs":
        return motifs.describe(), motifs.kinds()
    if dataset in _OWN:
        names = _OWN[dataset].describe(data_dir)
    elif functions.is_function(dataset):
        names = arrays.describe(functions.write_to_cache(dataset, data_dir, user_cache()))
    elif dataset.partition(":")[0] == "imagenet2012":
        names = tuple(synsets.kinds())
    else:
        from tftransfer.data.datasets import tfds

        names = tfds.describe(dataset, data_dir)
    return names, (None,) * len(names)


def is_held_out(dataset: str, data_dir: str | None = None) -> bool:
    """Whether the validation images of a data set were held out of one set of images."""
    if dataset == "folder":
        return folder.validation_folder(data_dir) is None
    return dataset == "arrays" and arrays.is_held_out(data_dir)


def study_prefix(dataset: str, data_dir: str) -> str:
    """Returns the beginning of a study's name: the data set, and some digits of its content if its folder has them.

    Example:
        >>> study_prefix("cifar100:3.0.2", ""), study_prefix("arrays", "/cache/arrays-0123456789abcdef")
        ('cifar100-3.0.2', 'arrays-01234567')
    """
    if dataset == "arrays" and arrays.is_in_cache(data_dir):
        return os.path.basename(os.path.normpath(data_dir))[: len("arrays-") + 8]
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in dataset)


def user_cache() -> str:
    """Returns the folder `tftransfer` in the user's cache."""
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tftransfer")
