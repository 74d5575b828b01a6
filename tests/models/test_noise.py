import keras
import numpy as np
import pytest
from keras import layers
from keras.src.applications.convnext import StochasticDepth

from tftransfer.models import noise

KINDS = {
    "Dropout": (lambda: layers.Dropout(0.4), (None, None, None, None)),
    "noise shape": (lambda: layers.Dropout(0.4, noise_shape=(None, 1, 1, None)), (None, 1, 1, None)),
    "one mask": (lambda: layers.Dropout(0.4, noise_shape=(1, None, None, None)), (1, None, None, None)),
    "SpatialDropout2D": (lambda: layers.SpatialDropout2D(0.4), (None, 1, 1, None)),
    "StochasticDepth": (lambda: StochasticDepth(0.4), (None, 1, 1, 1)),
    "GaussianNoise": (lambda: layers.GaussianNoise(0.4), None),
    "GaussianDropout": (lambda: layers.GaussianDropout(0.4), None),
    "AlphaDropout": (lambda: layers.AlphaDropout(0.4), None),
}


def pair(kind):
    """Returns Keras' layer, called once, and ours."""
    layer = KINDS[kind][0]()
    layer(keras.Input((12, 12, 16)))
    return layer, noise.replacement(layer, seed=3)


@pytest.fixture(scope="module")
def images():
    return keras.random.normal((64, 12, 12, 16), seed=0) + 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_replacement_has_the_same_distribution(kind, images):
    keras.utils.set_random_seed(0)  # Keras' own draw from a hidden state, which no test before this one may move
    if kind == "StochasticDepth":  # one mask for each image: of 64, means differ by 14 % from draw to draw
        images = keras.random.normal((8192, 1, 1, 16), seed=0) + 1.0
    theirs, ours = (keras.ops.convert_to_numpy(layer(images, training=True)) for layer in pair(kind))
    tolerance = 0.15 if 1 in (KINDS[kind][1] or ()) else 0.02
    for moment in (np.mean, np.std):
        assert moment(ours) == pytest.approx(moment(theirs), rel=tolerance), moment.__name__
    assert np.mean(ours == 0) == pytest.approx(np.mean(theirs == 0), abs=tolerance)
    assert not np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [kind for kind, (_, shape) in KINDS.items() if shape])
def test_masks_are_shared_where_the_noise_shape_says(kind, images):
    _, ours = pair(kind)
    mask = keras.ops.convert_to_numpy(ours(keras.ops.ones_like(images), training=True))
    for axis, side in enumerate(KINDS[kind][1]):
        shared = np.array_equal(mask, np.broadcast_to(mask.take([0], axis), mask.shape))
        assert shared == (side == 1), axis


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_a_function_of_seed_and_step(kind, images):
    _, ours = pair(kind)
    first, second = (keras.ops.convert_to_numpy(ours(images, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    ours.seek(1)
    assert np.array_equal(keras.ops.convert_to_numpy(ours(images, training=True)), second)
    assert np.array_equal(ours(images), images), "nothing outside training"
    again = type(ours).from_config(ours.get_config())
    assert np.array_equal(keras.ops.convert_to_numpy(again(images, training=True)), first)


@pytest.mark.parametrize("kind", KINDS)
def test_two_replicas_draw_what_one_draws(kind, images):
    import tensorflow as tf

    _, ours = pair(kind)
    whole = keras.ops.convert_to_numpy(ours(images, training=True))
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        mirrored = type(ours).from_config(ours.get_config())
    parts = iter((images[:32], images[32:]))
    values = strategy.experimental_distribute_values_from_function(lambda context: next(parts))
    results = strategy.run(lambda x: mirrored(x, training=True), args=(values,))
    assert np.array_equal(np.concatenate(strategy.experimental_local_results(results)), whole)


def test_noise_that_cannot_be_replaced_is_a_fault():
    attention = layers.MultiHeadAttention(2, 4, dropout=0.1)
    attention(keras.Input((4, 4)), keras.Input((4, 4)))
    for layer in (layers.RandomFlip(), layers.RandomRotation(0.1), layers.LSTM(3, dropout=0.1), attention):
        assert "draws random numbers which cannot be repeated" in noise.fault(layer)


def test_what_draws_nothing_is_no_fault():
    for layer in (layers.LSTM(3), layers.Dense(3), layers.MultiHeadAttention(2, 4), layers.Dropout(0.5)):
        assert noise.fault(layer) is None


def test_a_subclass_of_a_layer_of_noise_is_not_taken_for_it():
    class Own(layers.Dropout):
        pass

    assert noise.replacement(Own(0.5), 0) is None
    assert "Own" in noise.fault(Own(0.5))
    namesake = type("Dropout", (layers.Dropout,), {})
    assert noise.replacement(namesake(0.5), 0) is None
