"""Files of weights in the layout before Keras 3, as keras.applications publishes them."""

import h5py
import numpy as np


def write(path, layers, inside="", pieces=0):
    """Writes arrays by layer name, in order.

    Args:
        path: The file.
        layers: Arrays by the name of their layer; layers may have none.
        inside: Group of the weights, `model_weights` for a whole saved model.
        pieces: Number of names in each attribute, which Keras splits if they are many; 0 for one attribute.
    """
    with h5py.File(path, "w") as file:
        root = file.require_group(inside) if inside else file
        _names(root, "layer_names", list(layers), pieces)
        for layer, arrays in layers.items():
            group = root.create_group(layer)
            names = [f"{layer}/weight_{number}:0" for number in range(len(arrays))]
            _names(group, "weight_names", names, pieces)
            for name, array in zip(names, arrays, strict=True):
                group[name] = array
    return path


def of(model, rename=lambda name: name, leave_out=()):
    """Returns the arrays of a model's layers in the order of this layout."""
    return {
        rename(layer.name): [np.asarray(w) for w in layer.trainable_weights + layer.non_trainable_weights]
        for layer in model.layers
        if layer.name not in leave_out
    }


def _names(group, attribute, names, pieces):
    encoded = np.array([name.encode() for name in names]) if names else np.zeros(0, "S1")
    if not pieces:
        group.attrs[attribute] = encoded
        return
    for number, start in enumerate(range(0, len(names), pieces)):
        group.attrs[f"{attribute}{number}"] = encoded[start : start + pieces]
