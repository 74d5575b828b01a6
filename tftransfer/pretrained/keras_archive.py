"""The weights inside a `.keras` file, read without trust; its description and all else in it are left alone."""

import pathlib
from collections.abc import Iterable

import numpy as np

from tftransfer.models import archive
from tftransfer.pretrained import hdf5


def listing(origin: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array by its path inside `model.weights.h5`.

    Args:
        origin: Path of the file, or its bytes.

    Raises:
        ValueError: If it is no such archive, or its weights are anything but plain arrays.
        OSError: If its weights are no HDF5, or damaged.
    """
    return hdf5.listing(archive.weights(origin))


def read(origin: pathlib.Path | bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given paths; `listing` must have accepted the file, or its bytes."""
    return hdf5.read(archive.weights(origin), names)
