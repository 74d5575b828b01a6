"""Checks that a model can be cut, trained side by side and compared; each fault has its message."""

import collections
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tftransfer.models import noise, sizes
from tftransfer.models.blocks import blocks, every_layer, legal_cuts
from tftransfer.models.cloning import clone_with_seeds
from tftransfer.models.layers import StepNoise
from tftransfer.models.logits import PASSING

_TYPES = ("float32", "mixed_bfloat16")  # mixed_float16 needs its loss scaled, which --precision=mixed_float16 does


def check(model: Any, label: str, shape: tuple[int, int, int], classes: int) -> None:
    """Raises ValueError if a model cannot be trained here.

    Args:
        model: Return value of a builder.
        label: Its name, as the user gave it.
        shape: Shape of the images, `(height, width, channels)`.
        classes: Number of classes.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"{label} must give a keras.Model. Received: {type(model).__name__}")
    sizes.check(model, label)
    legal_cuts(model)  # functional, one input, one output
    _check_ends(model, label, shape, classes)
    _check_layers(model, label)
    if len(blocks(model)) < 2:
        raise ValueError(
            f"{label} has a single block, its head: nowhere between its layers with weights do all paths run through "
            f"one tensor, so that nothing can be copied."
        )


def _check_ends(model: keras.Model, label: str, shape: tuple[int, int, int], classes: int) -> None:
    """Raises ValueError unless the input takes images of this shape and the output is logits."""
    images, taken = (None, *shape), tuple(model.inputs[0].shape)
    if any(side not in (None, given) for side, given in zip(taken, images, strict=False)) or len(taken) != 4:
        sized = f" Use --image_size={taken[1]}." if len(taken) == 4 and taken[1] == taken[2] and taken[1] else ""
        raise ValueError(f"{label} takes inputs of shape {taken}; the images have {images}.{sized}")
    output = tuple(model.outputs[0].shape)
    if output != (None, classes):
        raise ValueError(f"{label} must end in logits of shape (None, {classes}). Received: {output}")
    activation = _last_activation(model)
    if activation not in (None, "linear"):
        raise ValueError(
            f"{label} ends in {activation}, but networks are compared by logits: build it without, as with "
            f"classifier_activation=None or Dense(classes)."
        )
    empty = next((o for o in _outputs(model) if 0 in o.shape), None)
    if empty is not None:
        raise ValueError(
            f"{label} is too deep for images of {shape[0]} pixels a side: a map has the shape {empty.shape}"
        )


def _outputs(model: keras.Model) -> Iterator[Any]:
    for block in blocks(model):
        for node in block.nodes:
            yield from node.output_tensors


def _last_activation(model: keras.Model) -> str | None:
    """Returns the name of the last activation, through layers that only pass it on; None without one."""
    tensor = model.outputs[0]
    while True:
        layer, index = tensor._keras_history.operation, tensor._keras_history.node_index
        activation = getattr(layer, "activation", None)
        if isinstance(layer, keras.Model):
            return _last_activation(layer) if getattr(layer, "outputs", None) else None
        if activation is not None and getattr(activation, "__name__", "") != "linear":
            return getattr(activation, "__name__", type(activation).__name__)
        if type(layer).__name__ in ("Softmax", "Sigmoid", "ReLU", "LogSoftmax", "Relu"):
            return type(layer).__name__.lower()
        if not isinstance(layer, PASSING):
            return None
        tensor = layer._inbound_nodes[index].input_tensors[0]


def _check_layers(model: keras.Model, label: str) -> None:
    """Raises ValueError for layers that are code, and for noise that cannot be a function of seed, step and image."""
    uses = collections.Counter(id(node.operation) for block in blocks(model) for node in block.nodes)
    types = (*_TYPES, keras.config.dtype_policy().name)
    for layer in _leaves(model):
        policy = getattr(getattr(layer, "dtype_policy", None), "name", types[0])
        if policy not in types:
            raise ValueError(
                f"{label} computes in {policy} in the layer {layer.name}; networks are trained in "
                f"{' or '.join(_TYPES)}, or as --precision says. Build it without a dtype of its own."
            )
        if isinstance(layer, keras.layers.Lambda):
            raise ValueError(f"{label} has a Lambda layer, {layer.name}, which is code and cannot be recorded.")
        penalties = _penalties(layer)
        if penalties:
            raise ValueError(
                f"{label} has penalties of its own, in the layer {layer.name} ({', '.join(penalties)}), beside the "
                f"decay of the recipe. Build it without them; --weight_decay is the decay of all networks."
            )
        fault = noise.fault(layer, uses.get(id(layer), 1))
        if fault:
            raise ValueError(f"{label} cannot be trained reproducibly: {fault}.")


def _penalties(layer: keras.Layer) -> list[str]:
    """Returns the options by which a layer, or a layer inside it, adds to the loss."""
    names = []
    for part in every_layer(layer):
        names += [name for name in dir(part) if name.endswith("_regularizer") and getattr(part, name, None) is not None]
        names += [f"{weight.name}: regularizer" for weight in part.weights if getattr(weight, "regularizer", None)]
    return list(dict.fromkeys(names))


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """Yields the layers of a model and of the models inside it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            yield from _leaves(layer)
        else:
            yield layer


def check_repeatable(model: keras.Model, label: str, shape: tuple[int, int, int]) -> None:
    """Raises ValueError if a model draws hidden random numbers, as layers of users may do.

    A copy with seeds of its own is called twice in training mode; both outputs must be equal.
    """
    if all(type(layer).__module__.startswith(("keras.", "tftransfer.")) for layer in every_layer(model)):
        return
    made = clone_with_seeds(model, "probe", lambda *names: 0, lambda name: 0)
    images = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    outputs = []
    for _ in range(2):
        for layer in every_layer(made):
            if isinstance(layer, StepNoise):
                layer.seek(0)
        outputs.append(keras.ops.convert_to_numpy(made(images, training=True)))
        if made.losses:
            raise ValueError(
                f"{label} has penalties of its own: a layer adds to the loss (add_loss), beside the recipe's decay. "
                f"Build it without; --weight_decay is the decay of all networks."
            )
    if not np.array_equal(*outputs, equal_nan=True):
        raise ValueError(f"{label} cannot be trained reproducibly: a layer of its own draws random numbers.")
