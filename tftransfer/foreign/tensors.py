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


def listing(source: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its key; of a file, reads none.

    Args:
        source: The file, or its bytes.

    Raises:
        SafetensorError: If its header is damaged, or tells of other bytes than the file has.
    """
    if isinstance(source, bytes):
        told = {name: (entry["shape"], entry["dtype"]) for name, entry in safetensors.deserialize(source)}
    else:
        with safetensors.safe_open(source, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            told = {name: (part.get_shape(), part.get_dtype()) for name, part in slices.items()}
    return {name: (tuple(shape), _TYPES.get(dtype, dtype)) for name, (shape, dtype) in told.items()}


def read(source: bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given keys; `listing` must have accepted the bytes."""
    found = safetensors.numpy.load(source)
    return {name: found[name] for name in names}


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by key."""
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
