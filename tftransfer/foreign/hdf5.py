"""Reads `.weights.h5` as if its maker meant harm: no links, no other files, nothing packed, nothing endless."""

import io
import pathlib
from collections.abc import Iterable, Iterator

import h5py
import numpy as np

_MOST_LINKS = 100_000  # a network of 1000 layers has some 5000
_DEEPEST = 32


def listing(source: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its path inside; reads none.

    Args:
        source: The file, or its bytes.

    Raises:
        ValueError: If the file holds anything but plain arrays of its own.
        OSError: If it is no HDF5, or damaged.
    """
    size, found = len(source) if isinstance(source, bytes) else source.stat().st_size, {}
    with h5py.File(_opened(source), "r") as file:
        for name, dataset in _datasets(file):
            _check_plain(name, dataset, size)
            found[name] = (dataset.shape, str(dataset.dtype) if dataset.dtype.isnative else dataset.dtype.str)
    return found


def read(source: pathlib.Path | bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given paths; `listing` must have accepted the file, or its bytes."""
    with h5py.File(_opened(source), "r") as file:
        return {name: file[name][()] for name in names}


def _opened(source: pathlib.Path | bytes) -> pathlib.Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields all arrays with their paths; links are counted, since they may lead in circles."""
    waiting, links = [("", file, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop()
        for name in group:
            links += 1
            path = f"{prefix}{name}"
            if links > _MOST_LINKS or depth > _DEEPEST:
                raise ValueError(f"it has more than {_MOST_LINKS:,} entries, or they lead in circles")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{path!a} is a link; only arrays of its own are read")
            kind = group.get(name, getclass=True)
            if kind is h5py.Group:
                waiting.append((f"{path}/", group[name], depth + 1))
            elif kind is h5py.Dataset:
                yield path, group[name]
            else:
                raise ValueError(f"{path!a} is neither a group nor an array")


def _check_plain(name: str, dataset: h5py.Dataset, size: int) -> None:
    """Raises ValueError unless the bytes of an array lie in the file one after another, as Keras writes them.

    What is packed or in pieces may be small in the file and unpack to anything; what was never written reads as zeros.
    """
    properties = dataset.id.get_create_plist()
    if dataset.is_virtual or properties.get_external_count():
        raise ValueError(f"{name!a} lies in another file; only arrays of its own are read")
    if dataset.shape == () and dataset.id.get_offset() is None:
        return  # a single number may lie in its own header
    if properties.get_layout() != h5py.h5d.CONTIGUOUS:
        raise ValueError(f"{name!a} is packed or in pieces; save it as Keras does, in one piece")
    start, stored, wanted = dataset.id.get_offset(), dataset.id.get_storage_size(), dataset.nbytes
    if start is None or stored != wanted or start + stored > size:
        raise ValueError(f"{name!a} has {wanted:,} bytes, of which the file does not hold all")
