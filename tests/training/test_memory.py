"""What a group is expected to need, before it trains."""

import keras
import pytest

from tftransfer.models import AlexNet
from tftransfer.training import memory
from tftransfer.training.group import Group, Network


@pytest.fixture(scope="module")
def needed():
    def of(networks, batch_size=32, width=0.1):
        template = AlexNet((32, 32, 3), 5, width=width)
        base = Group(template, [Network("base")], {}, 0, "A").weights("base")
        return memory.needed_bytes(Group(template, networks, {"s": base}, 0, "B").model, batch_size)

    return of


def test_weights_gradients_and_slots_of_what_trains_and_activations_of_each_image(needed):
    template = AlexNet((32, 32, 3), 5, width=0.1)
    weights = sum(variable.value.shape.num_elements() for variable in template.trainable_variables)
    one, two, three = (needed([Network("base")], batch_size) for batch_size in (1, 2, 3))
    assert three - two == two - one > 0, "each image as much"
    image = two - one
    outputs = [tensor for layer in template.layers for tensor in keras.tree.flatten(layer.output)]
    values = sum(tensor.shape[1] * (tensor.shape[2] * tensor.shape[3] if len(tensor.shape) > 2 else 1)
                 for tensor in outputs)  # fmt: skip
    assert image == 4 * 2 * values, "float32, each with its gradient"
    rest = one - image - 1_000_000_000
    assert rest == pytest.approx(4 * 3 * weights, rel=0.01), "weight, gradient and slot"


def test_frozen_blocks_need_no_gradients_and_are_there_once(needed):
    base = needed([Network("base")])
    frozen = needed([Network("net", "s", "k4")])
    assert frozen < base
    together = needed([Network("net", "s", "k4"), Network("other", "s", "k4")])
    assert together - frozen < base - 1_000_000_000, "the trunk is shared"
