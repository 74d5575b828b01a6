"""Models that end in softmax give the logits below it; all else of them stays."""

import keras
import numpy as np
import pytest
from keras import layers

from tftransfer.experiment.config import Config
from tftransfer.models import architectures, validation
from tftransfer.models.logits import without_softmax

SHAPE, CLASSES = (32, 32, 3), 3


def body(head):
    inputs = keras.Input(SHAPE, name="images")
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    return keras.Model(inputs, head(layers.GlobalAveragePooling2D(name="pool")(x)), name="net")


def inner(head):
    inside = keras.Input((4,))
    return keras.Model(inside, head(layers.Dense(6, name="inside")(inside)), name="top")


ENDING = {
    "activation of the last layer": lambda x: layers.Dense(CLASSES, activation="softmax", name="out")(x),
    "layer": lambda x: layers.Softmax()(layers.Dense(CLASSES, name="out")(x)),
    "activation layer": lambda x: layers.Activation("softmax")(layers.Dense(CLASSES, name="out")(x)),
    "operation": lambda x: keras.ops.softmax(layers.Dense(CLASSES, name="out")(x)),
    "then float32": lambda x: layers.Activation("linear", dtype="float32", name="wide")(
        layers.Dense(CLASSES, activation="softmax", name="out")(x)
    ),
    "in a model inside": lambda x: inner(layers.Dense(CLASSES, activation="softmax", name="out"))(x),
    "in a chain inside": lambda x: keras.Sequential(
        [layers.Dense(6), layers.Dense(CLASSES, activation="softmax", name="out")], name="top"
    )(x),
}


@pytest.mark.parametrize("case", ENDING)
def test_softmax_of_the_head_is_left_out(case):
    model = body(ENDING[case])
    ending_in_logits = without_softmax(model)
    validation.check(ending_in_logits, "net", SHAPE, CLASSES)
    assert ending_in_logits.name == "net"
    images = keras.random.normal((5, *SHAPE), seed=0)
    ending_in_logits.set_weights(model.get_weights())
    np.testing.assert_allclose(keras.ops.softmax(ending_in_logits(images)), model(images), atol=1e-6)
    assert keras.ops.max(keras.ops.abs(keras.ops.sum(ending_in_logits(images), -1) - 1)) > 1e-3
    assert {weight.path for weight in ending_in_logits.weights} >= {"conv/kernel", "conv/bias"}


@pytest.mark.parametrize("ending", ["sigmoid", "log_softmax", "relu"])
def test_other_endings_are_still_refused(ending):
    model = body(lambda x: layers.Dense(CLASSES, activation=ending)(x))
    assert without_softmax(model) is model
    with pytest.raises(ValueError, match=f"ends in {ending}"):
        validation.check(model, "net", SHAPE, CLASSES)


def test_softmax_inside_the_network_stays():
    model = body(lambda x: layers.Dense(CLASSES)(layers.Softmax()(layers.Dense(4)(x))))
    assert without_softmax(model) is model


def test_a_file_that_ends_in_softmax_is_the_same_as_one_without(tmp_path):
    digests = {}
    for activation in ("softmax", None):
        path = tmp_path / f"{activation}.keras"
        body(lambda x, a=activation: layers.Dense(CLASSES, activation=a, name="out")(x)).save(path)
        config = Config(model=str(path))
        model = architectures.build(config.architecture, 7)
        assert model.output_shape == (None, 7)
        digests[activation] = (
            architectures.block_names(config.architecture),
            architectures.identity(config.architecture)["sha256"],
        )
    assert digests["softmax"] == digests[None]
