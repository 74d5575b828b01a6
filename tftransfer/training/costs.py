"""How the cost of a group divides among its networks."""

import math
from collections.abc import Sequence

import keras

from tftransfer.models.blocks import Block
from tftransfer.training.group import Group, Network

_TRAINED = 3  # forward, gradient of the inputs, gradient of the weights: as many multiply-adds each


def shares(group: Group) -> dict[str, float]:
    """Returns each network's share of a group's arithmetic, by name; they add up to 1.

    A block that trains costs three times its forward pass; a frozen one costs it once, divided among all networks that
    share it.
    """
    costs = {network.name: _cost(network, group) for network in group.networks}
    whole = sum(costs.values())
    return {name: cost / whole for name, cost in costs.items()}


def _cost(network: Network, group: Group) -> float:
    """Returns the multiply-adds of one network for one image, its part of what it shares included."""
    cost = 0.0
    for number, block in enumerate(group.blocks, start=1):
        work = _multiply_adds(group.template, block)
        if number > network.frozen:
            cost += _TRAINED * work
        else:
            cost += work / sum(n.source == network.source and n.frozen >= number for n in group.networks)
    return cost


def _multiply_adds(model: keras.Model, block: Block) -> int:
    """Returns the multiply-adds of a block, forward, for one image."""
    return sum(_of_layer(model.get_layer(name)) for name in block.layers)


def _of_layer(layer: keras.Layer) -> int:
    kernels: Sequence = [weight for weight in layer.weights if len(weight.shape) > 1]
    places = math.prod(side or 1 for side in layer.output.shape[1:-1]) if kernels else 0
    return places * sum(math.prod(kernel.shape) for kernel in kernels)
