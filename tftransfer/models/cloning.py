"""Copies of a model without hidden randomness: initial weights and noise derive from seeds and names."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tftransfer.models import noise as noise_layers
from tftransfer.system import user_code

Replace = Callable[[str, keras.Layer], keras.Layer | None]


def _nothing(path: str, layer: keras.Layer) -> None:
    """Replaces no layer."""


def clone_with_seeds(
    model: keras.Model,
    name: str,
    initial: Callable[[str, str], int],
    noise: Callable[[str], int],
    instead: Replace = _nothing,
) -> keras.Model:
    """Returns a copy of a functional model with new initial weights, and noise that is a function of seed and step.

    Args:
        model: The model to copy; its weights are not copied.
        name: Name of the copy, and first part of the paths of its variables.
        initial: Seed of the initial weights, from the names of layer and weight (`"kernel"`).
        noise: Seed of a layer's own randomness, from its name.
        instead: Returns the layer that replaces a layer, from its path (`"backbone/conv"` in a model inside) and the
            layer; None for a copy of it.

    Raises:
        ValueError: If a layer draws other noise, or cannot be copied.
    """
    with user_code.guarded(f"The model {model.name} cannot be copied", ours=True):
        return _copy(model, name, "", initial, noise, instead)


def _copy(
    model: keras.Model,
    name: str,
    prefix: str,
    initial: Callable[[str, str], int],
    noise: Callable[[str], int],
    instead: Replace,
) -> keras.Model:
    """Returns a copy of a model; `prefix` is its path in a larger model, from which its seeds are derived."""

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):
            return layer  # an operation such as `+` has no weights and no state
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            chain = isinstance(layer, keras.Sequential)
            graph = keras.Model(layer.inputs[0], layer.outputs[0]) if chain else layer
            return _copy(graph, layer.name, f"{path}/", initial, noise, instead)
        if (other := instead(path, layer)) is not None:
            return other
        fault = noise_layers.fault(layer)
        if fault:
            raise ValueError(f"The model {model.name} cannot be trained reproducibly: {fault}.")
        replaced = noise_layers.replacement(layer, noise(path))
        if replaced is not None:
            return replaced
        config = layer.get_config()
        names = [weight.name for weight in layer.weights]
        for option, value in config.items():
            # Layers made of others give all of them the same initialiser: one seed would make their weights equal.
            plain = len(set(names)) == len(names)
            if plain and option.endswith("_initializer") and "seed" in _config_of(value):
                value["config"]["seed"] = initial(path, option.removesuffix("_initializer"))
        if "seed" in config:
            config["seed"] = noise(path)
        with _drawing(initial(path, "")):
            return layer.__class__.from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        with _drawing(initial(f"{prefix}{layer.name}", "build")):
            return layer(*args, **kwargs)

    with keras.name_scope(name):
        copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    copy.name = name
    return copy


def _config_of(value: Any) -> Mapping[str, Any]:
    """Returns the configuration of a serialised object, empty for any other value."""
    config = value.get("config") if isinstance(value, dict) else None
    return config if isinstance(config, dict) else {}


@contextlib.contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Makes the seeds that Keras' initialisers choose for themselves, from Python's generator, follow from `seed`."""
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)
