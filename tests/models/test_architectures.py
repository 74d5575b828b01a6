import keras
import pytest

from tftransfer.experiment.config import Config
from tftransfer.models import architectures, serialization, sizes


def shape(model, **options):
    return Config(model=model, image_size=options.pop("image_size", 32), **options)


# Blocks of keras.applications: how many, the first three and the last two.
PINNED = {
    "ResNet50": (18, ("conv1_conv", "conv2_block1", "conv2_block2"), ("conv5_block3", "predictions")),
    "ResNet50V2": (18, ("conv1_conv", "conv2_block1", "conv2_block2"), ("conv5_block3", "predictions")),
    "MobileNetV3Small": (15, ("conv", "expanded_conv", "expanded_conv_1"), ("conv_2", "logits")),
    "EfficientNetV2B0": (24, ("stem_conv", "block1a", "block2a"), ("top_conv", "predictions")),
    "ConvNeXtTiny": (23, ("stem", "stage_0_block_0", "stage_0_block_1"), ("stage_3_block_2", "head_dense")),
    "DenseNet121": (63, ("conv1_conv", "conv2_block1", "conv2_block2"), ("conv5_block16", "predictions")),
    "MobileNet": (15, ("conv1", "conv_dw_1", "conv_dw_2"), ("conv_dw_13", "conv_preds")),
    "VGG16": (16, ("block1_conv1", "block1_conv2", "block2_conv1"), ("fc2", "predictions")),
}


@pytest.mark.parametrize("model", PINNED)
def test_blocks_of_applications(model):
    names = architectures.block_names(shape(model).architecture)
    assert (len(names), names[:3], names[-2:]) == PINNED[model]


@pytest.mark.heavy
def test_every_application_can_be_cut():
    from tftransfer.models import catalog

    for model in catalog.APPLICATIONS:
        if not model.endswith(("XLarge", "L", "B5", "B6", "B7", "NASNetLarge")):
            names = architectures.block_names(
                shape(model, image_size=max(32, catalog.smallest_side(model))).architecture
            )
            assert len(names) > 2, model
            assert len(set(names)) == len(names), model


def test_names_and_digests_do_not_depend_on_what_was_built_before():
    config = shape("small_models:residual")
    first = architectures.build(config.architecture, 3)
    before = keras.layers.Conv2D(3, 3).name
    again = architectures.build(config.architecture, 3)
    assert [layer.name for layer in first.layers] == [layer.name for layer in again.layers]
    assert "conv2d" in [layer.name for layer in again.layers]
    assert serialization.digest(first) == serialization.digest(again)
    assert serialization.digest(architectures.build(config.architecture, 4)) != serialization.digest(first)
    after = keras.layers.Conv2D(3, 3).name
    numbers = [int(name.removeprefix("conv2d").removeprefix("_") or 0) for name in (before, after)]
    assert numbers[1] == numbers[0] + 1, "the user's own numbering goes on"


def test_which_models_scale_their_images():
    assert not architectures.takes_raw_images(Config().architecture)
    assert not architectures.takes_raw_images(shape("MobileNetV3Small").architecture), "built without its preprocessing"
    assert architectures.takes_raw_images(shape("EfficientNetB0").architecture), "which cannot be built without"
    assert architectures.takes_raw_images(shape("small_models:rescaled").architecture)


def test_what_identity_says():
    assert architectures.identity(Config().architecture) is None
    narrow = architectures.identity(shape("small_models:chain").architecture)
    assert narrow["blocks"] == ["one", "two", "logits"]
    assert len(narrow["sha256"]) == 64
    wide = architectures.identity(shape("small_models:chain", width=0.5, dropout=0.1, initializer="paper").architecture)
    assert wide == narrow, "options of AlexNet"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing_here:build", "Cannot import the module"),
        ("small_models:nothing", "no function nothing"),
        ("small_models:_logits", "must take the shape of the images, .* missing a required argument: 'classes'"),
    ],
)
def test_functions_that_are_not_there_or_fail(model, message):
    with pytest.raises(ValueError, match=message):
        architectures.build(shape(model).architecture, 3)


def test_a_function_that_gives_another_architecture_at_each_call_is_named_so(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "fickle.py").write_text(
        "import itertools, keras\ncount = itertools.count(4)\n"
        "def build(shape, classes):\n"
        "    x = inputs = keras.Input(shape)\n    x = keras.layers.Conv2D(next(count), 3)(x)\n"
        "    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))"
    )
    with pytest.raises(ValueError, match="fickle:build gives another architecture at each call"):
        architectures.block_names(shape("fickle:build").architecture)


def test_models_of_absurdly_many_parameters_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(sizes, "MOST_PARAMETERS", 100)
    with pytest.raises(ValueError, match=r"small_models:chain has \d+ parameters; 100 are trained at most"):
        architectures.build(shape("small_models:chain").architecture, 3)


def test_a_sequential_without_an_input_is_told_what_it_lacks():
    with pytest.raises(ValueError, match=r"small_models:open_chain .*Add keras.Input\(input_shape\) as its first"):
        architectures.block_names(shape("small_models:open_chain").architecture)
