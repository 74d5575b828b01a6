"""Pretrained weights in the place of a base that others copy from, and descriptions of such weights."""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Collection, Mapping, Sequence

import keras
import numpy as np

from tftransfer.experiment.config import Config
from tftransfer.models import architectures, preprocessing
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
        described: Its description, as `files.opened` gave it, or what options say in the place of one.
        config: The options.

    Raises:
        ValueError: If they are of another network, or were trained on images prepared in another way.
    """
    with trainer.dtype_policy(config.precision):
        model = architectures.build(config.architecture, _PROBE_CLASSES)
    parts = blocks(model, config.blocks.split(",") if config.blocks else None)
    body, head = _weighted(model, parts[:-1]), _weighted(model, parts[-1:])
    if described.layers:
        _check_preparation(path, described, config)
        files.check_fits(path, described, body, head)
        _check_architecture(path, described, config)
    else:
        described = _located(path, described, model, head)
    return PretrainedBase(path.name, described, files.arrays(path, described, list(body)))


def _weighted(model: keras.Model, parts: list) -> dict[str, list[tuple[tuple[int, ...], str]]]:
    """Returns shapes and types of the weights of some blocks, by layer name."""
    layers = [model.get_layer(name) for block in parts for name in block.layers]
    return {layer.name: [(tuple(w.shape), str(w.dtype)) for w in layer.weights] for layer in layers if layer.weights}


def _check_preparation(path: pathlib.Path, described: Description, config: Config) -> None:
    """Raises ValueError if the weights know other inputs than they would get: their features would mean nothing."""
    if described.preprocessing != config.preprocessing:
        raise ValueError(
            f"{path} was trained on the input {described.input}; here networks get "
            f"{config.pretrained_preprocessing or preprocessing.PIXELS}. Use "
            f"--pretrained_preprocessing={described.input}."
        )
    if described.preprocessing is not None:
        return
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
        known = preprocessing.parse(recipe.get("preprocessing", ""))
        scale = None if architecture.get("raw_images") or known else recipe["pixel_scale"]
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return dataclasses.replace(
        described,
        model=recipe["model"],
        architecture=architecture.get("sha256"),
        pixel_scale=scale,
        preprocessing=known,
    )


def describe(
    path: pathlib.Path, config: Config, classes: int, trained_on: tuple[str, ...] | None, provenance: str
) -> Description:
    """Returns the description of a file that Keras, or `export`, wrote; the layers of its head may be missing.

    Args:
        path: A file of weights; FILE.safetensors has keys as of `keys`.
        config: The options of its network.
        classes: Number of classes that it was trained on.
        trained_on: Names of the classes that it was trained on, None if they are not known.
        provenance: Who trained it, on what, under which licence.

    Raises:
        ValueError: If the file does not hold the weights of such a network.
    """
    with trainer.dtype_policy(config.precision):
        model = architectures.build(config.architecture, classes)
    head = _weighted(model, blocks(model)[-1:])
    described = _describe(path, model, trained_on, provenance, head)
    own = architectures.identity(config.architecture)
    known = config.preprocessing
    raw = known is not None or architectures.takes_raw_images(config.architecture)
    return dataclasses.replace(
        described,
        model=str(config.recipe()["model"]),
        architecture=own["sha256"] if own else None,
        pixel_scale=None if raw else config.pixel_scale,
        preprocessing=known,
    )


def _describe(
    path: pathlib.Path,
    model: keras.Model,
    trained_on: tuple[str, ...] | None,
    provenance: str,
    head: Collection[str] = (),
) -> Description:
    """Returns the description of a file with the weights of a model; the model's own weights are overwritten."""
    blank = Description(
        model=model.name,
        architecture=None,
        image_size=model.input_shape[1],
        classes=model.outputs[0].shape[-1],
        trained_on=trained_on,
        pixel_scale=None,
        layers={},
        unused=(),
        sha256=files.digest(path),
        bytes=path.stat().st_size,
        provenance=provenance,
    )
    described = _located(path, blank, model, head)
    files.arrays(path, described, list(described.layers))
    return described


def _located(path: pathlib.Path, described: Description, model: keras.Model, head: Collection[str]) -> Description:
    """Returns a description with the places of a model's weights in a file, whose head may be missing or another.

    Args:
        path: The file.
        described: What else is known of it.
        model: The network, whose own weights are overwritten.
        head: Names of the layers of its head.

    Raises:
        ValueError: If the file does not hold the weights below the head, or has a head of other classes than known.
    """
    listed, places = files.listing(path), _places(path, model, head)
    layers = {
        name: tuple(Array(place, *listed[place]) for place in names if place in listed)
        for name, names in places.items()
        if any(place in listed for place in names)
    }
    # Of a head that is there in part, as of a larger one, nothing can be said.
    layers = {name: of for name, of in layers.items() if name not in head or len(of) == len(places[name])}
    odd = sorted({array.dtype for of in layers.values() for array in of} - set(description.BYTES))
    if odd:
        raise ValueError(f"Only weights of type {', '.join(description.BYTES)} can be used. Received: {odd} in {path}")
    named = {array.name for of in layers.values() for array in of}
    whole = dataclasses.replace(described, layers=layers, unused=tuple(sorted(set(listed) - named)))
    body = {layer.name: [(tuple(w.shape), str(w.dtype)) for w in layer.weights] for layer in model.layers}
    files.check_fits(path, whole, {n: of for n, of in body.items() if of and n not in head}, head, told=False)
    units = {of[-1].shape[-1] for name, of in layers.items() if name in head and of[-1].shape}
    if len(units) == 1 and described.classes not in (None, *units):
        raise ValueError(
            f"The head in {path} has {units.pop()} classes; {described.classes} are told. Correct --classes or "
            f"--pretrained_classes."
        )
    return dataclasses.replace(whole, classes=described.classes or (units.pop() if len(units) == 1 else None))


def keys(model: keras.Model) -> dict[str, list[str]]:
    """Returns the keys in safetensors of the weights of each layer: `conv1/0`, `conv1/1`."""
    return {layer.name: [f"{layer.name}/{number}" for number in range(len(layer.weights))] for layer in model.layers}


def _places(path: pathlib.Path, model: keras.Model, head: Collection[str]) -> dict[str, list[str]]:
    """Returns the names that the weights of each layer have, or would have, in a file, by the layer's name."""
    if path.name.endswith(description.SAFETENSORS):
        return keys(model)
    legacy = files.legacy_layers(path)
    return _places_of_keras(model) if legacy is None else _legacy_places(legacy, model, head)


def _legacy_places(
    legacy: Mapping[str, Sequence[str]], model: keras.Model, head: Collection[str]
) -> dict[str, list[str]]:
    """Returns the names in a file of the layout before Keras 3, whose layers Keras matches by their order.

    Names of layers were numbered through a process, so they may differ. If another number of layers is there, with the
    head and without, layers are matched by name.
    """
    ours = [layer for layer in model.layers if layer.weights]
    theirs = [names for names in legacy.values() if names]
    if len(theirs) != len(ours):
        ours = [layer for layer in ours if layer.name not in head]
    if len(theirs) != len(ours):
        ours = [layer for layer in model.layers if layer.weights]
        theirs = [legacy.get(layer.name, ()) for layer in ours]
    places = {}
    for layer, names in zip(ours, theirs, strict=True):
        order = [id(weight) for weight in layer.trainable_weights + layer.non_trainable_weights]
        whole = len(names) == len(order)
        places[layer.name] = [names[order.index(id(w))] for w in layer.weights] if whole else list(names)
    return places


def _places_of_keras(model: keras.Model) -> dict[str, list[str]]:
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
