import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tftransfer.models import GroupedConv2D, LocalResponseNormalization, ReplicaDropout
from tftransfer.training import strategies

POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]
RELATIVE_ERRORS = {"float32": 2e-6, "mixed_float16": 2e-3, "mixed_bfloat16": 1.6e-2}


def images(*shape, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype("float32")


def run(layer, inputs, jit=False, **kwargs):
    """Calls a layer in a compiled graph and returns its output in float32."""
    function = tf.function(lambda x: tf.cast(layer(x, **kwargs), tf.float32), jit_compile=jit)
    return function(tf.constant(inputs)).numpy()


def two_replicas():
    """The process's one strategy of two logical CPUs: TensorFlow fails with several."""
    return strategies.make("mirrored", 2)


# GroupedConv2D


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_split_convolution_equals_keras_own(groups, padding):
    shared = {"strides": 2, "padding": padding, "groups": groups, "bias_initializer": "uniform"}
    ours, own = GroupedConv2D(8, 3, implementation="split", **shared), keras.layers.Conv2D(8, 3, **shared)
    x = tf.constant(images(2, 7, 7, 4))
    own.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(own.get_weights())
    assert ours.kernel.shape == own.kernel.shape == (3, 3, 4 // groups, 8)
    results = []
    for layer in (ours, own):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * tf.cos(y))
        results.append([y, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_both_implementations_agree_in_every_precision_and_under_xla(policy, jit):
    x = images(2, 5, 5, 4)
    layers = [
        GroupedConv2D(6, 3, implementation=implementation, dtype=policy, kernel_initializer="ones")
        for implementation in ("split", "native")
    ]
    split, native = (run(layer, x, jit) for layer in layers)
    np.testing.assert_allclose(split, native, rtol=0.02, atol=10 * RELATIVE_ERRORS[policy])


def test_auto_splits_on_a_cpu():
    layer = GroupedConv2D(4, 3)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((1, 5, 5, 4))).graph
    assert [operation.type for operation in graph.get_operations()].count("Conv2D") == 2


def test_channels_first_splits_the_channels():
    layer = GroupedConv2D(6, 3, data_format="channels_first", implementation="split")
    assert layer.compute_output_shape((2, 4, 5, 7)) == (2, 6, 3, 5)
    # TensorFlow convolves this layout on GPUs and under XLA only.
    transposed = GroupedConv2D(6, 3, implementation="split")
    x = images(2, 4, 5, 7)
    layer.build(x.shape)
    transposed.build((2, 5, 7, 4))
    transposed.set_weights(layer.get_weights())
    expected = run(transposed, x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(run(layer, x, jit=True), expected, atol=1e-5)


def test_unknown_implementation_is_refused():
    with pytest.raises(ValueError, match=r"auto, split, native.*implementation='fast'"):
        GroupedConv2D(4, 3, implementation="fast")


# LocalResponseNormalization


def normalized(x, depth_radius=2, alpha=1e-4, beta=0.75, bias=1.0):
    """The definition, channel by channel, in float64."""
    x = x.astype("float64")
    y = np.empty_like(x)
    for channel in range(x.shape[-1]):
        window = x[..., max(0, channel - depth_radius) : channel + depth_radius + 1]
        y[..., channel] = x[..., channel] / (bias + alpha / (2 * depth_radius + 1) * (window**2).sum(-1)) ** beta
    return y


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_normalization_equals_its_definition(policy, jit):
    dtype = keras.DTypePolicy(policy).compute_dtype
    x = tf.cast(images(2, 3, 3, 8, scale=100), dtype).numpy().astype("float32")  # exact in the policy's type
    got = run(LocalResponseNormalization(dtype=policy), x, jit)
    np.testing.assert_allclose(got, normalized(x), rtol=RELATIVE_ERRORS[policy])


@pytest.mark.parametrize(
    "constants",
    [{}, {"depth_radius": 0}, {"depth_radius": 9}, {"beta": 0.5}, {"beta": 1.0, "bias": 2.0, "alpha": 0.1}],
)
def test_normalization_and_its_gradient_equal_tensorflows(constants):
    layer = LocalResponseNormalization(**constants)
    x = tf.constant(images(2, 3, 3, 8, scale=10))
    size = 2 * layer.depth_radius + 1
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = layer(x)
        theirs = tf.nn.local_response_normalization(x, layer.depth_radius, layer.bias, layer.alpha / size, layer.beta)
        losses = [tf.reduce_sum(y * tf.cos(y)) for y in (ours, theirs)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours, normalized(x.numpy(), **constants), rtol=2e-6, atol=1e-6)
    gradients = [tape.gradient(loss, x) for loss in losses]
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_large_activations_do_not_overflow_half_precision(policy):
    dtype = keras.DTypePolicy(policy).compute_dtype
    x = tf.cast(np.full((1, 1, 1, 8), 40000), dtype).numpy().astype("float32")
    got = run(LocalResponseNormalization(dtype=policy), x)
    np.testing.assert_allclose(got, normalized(x), rtol=RELATIVE_ERRORS[policy])


# ReplicaDropout


def test_dropout_keeps_its_rate_and_the_mean():
    x = np.ones((64, 512), "float32")
    y = run(ReplicaDropout(0.3, seed=0), x, training=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.01


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True)])
def test_dropout_is_the_identity_in_inference_and_at_rate_0(rate, training):
    x = images(4, 8)
    np.testing.assert_array_equal(run(ReplicaDropout(rate, seed=0), x, training=training), x)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_dropout_masks_depend_on_seed_and_step_alone(policy, jit):
    x = np.ones((8, 64), "float32")
    first, second, other = (ReplicaDropout(0.5, seed=seed, dtype=policy) for seed in (1, 1, 2))
    masks = [run(first, x, jit, training=True) for _ in range(3)]
    assert all((masks[i] != masks[j]).any() for i, j in [(0, 1), (0, 2), (1, 2)])
    second.seek(2)
    np.testing.assert_array_equal(run(second, x, jit, training=True), masks[2])
    assert (run(other, x, jit, training=True) != masks[0]).any()
    np.testing.assert_array_equal(np.unique(masks[0]), [0, 2])


def test_masks_do_not_depend_on_the_dtype_policy():
    x = np.ones((8, 64), "float32")
    masks = [run(ReplicaDropout(0.5, seed=1, dtype=policy), x, training=True) for policy in POLICIES]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_a_random_seed_is_kept_by_seek():
    x = np.ones((8, 64), "float32")
    layer = ReplicaDropout(0.5)
    first = run(layer, x, training=True)
    layer.seek(0)
    np.testing.assert_array_equal(run(layer, x, training=True), first)
    assert (run(ReplicaDropout(0.5), x, training=True) != first).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ValueError, match=f"rate={rate}"):
        ReplicaDropout(rate)


def dropout_network(seed=5):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(seed=1)),
            ReplicaDropout(0.5, seed=seed, name="dropout"),
            keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=2)),
        ]
    )


def fitted(scope, steps=6, seek=None):
    """Weights and dropout state of the network after `steps` training steps of 8 images."""
    data = tf.data.Dataset.from_tensor_slices((images(8 * steps, 6), images(8 * steps, 3, seed=1)))
    with scope:
        model = dropout_network()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", jit_compile=False)
        if seek is not None:
            model.get_layer("dropout").seek(seek)
    model.fit(data.batch(8, drop_remainder=True), shuffle=False, verbose=0)
    return model.get_weights(), np.array(model.get_layer("dropout").seed_generator.state)


def test_two_replicas_train_like_one_device():
    weights, state = fitted(contextlib.nullcontext())
    mirrored_weights, mirrored_state = fitted(two_replicas().scope())
    for got, expected in zip(mirrored_weights, weights, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    assert state.tolist() == mirrored_state.tolist() == [5, 6]


def test_seek_works_on_two_replicas():
    strategy = two_replicas()
    weights, state = fitted(contextlib.nullcontext(), seek=100)
    mirrored_weights, mirrored_state = fitted(strategy.scope(), seek=100)
    for got, expected in zip(mirrored_weights, weights, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    assert state.tolist() == mirrored_state.tolist() == [5, 106]
    assert any((a != b).any() for a, b in zip(weights, fitted(contextlib.nullcontext())[0], strict=True))


def test_replicas_share_the_mask_of_the_global_batch():
    strategy = two_replicas()
    x = np.ones((8, 32), "float32")
    whole = run(ReplicaDropout(0.5, seed=3), x, training=True)
    with strategy.scope():
        layer = ReplicaDropout(0.5, seed=3)
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(x).unbatch().batch(8))
    step = tf.function(lambda batch: strategy.run(lambda part: layer(part, training=True), [batch]))
    parts = strategy.experimental_local_results(step(next(iter(data))))
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (parts[0].numpy() != parts[1].numpy()).any()


# All layers


def all_layers():
    return [
        GroupedConv2D(8, 3, groups=4, strides=2, padding="same", implementation="split"),
        LocalResponseNormalization(depth_radius=1, alpha=0.1, beta=0.5, bias=2.0),
        ReplicaDropout(0.25, seed=7),
    ]


def test_saved_models_come_back_the_same(tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 4)), *all_layers()])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    x = images(2, 6, 6, 4)
    np.testing.assert_array_equal(model(x), restored(x))
    np.testing.assert_array_equal(model(x, training=True), restored(x, training=True))


@pytest.mark.parametrize("layer", all_layers(), ids=lambda layer: type(layer).__name__)
def test_configs_hold_every_argument(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert keras.saving.get_registered_name(type(layer)) == f"tftransfer>{type(layer).__name__}"


@pytest.mark.parametrize("layer", all_layers(), ids=lambda layer: type(layer).__name__)
def test_symbolic_shapes_are_the_real_ones(layer):
    assert layer.compute_output_shape((2, 6, 6, 4)) == layer(images(2, 6, 6, 4)).shape
