"""Names of data sets: our own, those of TensorFlow Datasets, and the nearest to a misspelt one."""

import dataclasses
import difflib
import re

from tftransfer.data.datasets.sides import LARGEST


@dataclasses.dataclass(frozen=True)
class OwnDataset:
    """A data set of our own, as everything that does not read it knows it.

    Attributes:
        origin: Its origin, as `--list` shows it.
        input_size: Side in pixels of the network's input that suits its images; None if it follows the images.
        needs_folder: Whether it is read from `--data_dir`.
    """

    origin: str
    input_size: int | None = None
    needs_folder: bool = True


# `_OWN` in `__init__.py` has the module of each.
OWN_DATASETS = {
    "motifs": OwnDataset("embedded: drawn images, no download", input_size=32, needs_folder=False),
    "tiny_imagenet": OwnDataset("the unpacked Tiny ImageNet archive in --data_dir", input_size=56),
    "folder": OwnDataset("your images in --data_dir, one folder per class"),
    "arrays": OwnDataset("your NumPy arrays, which tftransfer.data.datasets.arrays.write put into --data_dir"),
}
_OTHER_INPUT_SIZES = {"cifar10": 32, "cifar100": 32}


def default_input_size(dataset: str) -> int:
    """Returns the side of the network's input in pixels where none is asked for; 227, the paper's, for photographs.

    Of data sets whose default follows the images, 227 stands until they have been looked at.

    Example:
        >>> default_input_size("cifar100:3.0.2"), default_input_size("folder")
        (32, 227)
    """
    name = re.split("[/:]", dataset)[0]
    own = OWN_DATASETS[name].input_size if name in OWN_DATASETS else _OTHER_INPUT_SIZES.get(name)
    return own or LARGEST


def follows_images(dataset: str) -> bool:
    """Whether the default size of the input follows the images of a data set, not its name."""
    return dataset in OWN_DATASETS and OWN_DATASETS[dataset].input_size is None


def is_without_folder(dataset: str) -> bool:
    """Whether a data set is read from no folder: neither from `--data_dir` nor from that of TensorFlow Datasets."""
    return dataset in OWN_DATASETS and not OWN_DATASETS[dataset].needs_folder


def tfds_names() -> tuple[str, ...]:
    """Returns the names of all data sets that the installed TensorFlow Datasets knows."""
    import tensorflow_datasets as tfds

    return tuple(tfds.list_builders(with_community_datasets=False))


def known_datasets() -> tuple[str, ...]:
    """Returns the names that `open_dataset` knows: our own, then all of TensorFlow Datasets, images or not."""
    return (*OWN_DATASETS, *tfds_names())


def near_names(dataset: str) -> tuple[str, ...]:
    """Returns up to three known names that resemble `dataset`, the nearest first."""
    return tuple(difflib.get_close_matches(dataset.lower().replace("-", "_"), known_datasets(), n=3, cutoff=0.6))
