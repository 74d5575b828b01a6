import pytest

from tftransfer.experiment.config import Config
from tftransfer.models import AlexNet, alexnet_tables


@pytest.mark.parametrize(("size", "width", "classes"), [(32, 0.25, 20), (64, 0.5, 7), (96, 0.1, 3), (227, 1.0, 1000)])
def test_parameters_are_counted_without_building(size, width, classes):
    built = AlexNet((size, size, 3), classes, width=width)
    assert alexnet_tables.parameters(Config(image_size=size, width=width).architecture, classes) == built.count_params()
