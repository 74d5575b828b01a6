import pytest

from tftransfer.models.options import ModelOptions


def test_one_image_is_square_and_has_three_channels():
    assert ModelOptions("AlexNet", 48).input_shape == (48, 48, 3)


@pytest.mark.parametrize(
    ("model", "is_own"), [("AlexNet", True), ("ResNet50", False), ("net.keras", False), ("nets:build", False)]
)
def test_options_of_alexnet_count_for_alexnet_alone(model, is_own):
    plain = ModelOptions(model, 32, blocks=("conv1",))
    changed = ModelOptions(model, 32, blocks=("conv1",), width=0.5, dropout=0.1, initializer="paper")
    assert changed.is_own == is_own
    assert (changed.without_unused() == plain.without_unused()) == (not is_own)


def test_equal_options_are_one_key():
    assert len({ModelOptions("AlexNet", 32), ModelOptions("AlexNet", 32), ModelOptions("AlexNet", 64)}) == 2
