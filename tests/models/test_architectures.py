import pathlib

import keras
import pytest

import small_models
from tftransfer.experiment.config import Config
from tftransfer.models import architectures, serialization, sizes
from tftransfer.models.blocks import blocks
from tftransfer.system import signals


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
    found = architectures.block_names(shape(model).architecture)
    assert (len(found), found[:3], found[-2:]) == PINNED[model]


@pytest.mark.heavy
def test_every_application_can_be_cut():
    from tftransfer.models import catalog

    for model in catalog.APPLICATIONS:
        if not model.endswith(("XLarge", "L", "B5", "B6", "B7", "NASNetLarge")):
            found = architectures.block_names(
                shape(model, image_size=max(32, catalog.smallest_side(model))).architecture
            )
            assert len(found) > 2, model
            assert len(set(found)) == len(found), model


def test_multiply_adds_are_those_that_are_published():
    """VGG16: 15.5 and ResNet50: 3.9 billion at 224 pixels (He et al. 2016, tables 1 and 6 of their counts)."""
    for model, billions, parameters in (("VGG16", 15.47, 138_357_544), ("ResNet50", 3.86, 25_636_712)):
        costs = architectures.block_costs(shape(model, image_size=224).architecture, classes=1000)
        assert sum(cost.multiply_adds for cost in costs) / 1e9 == pytest.approx(billions, abs=0.01)
        assert sum(cost.parameters for cost in costs) == parameters


def test_costs_of_our_own_network_and_of_a_nested_one():
    costs = architectures.block_costs(
        Config(width=1.0, image_size=227, dataset="imagenet2012").architecture, classes=1000
    )
    assert [cost.name for cost in costs] == list(architectures.block_names(Config().architecture))
    assert costs[0].multiply_adds == 55 * 55 * 11 * 11 * 3 * 96
    assert costs[-1].parameters == 4097 * 1000
    inner = architectures.block_costs(shape("small_models:nested").architecture, classes=3)[1]
    assert inner.multiply_adds == 7 * 7 * 3 * 3 * 4 * 6
    assert inner.parameters == 3 * 3 * 4 * 6 + 6 + 4 * 6
    assert inner.output_shape == (6,), "pooling goes with the layers before it"


def test_costs_of_a_chain_in_the_place_of_a_layer():
    stem, *_ = architectures.block_costs(shape("small_models:nested_chain").architecture, classes=3)
    assert stem.multiply_adds == 15 * 15 * 3 * 3 * 3 * 4
    assert stem.parameters == 3 * 3 * 3 * 4 + 4 + 2 * 4


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


def test_a_file_gives_the_architecture_with_another_head(tmp_path):
    path = tmp_path / "net.keras"
    for builder in (small_models.residual, small_models.chain, small_models.convnext_small):
        builder((32, 32, 3), 7).save(path)
        found = architectures.build(shape(str(path)).architecture, 3)
        assert found.output_shape == (None, 3)
        same = [block.name for block in blocks(found)]
        assert len(same) == len(blocks(builder((32, 32, 3), 3)))


def test_open_sides_of_a_file_take_the_images_size(tmp_path):
    path = tmp_path / "net.keras"
    small_models.mobilenet_v3((None, None, 3), 4).save(path)
    assert architectures.build(shape(str(path), image_size=48).architecture, 4).input_shape == (None, 48, 48, 3)


def test_weights_in_a_file_are_not_read(tmp_path):
    path = tmp_path / "net.keras"
    saved = small_models.chain((32, 32, 3), 3)
    saved.get_layer("one").set_weights([w * 0 for w in saved.get_layer("one").get_weights()])
    saved.get_layer("one").trainable = False
    saved.save(path)
    layer = architectures.build(shape(str(path)).architecture, 3).get_layer("one")
    assert abs(layer.get_weights()[0]).max() > 0
    assert layer.trainable, "frozen when it was saved"


def test_which_models_scale_their_images():
    assert not architectures.takes_raw_images(Config().architecture)
    assert not architectures.takes_raw_images(shape("MobileNetV3Small").architecture), "built without its preprocessing"
    assert architectures.takes_raw_images(shape("EfficientNetB0").architecture), "which cannot be built without"
    assert architectures.takes_raw_images(shape("small_models:rescaled").architecture)


def test_what_identity_says():
    assert architectures.identity(Config().architecture) is None
    found = architectures.identity(shape("small_models:chain").architecture)
    assert found["blocks"] == ["one", "two", "logits"]
    assert len(found["sha256"]) == 64
    wide = architectures.identity(shape("small_models:chain", width=0.5, dropout=0.1, initializer="paper").architecture)
    assert wide == found, "options of AlexNet"


def test_a_description_builds_the_same_architecture():
    config = shape("small_models:convnext_small")
    model = architectures.build(config.architecture, 3)
    text = architectures.text_of(model, config.architecture)
    again = architectures.from_text(text, "model.json")
    assert serialization.digest(again) == serialization.digest(model)
    assert architectures.text_of(architectures.build(Config().architecture, 3), Config().architecture) is None
    with pytest.raises(ValueError, match="code of its own"):
        architectures.from_text(text.replace('"module": "keras.src.applications', '"module": "evil.code'), "model.json")


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


HOSTILE = {
    "raises": (
        "raise ValueError('at import\\nin two lines')",
        "Cannot import the module .*: ValueError: at import in two lines",
    ),
    "exits": ("import sys; sys.exit()", "Cannot import the module .*: SystemExit"),
    "exits_with_0": ("raise SystemExit(0)", "Cannot import the module .*: SystemExit"),
    "broken": ("def build(:", "Cannot import the module .*: SyntaxError"),
    "recursive": ("def f(): f()\nf()", "Cannot import the module .*: RecursionError"),
    "exits_later": ("import sys\ndef build(shape, classes): sys.exit(3)", "cannot be built .*: SystemExit: 3"),
    "raises_later": ("def build(shape, classes): raise OSError(5, 'a\\nb')", "cannot be built .*: OSError: .*a b"),
    "gives_nothing": ("def build(shape, classes): pass", "must give a keras.Model. Received: NoneType"),
    "gives_a_class": (
        "import keras\ndef build(shape, classes): return keras.Model",
        "must give a keras.Model. Received",
    ),
    "no_function": ("build = 3", "no function build"),
    "generator_exit": ("raise GeneratorExit('x')", "Cannot import the module .*: GeneratorExit: x"),
    "generator_exit_later": ("def build(shape, classes): raise GeneratorExit", "cannot be built .*: GeneratorExit"),
    "own_base": (
        "class Own(BaseException): pass\ndef build(shape, classes): raise Own('\x1b[31m')",
        "cannot be built .*: Own: ",
    ),
    "silent": (
        "class Own(Exception):\n    def __str__(self): raise OSError\ndef build(shape, classes): raise Own",
        r"cannot be built .*: Own: its text cannot be shown \(OSError\)",
    ),
    "cannot_be_asked": (
        "import small_models\n"
        "class Shy:\n    @property\n    def __class__(self): raise GeneratorExit\n"
        "def build(shape, classes): return Shy()",
        "cannot be used .*: GeneratorExit",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_code_of_a_user_that_goes_wrong_ends_in_one_message(kind, tmp_path, monkeypatch):
    code, message = HOSTILE[kind]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"hostile_{kind}.py").write_text(code)
    with pytest.raises(ValueError, match=message) as error:
        architectures.build(shape(f"hostile_{kind}:build").architecture, 3)
    assert "\n" not in str(error.value)


def test_code_of_a_user_leaves_the_command_in_its_folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "moving.py").write_text(
        "import os, small_models\nos.chdir('/')\n"
        "def build(shape, classes):\n    os.chdir('/')\n    print('x\\n' * 10**5)\n"
        "    return small_models.chain(shape, classes)"
    )
    assert architectures.block_names(shape("moving:build").architecture) == ("one", "two", "logits")
    assert pathlib.Path.cwd() == here


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, signals.Terminated])
def test_an_interruption_of_a_users_code_stays_one(error, tmp_path, monkeypatch):
    def build(*_):
        raise error

    monkeypatch.setattr(small_models, "chain", build)
    with pytest.raises(error):
        architectures.build(shape("small_models:chain").architecture, 3)


def test_models_of_absurdly_many_parameters_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(sizes, "MOST_PARAMETERS", 100)
    with pytest.raises(ValueError, match=r"small_models:chain has \d+ parameters; 100 are trained at most"):
        architectures.build(shape("small_models:chain").architecture, 3)


def test_a_sequential_without_an_input_is_told_what_it_lacks():
    with pytest.raises(ValueError, match=r"small_models:open_chain .*Add keras.Input\(input_shape\) as its first"):
        architectures.block_names(shape("small_models:open_chain").architecture)
