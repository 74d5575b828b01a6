import keras
import numpy as np

from tftransfer.benchmarking import stepping
from tftransfer.experiment.config import Config
from tftransfer.models import AlexNet
from tftransfer.training import untrained_sources
from tftransfer.training.group import Group, Network

CONFIG = Config(width=0.1, batch_size=8, dataset="cifar10")


def test_products_are_counted_forward_and_backward_where_layers_train():
    def group(*networks):
        template = AlexNet((32, 32, 3), 10, width=0.1, initializer="he_normal", seed=0)
        return Group(template, networks, {"a": untrained_sources.random_weights(CONFIG, "random0", "B")}, 0, "B").model

    forward = {}
    for layer in AlexNet((32, 32, 3), 10, width=0.1, seed=0).layers:
        if isinstance(layer, keras.layers.Conv2D):
            rows, columns, filters = layer.output.shape[1:]
            per_group = layer.input.shape[-1] // layer.groups
            forward[layer.name] = rows * columns * filters * per_group * int(np.prod(layer.kernel_size))
        elif isinstance(layer, keras.layers.Dense):
            forward[layer.name] = layer.input.shape[-1] * layer.units
    everything = sum(forward.values())
    assert stepping.multiply_adds(group(Network("base"))) == 3 * everything - forward["conv1"]
    top = sum(list(forward.values())[4:])
    below = everything - top
    frozen = below + 3 * top - forward["conv5"]
    assert stepping.multiply_adds(group(Network("f", "a", "k4"))) == frozen
    assert stepping.multiply_adds(group(Network("f", "a", "k4"), Network("g", "a", "k4"))) == 2 * frozen - below
