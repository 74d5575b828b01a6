"""Pretrained weights in the place of a base that others copy from, and descriptions of such weights."""

import dataclasses
import os
import pathlib
import tempfile

import keras
import numpy as np

from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.models.blocks import blocks
from tftransfer.pretrained import description, files, hdf5
from tftransfer.pretrained.description import Array, Description
from tftransfer.records.record_files import Record
from tftransfer.training import trainer
from tftransfer.training import weights as kept
from tftransfer.transfer import Weights

_PROBE_CLASSES = 2  # the head is not looked at


@dataclasses.dataclass(frozen=True)
class PretrainedBase:
    """A base that was not trained here.

    Attributes:
        file: Name of its file.
        described: Its description.
        weights: Its weights below the head, by layer name.
        seen: Classes of the data set that it was trained on; None if that is not known.
    """

    file: str
    described: Description
    weights: Weights
    seen: frozenset[int] | None = None


def load(path: pathlib.Path, described: Description, config: Config) -> PretrainedBase:
    """Reads pretrained weights for the network that the options describe.

    Args:
        path: The file.
        described: Its description, as `files.opened` gave it.
        config: The options.

    Raises:
        ValueError: If they are of another network, or were trained on images prepared in another way.
    """
    _check_preparation(path, described, config)
    with trainer.dtype_policy(config.precision):
        model = architectures.build(config.architecture, _PROBE_CLASSES)
    parts = blocks(model, config.blocks.split(",") if config.blocks else None)
    body, head = _weighted(model, parts[:-1]), _weighted(model, parts[-1:])
    files.check_fits(path, described, body, head)
    _check_architecture(path, described, config)
    return PretrainedBase(path.name, described, files.arrays(path, described, list(body)))


def _weighted(model: keras.Model, parts: list) -> dict[str, list[tuple[tuple[int, ...], str]]]:
    """Returns shapes and types of the weights of some blocks, by layer name."""
    layers = [model.get_layer(name) for block in parts for name in block.layers]
    return {layer.name: [(tuple(w.shape), str(w.dtype)) for w in layer.weights] for layer in layers if layer.weights}


def _check_preparation(path: pathlib.Path, described: Description, config: Config) -> None:
    """Raises ValueError if the weights know other inputs than they would get: their features would mean nothing."""
    here = None if architectures.takes_raw_images(config.architecture) else config.pixel_scale
    if described.pixel_scale != here:
        sides = ["0 to 255 as they are" if s is None else f"less the mean, times {s:g}" for s in
                 (described.pixel_scale, here)]  # fmt: skip
        fix = "" if None in (described.pixel_scale, here) else f" Use --pixel_scale={described.pixel_scale!r}."
        raise ValueError(f"{path} was trained on pixels {sides[0]}; here networks get pixels {sides[1]}.{fix}")


def _check_architecture(path: pathlib.Path, described: Description, config: Config) -> None:
    """Raises ValueError if a model that is not built in has the right shapes, but other options or connections."""
    own = architectures.identity(config.architecture)
    if own and described.image_size != config.input_size:  # another size is another architecture
        raise ValueError(
            f"The weights in {path} are described for images of {described.image_size} pixels a side; here they "
            f"have {config.input_size}. Use --image_size={described.image_size} or, if the layers fit both, describe "
            f"the file again with --image_size={config.input_size}."
        )
    here = own["sha256"] if own else None
    if described.architecture != here:
        raise ValueError(
            f"The weights in {path} are of another network: {described.model} there, --model={config.model} here; "
            f"their layers have equal shapes but other options or connections (SHA-256 of the architecture "
            f"{str(described.architecture)[:8]} there, {str(here)[:8]} here)."
        )


def export(record: Record, path: pathlib.Path, trained_on: tuple[str, ...] | None, provenance: str) -> Description:
    """Writes the weights of a finished network to a file of their own, and returns the description of it.

    Args:
        record: The network; its weights must have been kept.
        path: FILE.weights.h5 or FILE.safetensors, which is not there yet.
        trained_on: Names of the classes that it was trained on, None if they are not known.
        provenance: Who trained it, on what, under which licence.
    """
    model, recipe = kept.load(record.folder), record.identity["recipe"]
    aside = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        if path.name.endswith(description.SAFETENSORS):
            from tftransfer.pretrained import safetensors

            named = {layer.name: layer.get_weights() for layer in model.layers}
            safetensors.write(aside, {f"{layer}/{n}": w for layer, of in named.items() for n, w in enumerate(of)})
        else:
            model.save_weights(aside)
        described = _describe(aside, model, trained_on, provenance)
        architecture = record.identity.get("architecture") or {}
        scale = None if architecture.get("raw_images") else recipe["pixel_scale"]
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return dataclasses.replace(
        described, model=recipe["model"], architecture=architecture.get("sha256"), pixel_scale=scale
    )


def describe(
    path: pathlib.Path, config: Config, classes: int, trained_on: tuple[str, ...] | None, provenance: str
) -> Description:
    """Returns the description of a file that Keras' `save_weights`, or `export`, wrote.

    Args:
        path: FILE.weights.h5, or FILE.safetensors with keys as of `keys`.
        config: The options of its network.
        classes: Number of classes that it was trained on.
        trained_on: Names of the classes that it was trained on, None if they are not known.
        provenance: Who trained it, on what, under which licence.

    Raises:
        ValueError: If the file does not hold the weights of such a network.
    """
    with trainer.dtype_policy(config.precision):
        model = architectures.build(config.architecture, classes)
    described = _describe(path, model, trained_on, provenance)
    own = architectures.identity(config.architecture)
    raw = architectures.takes_raw_images(config.architecture)
    return dataclasses.replace(
        described,
        model=str(config.recipe()["model"]),
        architecture=own["sha256"] if own else None,
        pixel_scale=None if raw else config.pixel_scale,
    )


def _describe(
    path: pathlib.Path, model: keras.Model, trained_on: tuple[str, ...] | None, provenance: str
) -> Description:
    """Returns the description of a file with the weights of a model; the model's own weights are overwritten."""
    listed = files.listing(path)
    places = keys(model) if path.name.endswith(description.SAFETENSORS) else _places(model)
    layers = {layer.name: [(tuple(w.shape), str(w.dtype)) for w in layer.weights] for layer in model.layers}
    arrays = {
        name: tuple(Array(place, *weight) for place, weight in zip(places[name], weights, strict=True))
        for name, weights in layers.items()
        if weights
    }
    named = {array.name for of in arrays.values() for array in of}
    odd = sorted({array.dtype for of in arrays.values() for array in of} - set(description.BYTES))
    if odd:
        raise ValueError(f"Only weights of type {' and '.join(description.BYTES)} can be described. Received: {odd}")
    described = Description(
        model=model.name,
        architecture=None,
        image_size=model.input_shape[1],
        classes=model.outputs[0].shape[-1],
        trained_on=trained_on,
        pixel_scale=None,
        layers=arrays,
        unused=tuple(sorted(set(listed) - named)),
        sha256=files.digest(path),
        bytes=path.stat().st_size,
        provenance=provenance,
    )
    files.check_listing(path, described, listed)
    files.arrays(path, described, list(arrays))
    return described


def keys(model: keras.Model) -> dict[str, list[str]]:
    """Returns the keys in safetensors of the weights of each layer: `conv1/0`, `conv1/1`."""
    return {layer.name: [f"{layer.name}/{number}" for number in range(len(layer.weights))] for layer in model.layers}


def _places(model: keras.Model) -> dict[str, list[str]]:
    """Returns the names under which Keras stores the weights of each layer in HDF5.

    Keras names groups by rules of its own, so it is asked: each weight is filled with a number, saved and looked up.
    """
    weights = [(layer.name, weight) for layer in model.layers for weight in layer.weights]
    for number, (_, weight) in enumerate(weights, 1):
        weight.assign(keras.ops.full(weight.shape, number, weight.dtype))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "numbers.weights.h5"
        model.save_weights(path)
        saved = hdf5.read(path, hdf5.listing(path))
    # What is not filled with one number, such as the state of a random generator, is no weight of a layer.
    filled = {name: a for name, a in saved.items() if a.size and str(a.dtype) in description.BYTES}
    names = {int(a.flat[0]): name for name, a in filled.items() if np.all(a == a.flat[0])}
    places = {layer.name: [] for layer in model.layers}
    for number, (layer, _) in enumerate(weights, 1):
        places[layer].append(names[number])
    return places
