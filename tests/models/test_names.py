import inspect

import keras
import pytest

from tftransfer.models import names


def test_the_table_names_every_builder_of_keras_applications():
    found = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    assert set(names.APPLICATIONS) == found


@pytest.mark.parametrize("model", ["AlexNet", "ResNet50", "my/dir/net.keras", "nets:build", "my.nets:build"])
def test_what_a_model_may_be_called(model):
    assert names.fault(model) is None


@pytest.mark.parametrize(
    ("model", "near"), [("resnet50", "ResNet50"), ("Alexnet", "AlexNet"), ("MobilNetV2", "MobileNetV2"), ("net.h5", "")]
)
def test_wrong_names_have_near_matches(model, near):
    assert f"did you mean {near}" in names.fault(model) if near else "did you mean" not in names.fault(model)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such model file"):
        names.check_reachable(f"{tmp_path}/net.keras")


def test_names_for_records_hold_no_folders():
    assert names.label("/home/me/net.keras") == "net.keras"
    assert names.label("nets:build") == "nets:build"
    assert names.safe_label("/home/me/my net.keras") == "my-net"
    assert names.safe_label("my.nets:build") == "my.nets-build"


def test_blocks_known_without_keras():
    assert names.blocks_of("AlexNet") == names.ALEXNET_BLOCKS
    assert names.blocks_of("AlexNet", "conv2,conv5") == ("conv2", "conv5", "fc8")
    assert names.blocks_of("AlexNet", "conv2,conv3_relu") is None, "cuts inside blocks"
    assert names.blocks_of("AlexNet", "conv5,conv2") is None
    assert names.blocks_of("ResNet50") is None


def test_batch_norm_known_without_keras():
    assert names.has_batch_norm("AlexNet") is False
    assert names.has_batch_norm("ConvNeXtTiny") is False
    assert names.has_batch_norm("VGG16") is False
    assert names.has_batch_norm("ResNet50") is True
    assert names.has_batch_norm("net.keras") is None
