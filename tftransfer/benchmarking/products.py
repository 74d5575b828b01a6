"""How many multiplications a training step needs, counted from the layers of a group."""

import math

import keras


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of one training step for one image.

    Counted are the convolutions and dense layers: forward, and where a layer trains the product for its kernel's
    gradient, and the product for its input's gradient unless nothing below it trains.

    Args:
        model: The combined model of a group: each of its submodels is a trunk or a tower.
    """
    total = 0
    for part in model.layers:
        if isinstance(part, keras.Model):
            kernels = [layer for layer in part.layers if getattr(layer, "kernel", None) is not None]
            counts = [_forward(layer) for layer in kernels]
            total += sum(counts)
            if part.trainable:
                total += 2 * sum(counts) - (counts[0] if counts else 0)
    return total


def _forward(layer: keras.Layer) -> int:
    """Returns the multiply-adds of a layer's forward pass: each entry of its kernel, at each place of its output."""
    places = math.prod(layer.output.shape[1:-1])
    return math.prod(layer.kernel.shape) * places
