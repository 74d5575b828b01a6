"""A finished network as a plain Keras model: from images of any size to the probabilities of its classes."""

import io
import json
import os
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
from keras import ops

from tftransfer.models.blocks import every_layer
from tftransfer.models.layers import GroupedConv2D, LocalResponseNormalization, ReplicaDropout
from tftransfer.records import inputs
from tftransfer.records.inputs import Preprocessing
from tftransfer.system import atomic
from tftransfer.training import weights

_CLASS_NAMES, _METADATA = "class_names", "metadata.json"


def of_record(folder: str | os.PathLike) -> keras.Model:
    """Returns a finished network with its preprocessing inside, made of Keras' own layers.

    Args:
        folder: The network's folder.

    Returns:
        A functional model from pixels, 0 to 255, `(images, height, width, 3)` of any size and type, to probabilities
        `(images, classes)`. Images are warped to the size at which validation images are stored, rounded to whole
        numbers, and their centre is cropped; a pixel may differ by 1 of 255 from `tftransfer.preprocessing`, whose
        resizing rounds twice. Its attribute `class_names` has the names of its outputs. Layers that were frozen are
        not trainable.

    Raises:
        ValueError: If there is no record, or its weights or preprocessing were not kept or are damaged.
    """
    prepared = inputs.preprocessing(folder)
    network = _plain(weights.load(folder))
    network.name = "network"
    images = keras.Input((None, None, 3), name="images")
    logits = network(_inputs(images, prepared))  # (images, classes)
    model = keras.Model(images, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name="classifier")
    _set_mean(model, prepared)
    weights.predict_silently(model)
    model.class_names = prepared.class_names
    return model


def save(model: keras.Model, path: pathlib.Path) -> None:
    """Writes a model of `of_record` into a new FILE.keras, with its class names in the file's `metadata.json`.

    Raises:
        OSError: If there is no room.
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        model.save(partial)
        atomic.write(path, _with_names(partial.read_bytes(), model.class_names))
    finally:
        partial.unlink(missing_ok=True)


def own_layers(model: keras.Model) -> list[str]:
    """Returns the classes of layers which Keras alone cannot load: those of this package or of the user."""
    names = {keras.saving.get_registered_name(type(layer)) for layer in every_layer(model)}
    return sorted(name for name in names if ">" in name)


def _inputs(images: Any, prepared: Preprocessing) -> Any:
    """Returns the network's input, `(images, size, size, 3)`, as a function of images of any size."""
    stored, size = prepared.stored_size, prepared.input_size
    pixels = keras.layers.Resizing(stored, stored, antialias=True, dtype="float32", name="resize")(images)
    pixels = ops.round(pixels)  # as images are stored
    if stored != size:
        pixels = keras.layers.CenterCrop(size, size, dtype="float32", name="crop")(pixels)
    if getattr(prepared, "reverse", False):
        pixels = ops.flip(pixels, axis=-1)  # to BGR
    pixels = keras.layers.Normalization(axis=(1, 2, 3), dtype="float32", name="minus_mean")(pixels)
    scale = np.asarray(prepared.scale, np.float32)
    return keras.layers.Rescaling(scale.tolist(), dtype="float32", name="scale")(pixels)


def _set_mean(model: keras.Model, prepared: Preprocessing) -> None:
    """Gives the layer that subtracts the mean image its weights: the mean, and a variance of 1."""
    layer = model.get_layer("minus_mean")
    layer.set_weights([prepared.mean, np.ones_like(prepared.mean), np.zeros((), "int64")])
    layer.finalize_state()


def _plain(model: keras.Model) -> keras.Model:
    """Returns a copy of a model, with its weights, in which Keras' layers stand for those of this package."""
    copied = keras.models.clone_model(model, clone_function=_keras_layer, call_function=_call)
    copied.set_weights(model.get_weights())
    return copied


def _keras_layer(layer: Any) -> Any:
    """Returns a new layer of Keras that computes what a layer does, and trains if that does."""
    config = layer.get_config()
    if isinstance(layer, GroupedConv2D):
        del config["implementation"]
        return keras.layers.Conv2D.from_config(config)
    if isinstance(layer, ReplicaDropout):
        return keras.layers.Dropout.from_config(config)
    return type(layer).from_config(config)


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a layer; local response normalisation becomes operations of Keras."""
    if not isinstance(layer, LocalResponseNormalization):
        return layer(*args, **kwargs)
    (x,) = args
    channels = np.arange(x.shape[-1])
    near = np.abs(channels[:, None] - channels) <= layer.depth_radius
    band = (near * (layer.alpha / (2 * layer.depth_radius + 1))).astype("float32")  # (channels, channels)
    wide = ops.cast(x, "float32")
    divisor = ops.matmul(ops.square(wide), band) + layer.bias  # (images, height, width, channels)
    return ops.cast(wide * ops.power(divisor, -layer.beta), x.dtype)


def _with_names(archive: bytes, class_names: tuple[str, ...]) -> bytes:
    """Returns a .keras archive with class names in its metadata, which Keras reads past."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(output, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == _METADATA:
                content = json.dumps({**json.loads(content), _CLASS_NAMES: list(class_names)}).encode()
            after.writestr(entry, content)
    return output.getvalue()
