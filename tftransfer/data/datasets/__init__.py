"""Data sets of every kind: `open_dataset` lists the images, `describe_classes` reads the names of the classes alone.

Nothing here imports TensorFlow; TensorFlow Datasets (and TensorFlow with it) is loaded only where one of its sets is
read.
"""

from tftransfer.data.datasets import folder, motifs, synsets, tiny_imagenet
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
    is_without_folder,
    known_datasets,
    near_names,
)

__all__ = [
    "OWN_DATASETS",
    "SUBSETS",
    "DataSetError",
    "Dataset",
    "EncodedExample",
    "Example",
    "Examples",
    "FileExample",
    "dataset",
    "default_input_size",
    "describe_classes",
    "folder",
    "is_without_folder",
    "known_datasets",
    "near_names",
    "open_dataset",
    "synsets",
]


# Each module has `open_dataset(data_dir)`, and `describe(data_dir)`, which returns the names of its classes.
_OWN = {"motifs": motifs, "tiny_imagenet": tiny_imagenet, "folder": folder}


def open_dataset(dataset: str, data_dir: str | None = None) -> Dataset:
    """Opens a data set: lists its images, and decodes none.

    Args:
        dataset: "motifs", "tiny_imagenet", "folder", or an image-classification set of TensorFlow Datasets as
            `name`, `name/config`, `name:version` or `name/config:version`.
        data_dir: Folder of the data. Not needed for "motifs"; for TensorFlow Datasets its folder of prepared sets (by
            default `~/tensorflow_datasets`), into which missing sets are downloaded.

    Returns:
        The data set, with the subsets "train" and "val".

    Raises:
        DataSetError: If there is no such data set or it cannot be used, with the remedy.
    """
    if dataset in _OWN:
        return _OWN[dataset].open_dataset(data_dir)
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
    elif dataset.partition(":")[0] == "imagenet2012":
        names = tuple(synsets.kinds())
    else:
        from tftransfer.data.datasets import tfds

        names = tfds.describe(dataset, data_dir)
    return names, (None,) * len(names)
