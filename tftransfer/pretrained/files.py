"""Files of pretrained weights: checks against their description and the target network, then their arrays.

Sizes, names and types are compared before any array is read; no code of the file is run.
"""

import hashlib
import importlib
import pathlib
import types
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tftransfer.models.preprocessing import Preprocessing
from tftransfer.pretrained import description
from tftransfer.pretrained.description import Array, Description
from tftransfer.system import untrusted_files

_SHOWN = 6
Expected = Mapping[str, Sequence[tuple[tuple[int, ...], str]]]
"""Shape and type of each weight, by layer name."""


def opened(path: pathlib.Path) -> Description:
    """Returns the description of a file of weights after checks that both belong together. No array is read.

    Raises:
        ValueError: If description and file do not belong together, or either is damaged or unsafe.
    """
    size = description.size_of(path)
    described = description.read(path)
    if size != described.bytes:
        raise ValueError(
            f"{path} is not the file that its description is about: {size:,} bytes here, {described.bytes:,} there."
        )
    sha256 = digest(path)
    if sha256 != described.sha256:
        raise ValueError(
            f"{path} is not the file that its description is about, or is damaged: SHA-256 {sha256[:16]}... here, "
            f"{described.sha256[:16]}... there."
        )
    check_listing(path, described, listing(path))
    return described


def digest(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing(path: pathlib.Path, content: bytes | None = None) -> dict[str, tuple[tuple[int, ...], str]]:
    """Returns shape and type of every array in a file of weights, by name.

    Args:
        path: The file.
        content: Its bytes, if they have been read.

    Raises:
        ValueError: If it is no such file, or is not safe to read.
    """
    reader = _reader(path)
    try:
        return reader.listing(path if content is None else content)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, getattr(reader, "FAULT", OSError)) as error:
        kind = "safetensors" if path.name.endswith(description.SAFETENSORS) else "weights of Keras"
        raise ValueError(
            f"{path} is no file of {kind} that can be used: {' '.join(str(error).split())[:300]}"
        ) from error


def legacy_layers(path: pathlib.Path) -> dict[str, list[str]] | None:
    """Returns the names of each layer's arrays in a file of the layout before Keras 3; None for all other files.

    Args:
        path: The file, which `listing` has accepted.

    Raises:
        ValueError: If its lists of names are damaged.
    """
    if path.name.endswith((description.SAFETENSORS, description.ARCHIVE)):
        return None
    try:
        return _reader(path).legacy_layers(path)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{path} is no file of weights of Keras that can be used: {' '.join(str(error).split())[:300]}"
        ) from error


def undescribed(
    path: pathlib.Path, model: str, image_size: int, known: Preprocessing | None, pixel_scale: float | None
) -> Description:
    """Returns what options say of a file without a description; its layers stay empty, and its classes unknown.

    Args:
        path: The file.
        model: Value of --model.
        image_size: Side of the images in pixels.
        known: The input that it knows; None for pixels less the mean image.
        pixel_scale: The factor on these; None if the model gets pixels from 0 to 255.

    Raises:
        ValueError: If there is no such file, or it is not safe to read.
    """
    size = description.size_of(path)
    listing(path)
    return Description(model, None, image_size, None, None, pixel_scale, {}, (), digest(path), size, "not told", known)


def class_names(path: str) -> tuple[str, ...]:
    """Returns the class names in a text file, one per line.

    Raises:
        ValueError: If it cannot be read, or has a name twice, or less than two.
    """
    try:
        lines = untrusted_files.content(path).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Cannot read the class names in {path}: {error}. Expected: a text, one name a line."
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"Expected a text with one class name per line, two at least and all different, in {path}. "
            f"Received: {len(names)} names, {len(set(names))} of them different."
        )
    return names


def _reader(path: pathlib.Path) -> types.ModuleType:
    """Returns the module that reads this kind of file; h5py and safetensors are loaded only when needed."""
    kinds = {description.SAFETENSORS: "safetensors", description.ARCHIVE: "keras_archive"}
    return importlib.import_module(f"tftransfer.pretrained.{kinds.get(path.suffix, 'hdf5')}")


def check_listing(path: pathlib.Path, described: Description, held: Mapping[str, tuple[tuple[int, ...], str]]) -> None:
    """Raises ValueError unless a file holds exactly the arrays that its description names.

    Args:
        path: The file, for messages.
        described: Its description.
        held: Shape and type of its arrays by name, from `listing`.
    """
    expected = {array.name: array for arrays in described.layers.values() for array in arrays}
    faults = [f"{description.shown(name)} is missing" for name in sorted(set(expected) - set(held))]
    surplus = set(held) - set(expected) - set(described.unused)
    faults += [f"{description.shown(name)} is not described" for name in sorted(surplus)]
    for name in sorted(set(expected) & set(held)):
        shape, dtype = held[name]
        if (shape, dtype) != (expected[name].shape, expected[name].dtype):
            faults.append(f"{description.shown(name)}: {dtype} {list(shape)} in the file, {expected[name]} described")
    if faults:
        raise ValueError(f"{path} does not hold what its description says. {_some(faults)}.")


def check_fits(
    path: pathlib.Path, described: Description, expected: Expected, head: Collection[str], told: bool = True
) -> None:
    """Raises ValueError, with both sides by layer, unless weights are those of a network.

    Args:
        path: The file, for messages.
        described: Its description.
        expected: Weights of the network below its head.
        head: Names of the layers of its head, which is never copied: in the file they may be absent or differ.
        told: Whether the file's own description says which network it is of.
    """
    faults = []
    for layer in sorted(set(expected) | set(described.layers) - set(head)):
        here = [str(Array("", tuple(shape), dtype)) for shape, dtype in expected.get(layer, ())]
        there = [str(array) for array in described.layers.get(layer, ())]
        if there != here:
            sides = [", ".join(side) or "no such layer" for side in (there, here)]
            faults.append(f"{description.shown(layer)}: {sides[0]} in the file, {sides[1]} here")
    if faults:
        network = f"{described.model} for {described.image_size} pixels"
        raise ValueError(
            f"The weights in {path} are of another network{f' ({network})' if told else f' than {network}'}. "
            f"{_some(faults)}. Give the options of that network: --model, --width, --image_size."
        )


def arrays(path: pathlib.Path, described: Description, layers: Collection[str]) -> dict[str, list[np.ndarray]]:
    """Returns the weights of some layers, after `opened` and `check_fits` have accepted the file.

    Another file may have replaced it since. So it is read once, as a whole, and the bytes that are used are those that
    are checked.

    Raises:
        ValueError: If it is no longer the file that its description is about, or a number in it is not finite.
    """
    content = _content(path, described)
    check_listing(path, described, listing(path, content))
    chosen = {layer: described.layers[layer] for layer in layers}
    values = _reader(path).read(content, [array.name for weights in chosen.values() for array in weights])
    for layer, weights in chosen.items():
        broken = sum(int(np.size(values[w.name]) - np.isfinite(values[w.name]).sum()) for w in weights)
        if broken:
            raise ValueError(
                f"{path} cannot be used: {broken} weights of {description.shown(layer)} are NaN or infinite."
            )
    return {layer: [values[array.name] for array in weights] for layer, weights in chosen.items()}


def _content(path: pathlib.Path, described: Description) -> bytes:
    """Returns the bytes of a file after comparing them with its description, which also limits their number."""
    try:
        description.size_of(path)  # refuses devices and pipes
        with path.open("rb") as file:
            content = file.read(described.bytes + 1)
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from error
    if len(content) != described.bytes or hashlib.sha256(content).hexdigest() != described.sha256:
        raise ValueError(f"{path} was changed after it had been checked; it is not used.")
    return content


def _some(faults: Sequence[str]) -> str:
    """Returns the first faults in one text, and the number of the others."""
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more
