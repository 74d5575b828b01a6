"""Reads and writes `.safetensors` with the library of that name (extra `weights`), which checks the header it reads."""

import io
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np

from tftransfer.system import untrusted_files

try:
    import safetensors
    import safetensors.numpy
except ImportError as error:
    raise ValueError(
        "Files .safetensors need the package safetensors: pip install 'tftransfer[weights]', or use .weights.h5."
    ) from error

_LENGTH_BYTES = 8  # of the header, at the beginning of the file
_MOST_HEADER_BYTES, _MOST_ENTRIES = 8_000_000, 20_000  # a network of 1000 layers has some 5000 arrays
_TYPES = {"F32": "float32", "I32": "int32"}
FAULT = safetensors.SafetensorError


def listing(source: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its key; of a file, reads none.

    Args:
        source: The file, or its bytes.

    Raises:
        ValueError: If its header is larger than one of weights can be, or names something twice.
        SafetensorError: If its header is damaged, or tells of other bytes than the file has.
    """
    _check_header(source)
    if isinstance(source, bytes):
        told = {name: (entry["shape"], entry["dtype"]) for name, entry in safetensors.deserialize(source)}
    else:
        with safetensors.safe_open(source, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            told = {name: (part.get_shape(), part.get_dtype()) for name, part in slices.items()}
    return {name: (tuple(shape), _TYPES.get(dtype, dtype)) for name, (shape, dtype) in told.items()}


def _check_header(source: pathlib.Path | bytes) -> None:
    """Raises ValueError unless the header, which the library reads as a whole, names no more than weights need."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size > _MOST_HEADER_BYTES:
            raise ValueError(f"its header has {size:,} bytes; {_MOST_HEADER_BYTES:,} are read at most")
        header = file.read(size)
    entries = header.count(b"{")
    if entries > _MOST_ENTRIES:
        raise ValueError(f"its header has {entries:,} entries; {_MOST_ENTRIES:,} are read at most")
    try:
        untrusted_files.parsed(header)  # of two entries of one name, libraries keep one without a word
    except UnicodeDecodeError as error:
        raise ValueError("its header is no text") from error


def read(source: bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given keys; `listing` must have accepted the bytes."""
    found = safetensors.numpy.load(source)
    return {name: found[name] for name in names}


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by key."""
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
