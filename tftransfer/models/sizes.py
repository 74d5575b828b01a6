"""The size of a model, known without making any of its weights; absurd sizes are refused, with the count."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common import global_state

MOST_PARAMETERS = 1_000_000_000
"""ConvNeXtXLarge, the largest of keras.applications, has 350 million."""
MOST_NUMBERS = 1_000_000_000
"""In one tensor, for one image; the largest of AlexNet's has 290 thousand."""
MOST_PRODUCTS = 1_000_000_000_000
"""To draw orthogonal weights; the first dense layer of VGG16 would take 0.42 million million."""


def check_before_building(make: Callable[[], Any], label: str) -> None:
    """Raises ValueError if the model that a function makes is absurdly large; its weights are never drawn.

    Args:
        make: Makes the model. Its errors are passed on.
        label: The model's name, for the message.
    """
    waiting = "uninitialized_variables"
    before = global_state.get_global_attribute(waiting)
    global_state.set_global_attribute(waiting, [])  # a new list, as Keras appends to the present one
    try:
        with keras.StatelessScope(initialize_variables=False):  # variables in it have a shape and no value
            model = make()
            check(model, label)
            _check_orthogonal(model, label)
    finally:
        global_state.set_global_attribute(waiting, before)  # otherwise Keras would draw them later


def check(model: Any, label: str) -> None:
    """Raises ValueError if a model, built or not, has more parameters or larger tensors than any network for images."""
    parameters = sum(math.prod(weight.shape) for weight in getattr(model, "weights", ()))
    if parameters > MOST_PARAMETERS:
        raise ValueError(f"{label} has {parameters:,} parameters; {MOST_PARAMETERS:,} are trained at most.")
    largest = max(_tensors(model), default=0)
    if largest > MOST_NUMBERS:
        raise ValueError(
            f"{label} computes a tensor of {largest:,} numbers for one image; {MOST_NUMBERS:,} are computed at most."
        )


def _check_orthogonal(model: Any, label: str) -> None:
    """Raises ValueError if weights that are still to be drawn need a decomposition that would take hours."""
    products = 0
    for weight in getattr(model, "weights", ()):
        if isinstance(getattr(weight, "_initializer", None), keras.initializers.Orthogonal) and weight.shape:
            rows, columns = math.prod(weight.shape[:-1]), weight.shape[-1]
            products += rows * columns * min(rows, columns)
            if products > MOST_PRODUCTS:
                raise ValueError(
                    f"{label} has an Orthogonal initializer for the weights {ascii(weight.path)[1:-1][:100]} of shape "
                    f"{tuple(weight.shape)}; with those before, decomposing them takes {products:,} products, and "
                    f"{MOST_PRODUCTS:,} are computed at most. Use another initializer, such as he_normal."
                )


def _tensors(model: Any) -> Iterator[int]:
    """Yields the numbers in each tensor of a functional model for one image, as far as shapes are known."""
    for operation in getattr(model, "operations", ()):
        if isinstance(operation, keras.Model):
            yield from _tensors(operation)
        for node in getattr(operation, "_inbound_nodes", ()):
            for tensor in node.output_tensors:
                yield math.prod(side for side in tensor.shape if side is not None)
