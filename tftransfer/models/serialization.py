"""Architectures as JSON: safe reading from a `.keras` file, a new head and image size, a digest."""

import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import keras

from tftransfer.models import archive, sizes
from tftransfer.models.blocks import blocks
from tftransfer.system import user_code

# Entries that a description does not need, or by which equal architectures would differ.
_DROPPED = ("build_config", "compile_config", "shared_object_id")
_MOST_OBJECTS = 50_000  # layers, initializers and the like; NASNetMobile, with 771 layers, has 3800
# Modules whose classes are networks and parts of them. Keras' others act on files, settings and devices.
_MODULES = (
    "keras.layers", "keras.models", "keras.initializers", "keras.regularizers", "keras.constraints",
    "keras.dtype_policies", "keras.ops", "keras.quantizers",
    *(f"keras.src.{part}" for part in ("layers", "models", "initializers", "ops", "applications", "dtype_policies")),
)  # fmt: skip
_TOP_CLASSES = ("Model", "Sequential", "Layer", "Initializer", "Quantizer", "DTypePolicy", "FloatDTypePolicy")
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__", "__tuple__")
_ACTIVATIONS = frozenset(
    name for name, value in vars(keras.activations).items() if callable(value) and not name.startswith("_")
) - {"get", "serialize", "deserialize"}
_READ_FILES = (
    "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup", "TextVectorization",
)  # fmt: skip


def of(model: keras.Model) -> dict[str, Any]:
    """Returns the description of a model, without weights.

    Raises:
        ValueError: If a layer cannot describe itself.
    """
    with user_code.guarded(f"The model {model.name} cannot be described"):
        return _plain(json.loads(model.to_json()))


def _plain(value: Any) -> Any:
    """Returns a description without the entries that are no part of the architecture."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in _DROPPED}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def digest(model: keras.Model) -> str:
    """Returns the SHA-256 of an architecture: its layers, their names, options and connections.

    It ignores the model's own name, seeds (a run has its own) and which layers are frozen.
    """
    described = of(model)["config"] | {"name": ""}
    return hashlib.sha256(json.dumps(_without_seeds(described), sort_keys=True).encode()).hexdigest()


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seeds(inner) for key, inner in value.items() if key not in ("seed", "trainable")}
    return [_without_seeds(inner) for inner in value] if isinstance(value, list) else value


def of_file(path: str) -> dict[str, Any]:
    """Returns the description of the model in a `.keras` file; its weights are not read.

    Raises:
        ValueError: If it is no such file, or holds other layers than those of Keras and ours, which is not safe.
    """
    try:
        described = _plain(archive.configuration(path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is no file of model.save(): {error}. Expected the format .keras of Keras 3."
        ) from error
    check_safe(described, path)
    return described


def check_safe(described: Any, origin: str) -> None:
    """Raises ValueError if a value is no description, is absurdly long, or names code of neither Keras nor us."""
    if not (isinstance(described, dict) and "class_name" in described and isinstance(described.get("config"), dict)):
        raise ValueError(f"{origin} does not describe a model. Expected an object with class_name and config.")
    _register_own()
    for number, serialised in enumerate(_objects(described)):
        if number >= _MOST_OBJECTS:
            raise ValueError(f"{origin} describes more than {_MOST_OBJECTS:,} objects; a network has some thousand.")
        _check_object(serialised, origin)


def _check_object(serialised: dict[str, Any], origin: str) -> None:
    """Raises ValueError unless a serialised object is one of Keras or of this package, and is data."""
    parts = [serialised["class_name"], serialised.get("module"), serialised.get("registered_name")]
    if not isinstance(parts[0], str) or not all(isinstance(part, str | None) for part in parts):
        raise ValueError(f"{origin} does not describe a model: {ascii(parts)[:200]} names no class.")
    name, module, registered = parts[0], parts[1] or "", parts[2] or ""
    if name == "Lambda" or "__lambda__" in name:
        raise ValueError(f"{origin} holds a Lambda layer, which is code and not loaded. Use layers or keras.ops.")
    if name in _READ_FILES:
        raise ValueError(f"{origin} holds {name}, which may read other files and is not loaded. Use other layers.")
    own = registered.startswith("tftransfer>") and keras.saving.get_registered_object(registered) is not None
    shown = f"{ascii(module)[1:-1][:80]}.{ascii(name)[1:-1][:80]}"
    if module and module.split(".")[0] not in ("keras", "builtins") and not own:
        raise ValueError(
            f"{origin} holds {shown}, code of its own, which is not loaded from a file. Give the model as "
            f"--model=module:function."
        )
    if name == "function":
        _check_function(serialised, module, origin)
    elif not own and not _is_part(name, module):
        raise ValueError(f"{origin} holds {shown}, which is no layer or part of one, and is not loaded from a file.")


def _check_function(serialised: dict[str, Any], module: str, origin: str) -> None:
    """Raises ValueError unless a function is an activation of Keras: a call of any other may do anything."""
    name, registered = serialised.get("config"), serialised.get("registered_name")
    known = isinstance(name, str) and name in _ACTIVATIONS and registered in (None, name)
    if not known or module not in ("builtins", "keras.activations"):
        shown = ascii(f"{module}.{name}")[1:-1][:160]
        raise ValueError(
            f"{origin} holds the function {shown}, which is no activation of keras.activations and not loaded from a "
            f"file. Give the model as --model=module:function."
        )


def _is_part(name: str, module: str) -> bool:
    """Whether an object is a layer, a part of one, or a value such as a tensor, by its module."""
    if not module:  # Keras looks these up among its initialisers and constraints only
        return not name.startswith("__") or name in _VALUES
    return module.startswith(tuple(f"{known}." for known in _MODULES)) or (
        module in _MODULES or (module == "keras" and name in _TOP_CLASSES)
    )


def _register_own() -> None:
    """Registers the layers of this package with Keras."""
    import tftransfer.models.layers
    import tftransfer.models.noise  # noqa: F401


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
    """Returns the model of a description, built in Keras' safe mode, with new weights."""
    check_safe(described, origin)

    def make() -> keras.Model:  # from a copy, as Keras removes entries while it reads them
        try:
            return keras.saving.deserialize_keras_object(_plain(described), safe_mode=True)
        except (AttributeError, KeyError, IndexError, TypeError) as error:  # Keras does not check what it reads
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{origin}: its description is not that of a Keras model, or of another version "
                f"({type(error).__name__}: {reason}). Save it again with model.save of this Keras, {keras.__version__}."
            ) from error

    sizes.check_before_building(make, origin)
    return make()


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
