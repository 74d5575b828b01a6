"""Architectures as JSON: read safely from a `.keras` file, given a head and a size, digested."""

import copy
import hashlib
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import keras

from tftransfer.models.blocks import blocks

# What a description does not need, or what would make equal architectures differ.
_DROPPED = ("build_config", "compile_config", "shared_object_id")


def of(model: keras.Model) -> dict[str, Any]:
    """Returns the description of a model, without weights.

    Raises:
        ValueError: If a layer cannot describe itself.
    """
    try:
        return _plain(json.loads(model.to_json()))
    except (NotImplementedError, TypeError) as error:
        text = " ".join(str(error).split())[:300]
        raise ValueError(f"The model {model.name} cannot be described: {text}") from error


def _plain(value: Any) -> Any:
    """Returns a description without what does not belong to the architecture."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in _DROPPED}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def digest(model: keras.Model) -> str:
    """Returns the SHA-256 of an architecture: its layers, their names, options and connections.

    The model's own name, seeds (a run has its own) and whether layers were frozen do not count.
    """
    described = of(model)["config"] | {"name": ""}
    return hashlib.sha256(json.dumps(_without_seeds(described), sort_keys=True).encode()).hexdigest()


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seeds(inner) for key, inner in value.items() if key not in ("seed", "trainable")}
    return [_without_seeds(inner) for inner in value] if isinstance(value, list) else value


def of_file(path: str) -> dict[str, Any]:
    """Reads the architecture in a `.keras` file; its weights are left where they are.

    Raises:
        ValueError: If the file is none, or holds what is not safe to load: only Keras' own layers and ours are.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no file of model.save(): {error}. Expected the format .keras of Keras 3."
        ) from error
    check_safe(found, path)
    return _plain(found)


def check_safe(described: Any, origin: str) -> None:
    """Raises ValueError if a description names code that is not of Keras or of this package."""
    for found in _objects(described):
        name, module = found["class_name"], found.get("module") or ""
        own = str(found.get("registered_name") or "").startswith("tftransfer>")
        if name == "Lambda" or "__lambda__" in str(name):
            raise ValueError(f"{origin} holds a Lambda layer, which is code and not loaded. Use layers or keras.ops.")
        if module and module.split(".")[0] not in ("keras", "builtins") and not own:
            raise ValueError(
                f"{origin} holds {module}.{name}, code of its own, which is not loaded from a file. Give the model as "
                f"--model=module:function."
            )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yields all serialised objects in a description."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def load(described: dict[str, Any], origin: str) -> keras.Model:
    """Returns the model of a description, in Keras' safe mode, with new weights."""
    check_safe(described, origin)
    import tftransfer.models.layers
    import tftransfer.models.noise  # noqa: F401 (their classes must be registered)

    return keras.saving.deserialize_keras_object(_plain(described), safe_mode=True)


def build(described: dict[str, Any], shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Returns the model of a description for an image shape, with a head for `classes`."""
    described = _with_input(described, shape)
    model = load(described, "The model file")
    if not getattr(model, "outputs", None) or model.outputs[0].shape[-1] == classes:
        return model
    return load(_with_units(described, _head(model), classes), "The model file")


def _with_input(described: dict[str, Any], shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns a description whose input has the given sides where it leaves them open."""
    described = copy.deepcopy(described)
    for layer in described["config"].get("layers", []):
        batch = layer["config"].get("batch_shape")
        if layer["class_name"] == "InputLayer" and batch and len(batch) == 4:
            sides = (given if side is None else side for side, given in zip(batch[1:], shape, strict=True))
            layer["config"]["batch_shape"] = [None, *sides]
    return described


def _head(model: keras.Model) -> str:
    """Returns the name of the layer whose units are the classes."""
    classes = model.outputs[0].shape[-1]
    for node in reversed(blocks(model)[-1].nodes):
        if getattr(node.operation, "units", getattr(node.operation, "filters", None)) == classes:
            return node.operation.name
    raise ValueError(f"it does not end in a Dense or convolution of {classes} units, so it cannot have other classes")


def _with_units(described: dict[str, Any], head: str, classes: int) -> dict[str, Any]:
    """Returns a description in which the layer `head` has as many units as there are classes."""
    described = copy.deepcopy(described)
    for layer in described["config"]["layers"]:
        if layer["config"].get("name") == head:
            layer["config"]["units" if "units" in layer["config"] else "filters"] = classes
    return described
