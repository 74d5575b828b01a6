"""The input of pretrained weights against keras.applications: `preprocess_input`, and layers that are left out here."""

import inspect

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils

from tftransfer.data import pipeline
from tftransfer.models import preprocessing
from tftransfer.models.catalog import APPLICATIONS
from tftransfer.models.preprocessing import MODES, Preprocessing

PIXELS = np.stack([np.arange(256, dtype=np.uint8), np.arange(255, -1, -1, np.uint8), np.full(256, 7, np.uint8)], -1)
PIXELS = PIXELS.reshape(1, 16, 16, 3)  # every value in two channels


def seen(given, pixels=PIXELS):
    """The input that networks get, through the pipeline that trains them."""
    view = pipeline.View.of_channels(16, 16, given.mean, given.scale, given.order == "bgr")
    nowhere = np.zeros(len(pixels), np.int64)
    return pipeline.crop(pixels, view, nowhere, nowhere, nowhere.astype(bool))


def one_unit(values):
    """One unit in the last place of the largest value."""
    return np.spacing(np.float32(np.abs(values).max()))


def check(mode, theirs):
    """Asserts one unit of the exact map, and of Keras' own steps, of which torch's are 1.5 units off that."""
    given = MODES[mode]
    pixels = PIXELS[..., ::-1] if given.order == "bgr" else PIXELS
    exact = (pixels.astype(np.float64) - given.mean) * given.scale
    np.testing.assert_allclose(seen(given), exact, rtol=0, atol=one_unit(theirs))
    np.testing.assert_allclose(seen(given), theirs, rtol=0, atol=(2 if mode == "torch" else 1) * one_unit(theirs))
    if mode in ("caffe", "none"):
        np.testing.assert_array_equal(seen(given), theirs)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_modes_are_those_of_keras(mode):
    check(mode, imagenet_utils.preprocess_input(PIXELS.astype("float32"), mode=mode))


def test_no_mode_leaves_pixels_as_they_come():
    np.testing.assert_array_equal(seen(MODES["none"]), PIXELS.astype("float32"))


def module_of(model):
    """The module of keras.applications that has a builder and its preprocess_input."""
    return inspect.getmodule(inspect.unwrap(getattr(keras.applications, model)))


@pytest.mark.parametrize("model", APPLICATIONS)
def test_the_mode_of_every_model_is_that_of_its_own_preprocess_input(model):
    module = module_of(model)
    if model.startswith("ResNet") and model.endswith("V2"):
        module = keras.applications.resnet_v2
    check(preprocessing.application_mode(model), module.preprocess_input(PIXELS.astype("float32")))


def stem(model, **options):
    """A model of keras.applications up to its first weights, whose input is what weights know."""
    built = getattr(keras.applications, model)(weights=None, input_shape=(64, 64, 3), **options)
    first = next(layer for layer in built.layers if layer.weights)
    return keras.Model(built.inputs[0], first.input)


@pytest.mark.parametrize("model", ["ConvNeXtTiny", "EfficientNetV2B0", "EfficientNetV2S", "MobileNetV3Small"])
def test_layers_that_are_left_out_are_done_by_the_map(model):
    assert "include_preprocessing" in inspect.signature(getattr(keras.applications, model)).parameters
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    theirs = keras.ops.convert_to_numpy(stem(model)(images.astype("float32")))
    given = preprocessing.of_application(model)
    view = pipeline.View.of_channels(64, 64, given.mean, given.scale, given.order == "bgr")
    nowhere = np.zeros(2, np.int64)
    inputs = pipeline.crop(images, view, nowhere, nowhere, nowhere.astype(bool))
    ours = keras.ops.convert_to_numpy(stem(model, include_preprocessing=False)(inputs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * one_unit(theirs))
    assert preprocessing.parse("none", model) == given
    assert preprocessing.parse("none", f"{model}x:build") == MODES["none"], "a function of that name is another model"


def test_every_model_that_can_be_built_without_its_preprocessing_is_known():
    left_out = {
        model for model in APPLICATIONS
        if "include_preprocessing" in inspect.signature(getattr(keras.applications, model)).parameters
    }  # fmt: skip
    assert {model for model in APPLICATIONS if preprocessing.parse("none", model) != MODES["none"]} == left_out


def test_efficientnet_is_scaled_once_more_as_keras_does_with_imagenet_weights():
    """Keras adds a layer to EfficientNetB0 to B7 with these weights: (x / 255 - mean) / sqrt(deviation) twice."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    inputs = seen(preprocessing.of_application("EfficientNetB3")).astype(np.float64)
    ours = (inputs / 255 - mean) / np.sqrt(deviation)  # Rescaling and Normalization, which stay in the model
    np.testing.assert_allclose(ours, (PIXELS / 255 - mean) / deviation, atol=1e-6)
    assert preprocessing.parse("none", "EfficientNetB3") == MODES["none"]


@pytest.mark.parametrize("model", APPLICATIONS)
def test_texts_are_read_back(model):
    given = preprocessing.of_application(model)
    for text in (given.text, given.numbers):
        assert preprocessing.parse(text) == given
        assert preprocessing.expected(text) is None


@pytest.mark.parametrize(
    "text",
    ["Torch", "rgb", "rgb:1,2:3,4,5", "rgb:1,2,3:0,1,1", "grb:1,2,3:1,1,1", "rgb:1,2,3:nan,1,1", "rgb:1e9,0,0:1,1,1",
     "rgb:1,2,3:1,1,1:", "rgb:1,2,3:1,1,-1", "rgb:" + "9" * 400 + ",0,0:1,1,1"],
)  # fmt: skip
def test_what_is_no_preprocessing_is_refused_with_what_is(text):
    assert preprocessing.expected(text) == preprocessing.EXPECTED
    with pytest.raises(ValueError, match=r"Expected.*Received"):
        preprocessing.parse(text)


def test_the_mean_image_needs_no_map():
    assert preprocessing.parse("") is preprocessing.parse("pixels") is None
    assert preprocessing.expected("") is preprocessing.expected("pixels") is None


def test_a_map_is_three_finite_means_and_factors_above_zero():
    assert Preprocessing([1, 2, 3], [1, 1, 1]) == Preprocessing((1.0, 2.0, 3.0), (1.0, 1.0, 1.0))
    for mean, scale, order in (
        ((1, 2), (1, 1, 1), "rgb"), ((1, 2, float("inf")), (1, 1, 1), "rgb"), ((1, 2, 3), (1, 0, 1), "rgb"),
        ((1, 2, 3), (1, 1, 1), "rbg"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="three finite means"):
            Preprocessing(mean, scale, order)
