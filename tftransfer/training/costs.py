"""How the cost of a group divides among its networks."""

from collections.abc import Sequence

from tftransfer.models.costs import block_cost
from tftransfer.training.group import Group, Network

_TRAINED = 3  # forward, gradient of the inputs, gradient of the weights: as many multiply-adds each


def shares(group: Group) -> dict[str, float]:
    """Returns each network's share of a group's arithmetic, by name; they add up to 1.

    A block that trains costs three times its forward pass; a frozen one costs it once, divided among all networks that
    share it.
    """
    work = [block_cost(block).multiply_adds for block in group.blocks]
    costs = {network.name: _cost(network, group, work) for network in group.networks}
    whole = sum(costs.values())
    return {name: cost / whole for name, cost in costs.items()}


def _cost(network: Network, group: Group, work: Sequence[int]) -> float:
    """Returns the multiply-adds of one network for one image, its part of what it shares included."""
    cost = 0.0
    for number, of_block in enumerate(work, start=1):
        if number > network.frozen:
            cost += _TRAINED * of_block
        else:
            cost += of_block / sum(n.source == network.source and n.frozen >= number for n in group.networks)
    return cost
