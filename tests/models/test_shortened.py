"""Networks whose head has moved down: which layers they share, what their head is, what they compute."""

import keras
import numpy as np
import pytest

import small_models
from tftransfer.models import AlexNet
from tftransfer.models.blocks import blocks
from tftransfer.models.shortened import shortened

IMAGES = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("left", range(1, 7))
def test_the_head_stands_on_the_mean_over_space_of_the_last_block_that_is_left(left):
    model = AlexNet((32, 32, 3), 5, width=0.1, initializer="he_normal", seed=0)
    parts = blocks(model)
    made = shortened(model, parts, left)
    below = {layer for block in parts[:left] for layer in block.layers}
    dropped = {layer for block in parts[left:] for layer in block.layers}
    names = {layer.name for layer in made.layers}
    assert below <= names
    assert names & dropped == {"fc8"}, "only the head has the name of a dropped layer"
    features = np.asarray(keras.Model(model.input, parts[left - 1].output)(IMAGES, training=False))
    pooled = features.mean((1, 2)) if features.ndim == 4 else features  # (batch, channels)
    kernel, bias = made.get_layer("fc8").get_weights()
    assert kernel.shape == (features.shape[-1], 5)
    np.testing.assert_allclose(made(IMAGES, training=False), pooled @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_layers_below_are_shared_and_the_head_is_another():
    model = AlexNet((32, 32, 3), 5, width=0.1)
    before = model.get_layer("fc8").get_weights()
    made = shortened(model, blocks(model), 3)
    assert made.get_layer("conv2") is model.get_layer("conv2")
    assert made.get_layer("fc8") is not model.get_layer("fc8")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_layer("fc8").get_weights(), strict=True))


def test_the_head_has_the_options_of_the_models_own():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="one")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(6, 3, name="two")(x))
    own = keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros", dtype="float32", name="logits")
    made = shortened(model := keras.Model(inputs, own(x), name="net"), blocks(model), 1)
    head = made.get_layer("logits")
    assert (head.units, head.use_bias, head.dtype_policy.name) == (3, False, "float32")
    assert not head.get_weights()[0].any()
    assert (made.name, made.output_shape) == ("net", (None, 3))


def test_sequences_are_averaged_over_their_positions():
    inputs = keras.Input((6, 5))
    x = keras.layers.Conv1D(4, 3, name="one")(inputs)  # (batch, 4, 4)
    x = keras.layers.Conv1D(8, 2, name="two")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling1D()(x))
    made = shortened(model := keras.Model(inputs, x), blocks(model), 1)
    values = np.random.default_rng(1).normal(size=(2, 6, 5)).astype(np.float32)
    kernel, bias = made.get_layer("logits").get_weights()
    features = np.asarray(keras.Model(inputs, model.get_layer("one").output)(values))
    np.testing.assert_allclose(made(values), features.mean(1) @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_a_head_that_is_a_convolution_becomes_a_dense_layer_of_its_name():
    """As in MobileNetV3, whose logits are a convolution of one pixel."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(6, 3, name="two")(keras.layers.Conv2D(4, 3, name="one")(inputs))
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Flatten(name="flat")(keras.layers.Conv2D(5, 1, name="logits")(x))
    made = shortened(model := keras.Model(inputs, x), parts := blocks(model), 1)
    assert isinstance(made.get_layer("logits"), keras.layers.Dense)
    assert "logits" in parts[-1].layers
    assert made.output_shape == (None, 5)


def test_a_head_of_several_layers_becomes_one():
    model = AlexNet((32, 32, 3), 5, width=0.1)
    parts = blocks(model, ["conv1", "conv5"])
    assert {"fc6", "fc7", "fc8"} <= set(parts[-1].layers)
    made = shortened(model, parts, 1)
    assert [layer.name for layer in made.layers if layer.weights] == ["conv1", "fc8"]


def test_any_model_may_lose_blocks():
    for builder in (small_models.residual, small_models.chain, small_models.nested_chain, small_models.mobilenet_v3):
        model = builder((32, 32, 3), 4)
        parts = blocks(model)
        for left in range(1, len(parts) - 1):
            assert shortened(model, parts, left)(IMAGES).shape == (3, 4), (builder.__name__, left)


@pytest.mark.parametrize("left", [-1, 0, 7, 8])
def test_no_block_or_all_blocks_left_is_refused(left):
    model = AlexNet((32, 32, 3), 5, width=0.1)
    with pytest.raises(ValueError, match=f"Of 8 blocks, 1 to 6 can be left.*Received: {left}"):
        shortened(model, blocks(model), left)
