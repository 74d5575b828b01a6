import importlib.util
import inspect
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tftransfer import models
from tftransfer.models import AlexNet, GroupedConv2D, LocalResponseNormalization
from tftransfer.models.catalog import ALEXNET_BLOCKS

SMALL = {"input_shape": (32, 32, 3), "classes": 5, "width": 0.05}


@pytest.fixture(scope="module")
def caffenet():
    return AlexNet(classes=500, seed=0)


def weights(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.get_weights()}


def changed(first, second):
    """Names of the layers whose weights differ."""
    pairs = zip(weights(first).items(), weights(second).values(), strict=True)
    return [name for (name, a), b in pairs if any((x != y).any() for x, y in zip(a, b, strict=True))]


# CaffeNet


def test_caffenet_has_the_published_number_of_parameters(caffenet):
    assert caffenet.count_params() == 58_916_724
    # The head is all that depends on the number of classes: 4096 weights and a bias each.
    assert caffenet.count_params() + 500 * 4097 == 60_965_224


def test_caffenet_has_the_published_shapes(caffenet):
    last = {layer.name.split("_")[0]: layer.output.shape[1:] for layer in caffenet.layers[1:]}
    assert last == {
        "conv1": (27, 27, 96),
        "conv2": (13, 13, 256),
        "conv3": (13, 13, 384),
        "conv4": (13, 13, 384),
        "conv5": (6, 6, 256),
        "fc6": (4096,),
        "fc7": (4096,),
        "fc8": (500,),
    }


def test_layers_stand_in_caffenets_order_and_bear_their_blocks_name(caffenet):
    assert " ".join(layer.name for layer in caffenet.layers) == (
        "images conv1 conv1_relu conv1_pool conv1_norm conv2 conv2_relu conv2_pool conv2_norm conv3 conv3_relu "
        "conv4 conv4_relu conv5 conv5_relu conv5_pool fc6_flatten fc6 fc6_relu fc6_dropout fc7 fc7_relu fc7_dropout fc8"
    )
    assert tuple(weights(caffenet)) == ALEXNET_BLOCKS


def test_caffenet_has_the_papers_initial_statistics(caffenet):
    deviations = [0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01]
    biases = [0, 1, 0, 1, 1, 1, 1, 0]
    for (name, (kernel, bias)), deviation, constant in zip(weights(caffenet).items(), deviations, biases, strict=True):
        sample = kernel.reshape(-1)[:1_000_000]
        assert sample.std() == pytest.approx(deviation, rel=0.02), name
        assert abs(sample.mean()) < 5 * deviation / np.sqrt(sample.size), name
        assert np.abs(sample).max() > 3 * deviation, f"{name} is cut off, a normal distribution is not"
        assert (bias == constant).all(), name


def test_caffenet_has_the_papers_kernels_groups_and_normalisation(caffenet):
    convolutions = [layer for layer in caffenet.layers if isinstance(layer, keras.layers.Conv2D)]
    table = [(layer.kernel_size[0], layer.strides[0], layer.padding, layer.groups) for layer in convolutions]
    upper = [(5, 1, "same", 2), (3, 1, "same", 1), (3, 1, "same", 2), (3, 1, "same", 2)]
    assert table == [(11, 4, "valid", 1), *upper]
    assert [layer.name for layer in caffenet.layers if isinstance(layer, GroupedConv2D)] == ["conv2", "conv4", "conv5"]
    norms = [layer for layer in caffenet.layers if isinstance(layer, LocalResponseNormalization)]
    assert [(n.depth_radius, n.alpha, n.beta, n.bias) for n in norms] == [(2, 1e-4, 0.75, 1.0)] * 2


# Sizes and widths


@pytest.mark.parametrize(
    ("side", "kernel", "conv1_side", "conv5_side"),
    [(32, 5, 15, 3), (40, 5, 19, 4), (48, 5, 23, 5), (49, 7, 12, 2), (64, 7, 15, 3), (96, 7, 23, 5), (97, 11, 10, 1)],
)
def test_conv1_shrinks_with_the_image(side, kernel, conv1_side, conv5_side):
    model = AlexNet((side, side, 3), classes=5, width=0.05)
    assert model.get_layer("conv1").kernel_size == (kernel, kernel)
    assert model.get_layer("conv1_norm").output.shape[1:3] == (conv1_side, conv1_side)
    assert model.get_layer("conv5_pool").output.shape[1:3] == (conv5_side, conv5_side)
    assert tuple(weights(model)) == ALEXNET_BLOCKS


def test_golden_parameter_counts_of_small_networks():
    counts = {
        (32, 1.0, 100): 28_938_724,
        (32, 0.5, 100): 7_341_348,
        (64, 0.5, 100): 7_344_804,
        (32, 0.25, 100): 1_888_708,
    }
    for (side, width, classes), parameters in counts.items():
        assert AlexNet((side, side, 3), classes, width=width).count_params() == parameters, (side, width)


def test_the_shorter_side_chooses_the_table():
    model = AlexNet((32, 100, 1), classes=5, width=0.05)
    assert model.get_layer("conv1").kernel_size == (5, 5)
    assert model.output.shape == (None, 5)


def test_width_scales_all_but_the_head():
    def sizes(width):
        return [kernel.shape[-1] for kernel, _ in weights(AlexNet((32, 32, 3), classes=5, width=width)).values()]

    assert sizes(0.5) == [48, 128, 192, 192, 128, 2048, 2048, 5]
    assert sizes(0.01) == [8, 8, 8, 8, 8, 40, 40, 5]
    assert sizes(0.1) == [8, 24, 40, 40, 24, 408, 408, 5]


# Seeds and initialisers


def test_a_seed_decides_the_weights():
    assert changed(AlexNet(**SMALL, seed=1), AlexNet(**SMALL, seed=1)) == []
    assert changed(AlexNet(**SMALL, seed=1), AlexNet(**SMALL, seed=2)) == list(ALEXNET_BLOCKS)
    assert changed(AlexNet(**SMALL), AlexNet(**SMALL)) == list(ALEXNET_BLOCKS)


def test_layers_draw_independently():
    """Neither another layer's shape nor equal shapes couple two layers."""
    fewer, more = (AlexNet(**{**SMALL, "classes": classes}, seed=1) for classes in (5, 7))
    for name in ALEXNET_BLOCKS[:-1]:
        np.testing.assert_array_equal(weights(fewer)[name][0], weights(more)[name][0])
    network = weights(AlexNet((32, 32, 3), classes=5, width=0.01, seed=1))
    assert network["conv4"][0].shape == network["conv5"][0].shape
    assert (network["conv4"][0] != network["conv5"][0]).any()


def test_dropout_layers_have_seeds_of_their_own():
    def seeds(seed):
        model = AlexNet(**SMALL, seed=seed)
        return [model.get_layer(f"{block}_dropout").seed for block in ("fc6", "fc7")]

    assert seeds(1) == seeds(1)
    assert len({*seeds(1), *seeds(2)}) == 4
    assert seeds(None) == [None, None]


@pytest.mark.parametrize(("initializer", "gain"), [("he_normal", 2.0), ("glorot_uniform", 1.0)])
def test_other_initializers_scale_with_the_fan_and_have_no_bias(initializer, gain):
    model = AlexNet((32, 32, 3), classes=5, width=0.25, initializer=initializer, seed=0)
    kernel = weights(model)["fc6"][0]
    fan = kernel.shape[0] if initializer == "he_normal" else sum(kernel.shape) / 2
    assert kernel.std() == pytest.approx(np.sqrt(gain / fan), rel=0.02)
    assert all((bias == 0).all() for _, bias in weights(model).values())


# Output


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_outputs_are_float32_and_finite_for_raw_images_in_every_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = AlexNet(**SMALL, seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    for training in (False, True):
        logits = model(pixels, training=training)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        assert np.isfinite(logits).all()
    assert model.get_layer("conv1").compute_dtype == keras.DTypePolicy(policy).compute_dtype


def test_classifier_activation_turns_logits_into_probabilities():
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    logits = AlexNet(**SMALL, initializer="he_normal", seed=0)(x)
    probabilities = AlexNet(**SMALL, initializer="he_normal", classifier_activation="softmax", seed=0)(x)
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), rtol=1e-5)


def test_one_training_step_under_xla_equals_one_without():
    x = np.random.default_rng(0).standard_normal((4, 32, 32, 3)).astype("float32")
    losses = []
    for jit in (False, True):
        model = AlexNet(**SMALL, dropout=0.0, initializer="he_normal", seed=0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=jit)
        losses.append([model.train_on_batch(x, np.arange(4)) for _ in range(2)])
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_saved_networks_come_back_the_same(tmp_path):
    model = AlexNet(**SMALL, initializer="he_normal", seed=0)
    model.save(tmp_path / "network.keras")
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(model(x), keras.saving.load_model(tmp_path / "network.keras")(x))


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (31, 32, 3)}, r"at least 32 pixels.*\(31, 32, 3\)"),
        ({"input_shape": (64, None, 3)}, r"at least 32 pixels.*\(64, None, 3\)"),
        ({"input_shape": (64, 64)}, r"height, width, channels.*\(64, 64\)"),
        ({"classes": 0}, "classes=0"),
        ({"width": 0.0}, "width=0.0"),
        ({"dropout": 1.0}, "rate=1.0"),
        ({"initializer": "zeros"}, "paper, he_normal, glorot_uniform.*initializer='zeros'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(**{**SMALL, **arguments})


# The package


def test_names_are_read_without_keras():
    code = "import sys, tftransfer.models.catalog; sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_offers_its_names():
    offered = {name: getattr(models, name) for name in models.__all__}
    layers = {name for name, value in offered.items() if callable(value)}
    assert layers == {"AlexNet", "GroupedConv2D", "LocalResponseNormalization", "ReplicaDropout"}
    assert all(inspect.ismodule(offered[name]) for name in set(offered) - layers)
    assert set(models.__all__) <= set(dir(models))
    with pytest.raises(AttributeError, match="VGG"):
        models.VGG  # noqa: B018


ON_ANOTHER_BACKEND = """
import json
import keras
import numpy as np
from tftransfer.models import AlexNet, ReplicaDropout
generator = np.random.default_rng(0)
model = AlexNet((32, 32, 3), classes=5, width=0.1, dropout=0.0, initializer="he_normal")
for layer in model.layers:
    layer.set_weights([generator.normal(0, (2 * w.shape[-1] / w.size) ** 0.5, w.shape) for w in layer.get_weights()])
x = generator.standard_normal((4, 32, 32, 3)).astype("float32")
model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.train_on_batch(x, np.arange(4))
dropped = ReplicaDropout(0.5, seed=0)(keras.ops.ones((8, 64)), training=True)
zeros = int((np.asarray(dropped) == 0).sum())
print(json.dumps({"zeros": zeros, "logits": np.asarray(model.predict(x, verbose=0)).tolist()}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_the_same(backend):
    def computed(name):
        environment = {**os.environ, "KERAS_BACKEND": name}
        command = [sys.executable, "-c", ON_ANOTHER_BACKEND]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(output.splitlines()[-1])

    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    other, ours = computed(backend), computed("tensorflow")
    assert 200 < other["zeros"] < 312  # about half of 512; the generators differ
    np.testing.assert_allclose(other["logits"], ours["logits"], rtol=1e-4, atol=1e-5)
