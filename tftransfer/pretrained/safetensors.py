"""`.safetensors`, read and written with the library of that name (extra `weights`), which checks headers."""

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


def listing(origin: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its key; no array of a file on disk is read.

    Args:
        origin: Path of the file, or its bytes.

    Raises:
        ValueError: If its header is larger than weights need, or has a name twice.
        SafetensorError: If its header is damaged, or does not fit the size of the file.
    """
    _check_header(origin)
    if isinstance(origin, bytes):
        arrays = {name: (entry["shape"], entry["dtype"]) for name, entry in safetensors.deserialize(origin)}
    else:
        with safetensors.safe_open(origin, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            arrays = {name: (part.get_shape(), part.get_dtype()) for name, part in slices.items()}
    return {name: (tuple(shape), _TYPES.get(dtype, dtype)) for name, (shape, dtype) in arrays.items()}


def _check_header(origin: pathlib.Path | bytes) -> None:
    """Raises ValueError if the header, which the library reads as a whole, is larger than weights need."""
    with io.BytesIO(origin) if isinstance(origin, bytes) else origin.open("rb") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size > _MOST_HEADER_BYTES:
            raise ValueError(f"its header has {size:,} bytes; {_MOST_HEADER_BYTES:,} are read at most")
        header = file.read(size)
    entries = header.count(b"{")
    if entries > _MOST_ENTRIES:
        raise ValueError(f"its header has {entries:,} entries; {_MOST_ENTRIES:,} are read at most")
    try:
        untrusted_files.parsed(header)  # of two entries of one name, libraries silently keep one
    except UnicodeDecodeError as error:
        raise ValueError("its header is no text") from error


def read(content: bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given keys; `listing` must have accepted the bytes."""
    arrays = safetensors.numpy.load(content)
    return {name: arrays[name] for name in names}


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by key."""
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
