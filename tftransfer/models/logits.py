"""Models without their final softmax: the head is new in every network, and networks are compared by logits."""

from typing import Any

import keras

# Layers that pass logits on as they are; an Activation only if it is linear.
PASSING = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Identity, keras.layers.Activation)
_SOFTMAX = "softmax"
_NOTHING = object()


def without_softmax(model: keras.Model) -> keras.Model:
    """Returns a model of the same layers without its final softmax; the model itself if it has none.

    The softmax may be the activation of the last layer with weights, or a layer or operation, in the model or in a
    model that is its last layer. All layers below are the same objects.

    Args:
        model: A functional model with one input and one output.
    """
    tensor, passing = model.outputs[0], []
    while True:
        node = _node(tensor)
        ending = _linear(node)
        if ending is not None:
            break
        if not isinstance(node.operation, PASSING) or _activation(node.operation) != "linear":
            return model
        passing.append(node.operation)
        tensor = node.input_tensors[0]
    logits = node.input_tensors[0] if ending is _NOTHING else ending(node.input_tensors[0])
    for layer in reversed(passing):
        logits = layer.__class__.from_config(layer.get_config())(logits)
    return keras.Model(model.inputs[0], logits, name=model.name)


def _linear(node: Any) -> Any:
    """Returns the layer that replaces a call that ends in softmax, `_NOTHING` to drop it; None for other calls."""
    operation = node.operation
    if isinstance(operation, keras.Model):
        inner = without_softmax(operation) if getattr(operation, "outputs", None) else operation
        return None if inner is operation else inner
    if type(operation).__name__ == "Softmax":
        return _NOTHING
    if not isinstance(operation, keras.Layer) or _activation(operation) != _SOFTMAX:
        return None
    if isinstance(operation, keras.layers.Activation):
        return _NOTHING
    return operation.__class__.from_config(operation.get_config() | {"activation": "linear"})


def _activation(layer: Any) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def _node(tensor: keras.KerasTensor) -> Any:
    """Returns the call that made a tensor."""
    made = tensor._keras_history
    return made.operation._inbound_nodes[made.node_index]
