"""HDF5 as Keras writes it, read without trust: no links, no other files, no compression, no entries without need."""

import io
import itertools
import pathlib
from collections.abc import Iterable, Iterator

import h5py
import numpy as np

_MOST_ENTRIES = 20_000  # a network of 1000 layers has some 5000
_DEEPEST = 32


def listing(origin: pathlib.Path | bytes) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file by its path inside; no array is read.

    Args:
        origin: Path of the file, or its bytes.

    Raises:
        ValueError: If the file holds anything but plain arrays.
        OSError: If it is no HDF5, or damaged.
    """
    size = len(origin) if isinstance(origin, bytes) else origin.stat().st_size
    arrays, places = {}, []
    with h5py.File(_opened(origin), "r") as file:
        for name, dataset in _datasets(file):
            _check_plain(name, dataset, size)
            arrays[name] = (dataset.shape, str(dataset.dtype) if dataset.dtype.isnative else dataset.dtype.str)
            places.append((dataset.id.get_offset() or 0, dataset.nbytes if dataset.id.get_offset() else 0, name))
    _refuse_overlaps(places)
    return arrays


def read(origin: pathlib.Path | bytes, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the arrays with the given paths; `listing` must have accepted the file, or its bytes."""
    with h5py.File(_opened(origin), "r") as file:
        return {name: file[name][()] for name in names}


def legacy_layers(origin: pathlib.Path | bytes) -> dict[str, list[str]] | None:
    """Returns the paths of each layer's arrays in a file of the layout before Keras 3; None if it is of another.

    Layers are in the order of their model, arrays in that of `layer.trainable_weights + layer.non_trainable_weights`,
    which attributes of the groups tell. A whole saved model has its weights in a group `model_weights`.

    Args:
        origin: Path of the file, or its bytes; `listing` must have accepted it.

    Raises:
        ValueError: If an attribute is no list of names, or names a layer twice, or one that is not there.
    """
    with h5py.File(_opened(origin), "r") as file:
        root, prefix = (file["model_weights"], "model_weights/") if "model_weights" in file else (file, "")
        names = _names(root, "layer_names") if isinstance(root, h5py.Group) else None
        if names is None:
            return None
        layers = {}
        for layer in names:
            if layer in layers or not isinstance(root.get(layer), h5py.Group):
                raise ValueError(f"its attribute layer_names lists {layer[:80]!a} twice, or there is no such group")
            arrays = _names(root[layer], "weight_names") or []
            layers[layer] = [f"{prefix}{layer}/{array}" for array in arrays]
    return layers


def _names(group: h5py.Group, attribute: str) -> list[str] | None:
    """Returns the names in an attribute, which is split into several if it is long; None if there is none."""
    numbered = (f"{attribute}{number}" for number in range(_MOST_ENTRIES))  # layer_names0, layer_names1, ...
    parts = [attribute] if attribute in group.attrs else [*itertools.takewhile(group.attrs.__contains__, numbered)]
    names = []
    for part in parts:
        space = group.attrs.get_id(part).get_space()
        if space.get_simple_extent_npoints() > _MOST_ENTRIES or len(names) > _MOST_ENTRIES:
            raise ValueError(f"its attribute {part} has more than {_MOST_ENTRIES:,} entries")
        for name in np.atleast_1d(group.attrs[part]).tolist() if space.get_simple_extent_npoints() else ():
            text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
            if not isinstance(text, str):
                raise ValueError(f"its attribute {part} is no list of names")
            names.append(text)
    return names if parts else None


def _opened(origin: pathlib.Path | bytes) -> pathlib.Path | io.BytesIO:
    return io.BytesIO(origin) if isinstance(origin, bytes) else origin


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields all arrays with their paths; entries are counted before they are opened, and none has two names."""
    waiting, left = [("", file, 0)], _MOST_ENTRIES
    seen = {h5py.h5o.get_info(file["/"].id).addr}
    while waiting:
        prefix, group, depth = waiting.pop()
        left -= len(group)
        if left < 0 or depth > _DEEPEST:
            raise ValueError(f"it has more than {_MOST_ENTRIES:,} entries, or more than {_DEEPEST} groups in groups")
        for name in group:
            path = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{path!a} is a link; only arrays of its own are read")
            inside = group[name]
            if not isinstance(inside, h5py.Group | h5py.Dataset):
                raise ValueError(f"{path!a} is neither a group nor an array")
            address = h5py.h5o.get_info(inside.id).addr
            if address in seen:
                raise ValueError(f"{path!a} is another name of what the file holds already, or leads in circles")
            seen.add(address)
            if isinstance(inside, h5py.Group):
                waiting.append((f"{path}/", inside, depth + 1))
            else:
                yield path, inside


def _refuse_overlaps(places: list[tuple[int, int, str]]) -> None:
    """Raises ValueError if two arrays share bytes of the file.

    Args:
        places: First byte, number of bytes, and name of each.
    """
    end, before = 0, ""
    for start, stored, name in sorted(places):
        if stored and start < end:
            raise ValueError(f"{before!a} and {name!a} share bytes of the file")
        if start + stored > end:
            end, before = start + stored, name


def _check_plain(name: str, dataset: h5py.Dataset, size: int) -> None:
    """Raises ValueError unless the bytes of an array lie in the file one after another, as Keras writes them.

    Compressed or chunked arrays may be small in the file and huge in memory; arrays never written are read as zeros.
    """
    properties = dataset.id.get_create_plist()
    if dataset.is_virtual or properties.get_external_count():
        raise ValueError(f"{name!a} lies in another file; only arrays of its own are read")
    if dataset.shape == () and dataset.id.get_offset() is None:
        return  # a single number may be stored in its header
    if properties.get_layout() != h5py.h5d.CONTIGUOUS:
        raise ValueError(f"{name!a} is packed or in pieces; save it as Keras does, in one piece")
    start, stored, needed = dataset.id.get_offset(), dataset.id.get_storage_size(), dataset.nbytes
    if start is None or stored != needed or start + stored > size:
        raise ValueError(f"{name!a} has {needed:,} bytes, of which the file does not hold all")
