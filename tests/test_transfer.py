import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import transfer
from tftransfer.models import AlexNet


def network(classes=5, seed=0, width=0.1, **options):
    return AlexNet((32, 32, 3), classes, width=width, initializer="he_normal", seed=seed, **options)


@pytest.fixture(scope="module")
def source():
    return network()


@pytest.mark.parametrize(("n", "frozen"), [(0, True), (1, True), (4, False), (7, True)])
def test_first_n_blocks_are_copied_and_the_rest_left_alone(source, n, frozen):
    target, untouched = network(classes=7, seed=1), network(classes=7, seed=1)
    copied = tftransfer.transplant(source, target, n=n, frozen=frozen)
    weight_layers = [layer for layer in target.layers if layer.weights]
    assert copied == tuple(layer.name for layer in weight_layers[:n])
    for position, layer in enumerate(weight_layers):
        origin = source if position < n else untouched
        for here, there in zip(layer.get_weights(), origin.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(here, there)
        assert layer.trainable == (position >= n or not frozen)


@pytest.mark.parametrize("n", [-1, 8, 100])
def test_n_out_of_range(source, n):
    with pytest.raises(ValueError, match=f"n must be 0 to 7.*Received: n={n}"):
        tftransfer.transplant(source, network(), n=n, frozen=True)


def test_n_may_be_the_name_of_the_last_copied_block(source):
    target = network(seed=1)
    assert tftransfer.transplant(source, target, n="conv4", frozen=True) == ("conv1", "conv2", "conv3", "conv4")
    assert not target.get_layer("conv4").trainable
    assert target.get_layer("conv5").trainable
    for wrong in ("conv9", "fc8"):
        with pytest.raises(ValueError, match=f"name of a block .*conv1, .*fc7.*Received: n='{wrong}'"):
            tftransfer.transplant(source, network(), n=wrong, frozen=True)


def test_mismatches_show_both_sides_and_change_nothing(source):
    target = network(width=0.2)
    before = transfer.weights_of(target)
    with pytest.raises(ValueError, match=r"conv2: source \[\(5, 5, 4, 24\).*target \[\(5, 5, 8, 48\)"):
        tftransfer.transplant(source, target, n=3, frozen=True)
    assert transfer.changed_layers(before, transfer.weights_of(target)) == ()


def test_other_architectures_are_refused(source):
    dense = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3, name="x"),
                              keras.layers.Dense(3, name="y")])  # fmt: skip
    with pytest.raises(ValueError, match="other blocks"):
        tftransfer.transplant(source, dense, n=1, frozen=True)


def test_a_compiled_target_is_refused_because_freezing_would_be_ignored(source):
    target = network()
    target.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has been compiled"):
        tftransfer.transplant(source, target, n=1, frozen=True)


def test_changed_layers_sees_a_single_bit(source):
    before = transfer.weights_of(source)
    after = transfer.weights_of(source)
    assert transfer.changed_layers(before, after) == ()
    after["conv3"][0].view(np.uint32).flat[0] ^= 1
    assert transfer.changed_layers(before, after) == ("conv3",)


def test_batch_norm_statistics_are_copied_and_frozen():
    def with_batch_norm():
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3, name="conv1")(inputs)
        x = keras.layers.BatchNormalization(name="conv1_bn")(x)
        return keras.Model(inputs, keras.layers.Dense(2, name="head")(keras.layers.Flatten(name="head_flatten")(x)))

    one, other = with_batch_norm(), with_batch_norm()
    one.get_layer("conv1_bn").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    assert transfer.transplant(one, other, n=1, frozen=True) == ("conv1",)
    np.testing.assert_array_equal(other.get_layer("conv1_bn").moving_mean, [1, 2, 3, 4])
    assert not other.get_layer("conv1_bn").trainable


def test_moving_statistics_are_known_and_can_be_left_out():
    import small_models

    model = small_models.nested((32, 32, 3), 3)
    places = transfer.statistics_of(model)
    assert places == {"backbone": (4, 5)}, "of a model in the place of a layer: kernel, bias, scale, shift, then these"
    before = transfer.weights_of(model)
    after = {name: [array.copy() for array in arrays] for name, arrays in before.items()}
    after["backbone"][4] += 1
    assert transfer.changed_layers(before, after) == ("backbone",)
    assert transfer.changed_layers(before, after, ignore=places) == ()
