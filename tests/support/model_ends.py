"""Small models of which a test gives the last or the first layers."""

import keras
from keras import layers

SHAPE, CLASSES = (32, 32, 3), 3


def ending(make):
    """Returns a model that ends with what `make` does to the pooled features."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    return keras.Model(inputs, make(layers.GlobalAveragePooling2D()(x)))


def starting(first):
    """Returns a model that begins with a layer."""
    inputs = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(first(inputs)))
    return keras.Model(inputs, layers.Dense(CLASSES)(x))
