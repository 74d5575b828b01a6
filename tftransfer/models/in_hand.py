"""Models in hand as files, named after their content: the same model, built again in a notebook, is the same file."""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case

from tftransfer.models import catalog, keras_settings, serialization
from tftransfer.system import atomic, user_code

_PROBE_CLASSES = 2  # a study gives the model a head for its own classes


def save(model: keras.Model, folder: pathlib.Path, with_weights: bool) -> pathlib.Path:
    """Writes a model into a file named after its content, unless it is there; returns the path.

    Layers that Keras numbered (`conv2d_7`) are numbered anew from the input, so that a cell which builds the model
    again gives the same file.

    Args:
        model: A functional or sequential model.
        folder: Folder of such files, made if need be.
        with_weights: Whether the weights count: else two models of one architecture are one file.

    Raises:
        ValueError: If the model cannot be described or saved, with the reason.
    """
    with user_code.guarded("The model cannot be saved", ours=True), keras_settings.package_defaults("float32"):
        plain = _renumbered(_functional(model))
        digest = hashlib.sha256(serialization.digest(plain).encode())
        for array in plain.get_weights() if with_weights else ():
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(array.tobytes())
        named = model.name if model.name != _automatic(model) else "model"
        path = folder / f"{catalog.safe_label(named)}-{digest.hexdigest()[:12]}.keras"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".partial-{os.getpid()}-{path.name}"
            plain.save(partial)
            atomic.write(path, partial.read_bytes())
            partial.unlink()
    return path


def of_function(build: Callable[[tuple[int, int, int], int], keras.Model], side: int) -> keras.Model:
    """Returns the model of a function `build(input_shape, classes)` for images of `side` pixels.

    Raises:
        ValueError: If the function fails or returns no model, with the reason.
    """
    name = getattr(build, "__name__", "function")
    with user_code.guarded(f"The model of {name} cannot be built for images of {side} pixels a side"):
        model = build((side, side, 3), _PROBE_CLASSES)
    if not isinstance(model, keras.Model):
        raise ValueError(f"{name}(input_shape, classes) must return a keras.Model. Received: {type(model).__name__}")
    return model


def side_of(model: keras.Model) -> int | None:
    """Returns the side of a model's square images in pixels, None where it leaves it open."""
    shape = getattr(model, "input_shape", None)
    fixed = isinstance(shape, tuple) and len(shape) == 4 and shape[1] is not None and shape[1] == shape[2]
    return int(shape[1]) if fixed else None


def _functional(model: keras.Model) -> keras.Model:
    """Returns a model with symbolic inputs and outputs."""
    if not getattr(model, "outputs", None) or not getattr(model, "inputs", None):
        raise ValueError(
            f"Only a functional Keras model can be cut, or a keras.Sequential that begins with keras.Input. Received: "
            f"{type(model).__name__} {model.name}"
        )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def _renumbered(model: keras.Model) -> keras.Model:
    """Returns a copy of a model, with its weights, whose automatic names count from the input."""
    described = json.loads(model.to_json())
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for layer in _described_layers(described["config"]):
        name, prefix = layer["config"].get("name", ""), to_snake_case(layer["class_name"])
        if name == prefix or (name.startswith(f"{prefix}_") and name[len(prefix) + 1 :].isdecimal()):
            number = counts[prefix] = counts.get(prefix, -1) + 1
            names[name] = f"{prefix}_{number}" if number else prefix
    described["config"]["name"] = "model"
    # The user's own model, in the user's own process: its layers may be of any class.
    classes = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    with keras.saving.custom_object_scope(classes):
        copy = keras.saving.deserialize_keras_object(_with_names(described, names), safe_mode=False)
    copy.set_weights(model.get_weights())
    return copy


def _described_layers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the descriptions of all layers of a model, those of models in it after it."""
    for layer in config.get("layers", ()):
        yield layer
        if isinstance(layer.get("config"), dict):
            yield from _described_layers(layer["config"])


def _with_names(value: Any, names: dict[str, str]) -> Any:
    """Returns a description in which layers have other names, wherever it refers to them."""
    if isinstance(value, list):
        return [_with_names(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_names(inner, names) for key, inner in value.items()}
    for key in ("name", "keras_history", "input_layers", "output_layers"):
        if key in changed:
            changed[key] = _renamed(changed[key], names)
    return changed


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Returns a name, or a list that has names in it, with the new names."""
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def _automatic(model: keras.Model) -> str:
    """Returns the model's name if Keras chose it, else an empty text."""
    prefix = to_snake_case(type(model).__name__)
    rest = model.name.removeprefix(prefix).removeprefix("_")
    return model.name if model.name.startswith(prefix) and (not rest or rest.isdecimal()) else ""
