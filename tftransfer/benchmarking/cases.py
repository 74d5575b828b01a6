"""Benchmark cases: groups of networks whose speed is measured, as data. Nothing here loads TensorFlow."""

import dataclasses

from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.scheduling import speeds

REPLICAS = "replicas"
_ENOUGH_SECONDS_FOR_ALL_TOWERS = 180
_ALEXNET_BLOCKS = len(catalog.ALEXNET_BLOCKS)
_MOST_DEPTHS = 7  # of a model with many blocks: as many as of AlexNet, evenly spread


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
        """The name of the case in the table."""
        if self.kind == speeds.BASE:
            return "base"
        if self.kind == speeds.FROZEN:
            return f"frozen, n = {self.frozen[0][1]}"
        return f"lockstep of {len(self.frozen)}"


def chosen(config: Config, budget_seconds: float, blocks: int = _ALEXNET_BLOCKS) -> tuple[Case, ...]:
    """Returns the cases: a base, a network frozen up to its middle, and a group of frozen ones in lockstep.

    The group contains AnB and BnB for every n, or for every other n if time is short. With mixed_float16 there is no
    group, as loss scaling couples its networks.

    Args:
        config: The options.
        budget_seconds: Time for all cases.
        blocks: Number of blocks of the model, its head included.
    """
    depths = range(1, blocks) if budget_seconds >= _ENOUGH_SECONDS_FOR_ALL_TOWERS else range(2, blocks, 2)
    depths = depths[:: -(-len(depths) // _MOST_DEPTHS)]
    found = [Case(speeds.BASE, (("", 0),)), Case(speeds.FROZEN, (("A", blocks // 2),))]
    if config.precision != "mixed_float16":
        found.append(Case(speeds.LOCKSTEP, tuple((source, n) for source in "AB" for n in depths)))
    return tuple(found)
