"""Reads and writes `.safetensors` with the library of that name (extra `weights`), which checks the header it reads."""

import pathlib
from collections.abc import Iterable, Mapping

import numpy as np

try:
    import safetensors
    import safetensors.numpy
except ImportError as error:
    raise ValueError(
        "Files .safetensors need the package safetensors: pip install 'tftransfer[weights]', or use .weights.h5."
    ) from error

_TYPES = {"F32": "float32", "I32": "int32"}
FAULT = safetensors.SafetensorError


def listing(path: pathlib.Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its key; reads none.

    Raises:
        SafetensorError: If its header is damaged, or tells of other bytes than the file has.
    """
    with safetensors.safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return {name: (tuple(s.get_shape()), _TYPES.get(s.get_dtype(), s.get_dtype())) for name, s in slices.items()}


def read(path: pathlib.Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given keys; `listing` must have accepted the file."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in names}


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by key."""
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
