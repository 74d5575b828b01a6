"""Names of data sets: our own, those of TensorFlow Datasets, and the nearest to a misspelt one."""

import difflib
import re

# Data set -> its origin, as `--list` shows it.
OWN_DATASETS = {
    "motifs": "embedded: drawn images, no download",
    "tiny_imagenet": "the unpacked Tiny ImageNet archive in --data_dir",
    "folder": "your images in --data_dir, one folder per class",
}


# Data set -> side of the network's input in pixels that suits its images; 227 is the paper's, for photographs.
_INPUT_SIZES = {"motifs": 32, "cifar10": 32, "cifar100": 32, "tiny_imagenet": 56}


def default_input_size(dataset: str) -> int:
    """Returns the side of the network's input in pixels where none is asked for.

    Example:
        >>> default_input_size("cifar100:3.0.2"), default_input_size("folder")
        (32, 227)
    """
    return _INPUT_SIZES.get(re.split("[/:]", dataset)[0], 227)


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
