import keras
import pytest
from keras import layers

import model_ends
from model_ends import ending, starting
from tftransfer.models import validation

SHAPE, CLASSES = model_ends.SHAPE, model_ends.CLASSES


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


class Hidden(layers.Layer):
    """Draws noise that no seed decides."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


class Harmless(layers.Layer):
    """Code that we do not know, but which draws nothing."""

    def call(self, inputs):
        return 2 * inputs


def two_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    x = layers.Conv2D(4, 3)(layers.Add()(inputs))
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def two_outputs():
    model = ending(layers.Dense(CLASSES))
    return keras.Model(model.inputs[0], [model.outputs[0], model.outputs[0]])


def dropped_twice():
    inputs, dropout = keras.Input(SHAPE), layers.Dropout(0.5, name="twice")
    x = dropout(layers.Conv2D(4, 3)(dropout(inputs)))
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


REFUSED = {
    "no model": (lambda: 3, "must give a keras.Model"),
    "subclassed": (Subclassed, "Only a functional"),
    "two inputs": (two_inputs, r"2 input\(s\)"),
    "two outputs": (two_outputs, r"2 output\(s\)"),
    "sigmoid": (lambda: ending(layers.Dense(CLASSES, activation="sigmoid")), "ends in sigmoid"),
    "sigmoid, then float32": (
        lambda: ending(
            lambda x: layers.Activation("linear", dtype="float32")(layers.Dense(CLASSES, activation="sigmoid")(x))
        ),
        "ends in sigmoid",
    ),
    "decay of a kernel": (lambda: ending(layers.Dense(CLASSES, kernel_regularizer="l2")), "penalties of its own"),
    "penalty on features": (lambda: starting(layers.Conv2D(4, 3, activity_regularizer="l1")), "activity_regularizer"),
    "penalty as a layer": (lambda: starting(layers.ActivityRegularization(l2=0.1)), "penalties of its own"),
    "decay inside": (
        lambda: starting(keras.Sequential([layers.Conv2D(4, 3, bias_regularizer="l2", name="deep")])),
        r"in the layer deep \(bias_regularizer",
    ),
    "classes": (lambda: ending(layers.Dense(CLASSES + 1)), r"logits of shape \(None, 3\). Received: \(None, 4\)"),
    "a map": (lambda: keras.Model(i := keras.Input(SHAPE), layers.Conv2D(CLASSES, 3)(i)), "must end in logits"),
    "other images": (
        lambda: keras.Model(i := keras.Input((64, 64, 3)), layers.Dense(3)(layers.Flatten()(i))),
        "Use --image_size=64",
    ),
    "lambda": (lambda: ending(lambda x: layers.Dense(CLASSES)(layers.Lambda(lambda y: y * 2)(x))), "Lambda layer"),
    "random images": (lambda: starting(layers.RandomFlip()), "which cannot be repeated image by image"),
    "fixed batch": (lambda: starting(layers.Dropout(0.5, noise_shape=(8, 1, 1, 1))), "fixes the batch"),
    "shared dropout": (dropped_twice, "draws noise in 2 places"),
    "one block": (
        lambda: keras.Model(i := keras.Input(SHAPE), layers.Dense(CLASSES)(layers.Flatten()(i))),
        "single block",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_refused_with_the_reason(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        validation.check(make(), "net.keras", SHAPE, CLASSES)
    assert "\n" not in str(error.value)


def test_noise_in_layers_of_unknown_code_is_found():
    with pytest.raises(ValueError, match="a layer of its own draws random numbers"):
        validation.check_repeatable(starting(Hidden()), "net.keras", SHAPE)
    validation.check_repeatable(starting(Harmless()), "net.keras", SHAPE)


class Added(layers.Layer):
    """Code that we do not know, which adds to the loss."""

    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs))
        return inputs


def test_losses_added_by_layers_of_unknown_code_are_found():
    with pytest.raises(ValueError, match="a layer adds to the loss"):
        validation.check_repeatable(starting(Added()), "net.keras", SHAPE)


def test_relu_below_the_head_and_linear_above_are_no_fault():
    validation.check(
        ending(lambda x: layers.Activation("linear")(layers.Dense(CLASSES)(layers.ReLU()(x)))), "x", SHAPE, CLASSES
    )
