"""A network without its upper blocks: its head stands on the pooled output of the last block that is left."""

from collections.abc import Sequence
from typing import Any

import keras

from tftransfer.models.blocks import Block


def shortened(model: keras.Model, blocks: Sequence[Block], left: int) -> keras.Model:
    """Returns a model of the first blocks of another and a new head.

    Args:
        model: A functional model that ends in logits.
        blocks: Its blocks, the head last.
        left: Number of blocks that are left below the head, from the input; at least 1.

    Returns:
        A model with the layers of those blocks, which it shares with `model`, and an untrained head: features
        `(batch, height, width, channels)` or `(batch, positions, channels)` are averaged over space, then a dense layer
        gives logits `(batch, classes)`. The dense layer has the name of the model's last layer with weights, and
        also its options if that is a dense layer.

    Raises:
        ValueError: If no block or all blocks would be left.
    """
    if not 1 <= left < len(blocks) - 1:
        raise ValueError(
            f"Of {len(blocks)} blocks, 1 to {len(blocks) - 2} can be left below a head that moves down. "
            f"Received: {left}"
        )
    features = blocks[left - 1].output
    name = f"{blocks[-1].name}_pool"
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name=name)(features)  # (batch, channels)
    elif len(features.shape) == 3:
        features = keras.layers.GlobalAveragePooling1D(name=name)(features)  # (batch, channels)
    return keras.Model(model.inputs[0], _head(model, blocks[-1])(features), name=model.name)  # (batch, classes)


def _head(model: keras.Model, block: Block) -> Any:
    """Returns an unbuilt dense layer like the last one of a head; a plain one if that has another kind of layer."""
    last = [layer for layer in map(model.get_layer, block.layers) if layer.weights][-1]
    if isinstance(last, keras.layers.Dense):
        return type(last).from_config(last.get_config())
    return keras.layers.Dense(model.outputs[0].shape[-1], dtype=last.dtype_policy, name=last.name)
