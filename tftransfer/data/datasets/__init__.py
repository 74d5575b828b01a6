"""Data sets of every kind: `open_dataset` lists the images, `describe_classes` reads the names of the classes alone.

Nothing here imports TensorFlow; TensorFlow Datasets (and TensorFlow with it) is loaded only where one of its sets is
read.
"""

from tftransfer.data.datasets import synsets
from tftransfer.data.datasets.dataset import (
    SUBSETS,
    Dataset,
    DataSetError,
    EncodedExample,
    Example,
    Examples,
    FileExample,
)
from tftransfer.data.datasets.names import OWN_DATASETS, known_datasets, near_names

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
    "describe_classes",
    "folder",
    "known_datasets",
    "near_names",
    "open_dataset",
    "synsets",
]


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
    if dataset == "motifs":
        from tftransfer.data.datasets.motifs import open_motifs

        return open_motifs()
    if dataset == "tiny_imagenet":
        from tftransfer.data.datasets.tiny_imagenet import open_tiny_imagenet

        return open_tiny_imagenet(data_dir)
    if dataset == "folder":
        from tftransfer.data.datasets.folder import open_folder

        return open_folder(data_dir)
    from tftransfer.data.datasets.tfds import open_tfds

    return open_tfds(dataset, data_dir)


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
        from tftransfer.data.datasets import motifs

        return motifs.describe()
    if dataset == "tiny_imagenet":
        from tftransfer.data.datasets import tiny_imagenet

        names = tiny_imagenet.describe(data_dir)
    elif dataset == "folder":
        from tftransfer.data.datasets import folder

        names = folder.describe(data_dir)
    elif dataset.partition(":")[0] == "imagenet2012":
        names = tuple(synsets.kinds())
    else:
        from tftransfer.data.datasets import tfds

        names = tfds.describe(dataset, data_dir)
    return names, (None,) * len(names)
