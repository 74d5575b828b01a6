"""Whose speed is measured: groups of networks, as data. Nothing here loads TensorFlow."""

import dataclasses

from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.scheduling import speeds

REPLICAS = "replicas"
_ENOUGH_SECONDS_FOR_ALL_TOWERS = 180
_ALEXNET_BLOCKS = len(catalog.ALEXNET_BLOCKS)
_MOST_DEPTHS = 7  # of a model with many blocks, as many as AlexNet has, evenly spread


@dataclasses.dataclass(frozen=True)
class Case:
    """A group of networks whose training is measured.

    Attributes:
        kind: One of `speeds.KINDS`.
        frozen: Source and number of frozen blocks of each network; `("", 0)` is a base.
    """

    kind: str
    frozen: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """The case as the table names it."""
        if self.kind == speeds.BASE:
            return "base"
        if self.kind == speeds.FROZEN:
            return f"frozen, n = {self.frozen[0][1]}"
        return f"lockstep of {len(self.frozen)}"


def chosen(config: Config, budget_seconds: float, blocks: int = _ALEXNET_BLOCKS) -> tuple[Case, ...]:
    """Returns what is measured: a base, a network frozen up to its middle, and a group of frozen ones in lockstep.

    The group holds AnB and BnB for every n, in a short time for every other n only. Loss scaling couples the networks
    of a group, so with mixed_float16 there is none.

    Args:
        config: The options.
        budget_seconds: Time for all of them.
        blocks: Blocks of the model, its head included.
    """
    depths = range(1, blocks) if budget_seconds >= _ENOUGH_SECONDS_FOR_ALL_TOWERS else range(2, blocks, 2)
    depths = depths[:: -(-len(depths) // _MOST_DEPTHS)]
    found = [Case(speeds.BASE, (("", 0),)), Case(speeds.FROZEN, (("A", blocks // 2),))]
    if config.precision != "mixed_float16":
        found.append(Case(speeds.LOCKSTEP, tuple((source, n) for source in "AB" for n in depths)))
    return tuple(found)
