import inspect

import keras
import pytest

from tftransfer.models import catalog


def test_the_table_names_every_builder_of_keras_applications():
    builders = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    assert set(catalog.APPLICATIONS) == builders


@pytest.mark.parametrize("model", ["AlexNet", "ResNet50", "my/dir/net.keras", "nets:build", "my.nets:build"])
def test_what_a_model_may_be_called(model):
    assert catalog.expected_model(model) is None


@pytest.mark.parametrize(
    ("model", "near"), [("resnet50", "ResNet50"), ("Alexnet", "AlexNet"), ("MobilNetV2", "MobileNetV2"), ("net.h5", "")]
)
def test_wrong_names_have_near_matches(model, near):
    expected = catalog.expected_model(model)
    assert f"did you mean {near}" in expected if near else "did you mean" not in expected


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such model file"):
        catalog.check_reachable(f"{tmp_path}/net.keras")


def test_names_for_records_hold_no_folders():
    assert catalog.label("/home/me/net.keras") == "net.keras"
    assert catalog.label("nets:build") == "nets:build"
    assert catalog.safe_label("/home/me/my net.keras") == "my-net"
    assert catalog.safe_label("my.nets:build") == "my.nets-build"


def test_blocks_known_without_keras():
    assert catalog.blocks_of("AlexNet") == catalog.ALEXNET_BLOCKS
    assert catalog.blocks_of("AlexNet", "conv2,conv5") == ("conv2", "conv5", "fc8")
    assert catalog.blocks_of("AlexNet", "conv2,conv3_relu") is None, "cuts inside blocks"
    assert catalog.blocks_of("AlexNet", "conv5,conv2") is None
    assert catalog.blocks_of("ResNet50") is None


def test_batch_norm_known_without_keras():
    assert catalog.has_batch_norm("AlexNet") is False
    assert catalog.has_batch_norm("ConvNeXtTiny") is False
    assert catalog.has_batch_norm("VGG16") is False
    assert catalog.has_batch_norm("ResNet50") is True
    assert catalog.has_batch_norm("net.keras") is None


MODULE = """
from os.path import join as joined
raise SystemExit("a check must not run this")

def build(input_shape, classes):
    pass

def nothing():
    pass

def three(input_shape, classes, width):
    pass

def optional(input_shape, classes, width=1):
    pass

def star(*shapes):
    pass

if True:
    made = inner = build
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_nets.py").write_text(MODULE, encoding="utf-8")
    package = tmp_path / "net_package"
    package.mkdir()
    (package / "__init__.py").write_text(MODULE, encoding="utf-8")
    (package / "inside.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "open_nets.py").write_text("from some_nets import *\n", encoding="utf-8")
    (tmp_path / "broken_nets.py").write_text("def build(:\n", encoding="utf-8")


@pytest.mark.parametrize("module", ["some_nets", "net_package", "net_package.inside"])
@pytest.mark.parametrize("function", ["build", "optional", "star", "made", "inner", "joined"])
def test_functions_that_are_there_pass_without_being_run(nets, module, function):
    catalog.check_reachable(f"{module}:{function}")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("some_nets:bild", r"no function bild in the module some_nets.*Did you mean some_nets:build"),
        ("net_package.inside:nope", "no function nope in the module net_package.inside"),
        ("some_nets:nothing", r"must take the shape of the images.*build\(input_shape, classes\).*it takes 0"),
        ("some_nets:three", "it takes 3"),
        ("no_such_nets:build", "Cannot find the module of --model=no_such_nets:build"),
        ("net_package.absent:build", "Cannot find the module"),
        ("some_nets.inside:build", "Cannot find the module"),
        ("broken_nets:build", "Cannot read the module"),
    ],
)
def test_functions_that_are_not_there_are_refused_without_running_their_module(nets, model, message):
    with pytest.raises(ValueError, match=message) as error:
        catalog.check_reachable(model)
    assert "\n" not in str(error.value)


def test_names_that_a_text_does_not_show_are_left_to_the_import(nets):
    catalog.check_reachable("open_nets:build")
