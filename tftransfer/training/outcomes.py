"""A trained network, its cost, and its copied blocks compared with their source bit by bit."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer import transfer
from tftransfer.experiment import policies
from tftransfer.models.costs import block_cost
from tftransfer.training import evaluation
from tftransfer.training.group import Group, Network
from tftransfer.training.history import TrainingHistory
from tftransfer.transfer import Weights

# Forward, gradient of the inputs, gradient of the weights: as many multiply-adds each.
_PASSES = {policies.NEW: 3, policies.TUNE: 3, policies.KEEP: 2, policies.DROP: 0}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One trained network.

    Attributes:
        name: Its name in the group.
        diverged_at: Step at which its loss was no longer finite, or None.
        weights: All its weights by layer name.
        scores: As `evaluation.scores`.
        history: Columns, one value an evaluation.
        copied_blocks: Names of the copied blocks.
        frozen_blocks: Names of those that had to stay as they were.
        changed_blocks: Names of copied blocks with any bit changed. Moving statistics count where they had to stay:
            in frozen blocks, unless `--batch_norm=adapt` updates them.
        blocks_with_statistics: Names of frozen blocks with batch normalisation.
        moved_statistics: Names of those of them whose moving statistics changed.
        trained_parameters: Parameters that trained.
        train_steps: Steps done, those after its divergence left out.
        seconds: Of the whole group, from building it to the end of its evaluation; if training was interrupted, with
            what its checkpoint had taken.
        train_seconds: Of the whole group, in training steps.
        images_per_second: In the group's median training step.
        group_size: Networks in the group.
        cost_fraction: Fraction of the group's arithmetic that was this network's, 0 to 1.
        strategy: Name of the strategy and its devices.
        from_features: Whether it was trained on features of its frozen blocks that were computed once.
    """

    name: str
    diverged_at: int | None
    weights: dict[str, list[np.ndarray]]
    scores: dict[str, float]
    history: dict[str, list[Any]]
    copied_blocks: tuple[str, ...]
    frozen_blocks: tuple[str, ...]
    changed_blocks: tuple[str, ...]
    trained_parameters: int
    train_steps: int
    seconds: float
    train_seconds: float
    images_per_second: float
    group_size: int
    cost_fraction: float
    strategy: str
    blocks_with_statistics: tuple[str, ...] = ()
    moved_statistics: tuple[str, ...] = ()
    from_features: bool = False


def gather(
    group: Group,
    training_history: TrainingHistory,
    logits: Mapping[str, np.ndarray],
    labels: np.ndarray,
    seconds: float,
    images_per_second: float,
    strategy: str,
    from_features: bool = False,
) -> list[Outcome]:
    """Gathers what is known of the networks of a group at the end of its training.

    Args:
        group: The group, trained.
        training_history: The history of the group's training.
        logits: Of all validation images, by network.
        labels: Of these images.
        seconds: As in `Outcome`, like the two that follow.
        images_per_second: Of the group.
        strategy: Name and devices.
        from_features: Whether features that were computed once stood in for images.

    Returns:
        One outcome for each network, in order.
    """
    fractions, ended = cost_fractions(group), []
    for network in group.networks:
        name = network.name
        weights, frozen = group.weights(name), tuple(group.frozen_layers(name))
        changed, with_statistics, moved = _changes(group, network, weights)
        arrays = [logits[name], *(array for layer in weights.values() for array in layer)]
        finite = all(np.isfinite(array).all() for array in arrays)
        ended.append(
            Outcome(
                name=name,
                diverged_at=training_history.diverged.get(name, None if finite else training_history.step),
                weights=weights,
                scores=evaluation.scores(logits[name], labels),
                history=training_history.histories[name],
                copied_blocks=tuple(group.copied_layers(name)),
                frozen_blocks=frozen,
                changed_blocks=changed,
                blocks_with_statistics=with_statistics,
                moved_statistics=moved,
                trained_parameters=group.trained_parameter_count(name),
                train_steps=training_history.diverged.get(name, training_history.step),
                seconds=seconds,
                train_seconds=training_history.train_seconds,
                images_per_second=images_per_second,
                group_size=len(group.networks),
                cost_fraction=fractions[name],
                strategy=strategy,
                from_features=from_features,
            )
        )
    return ended


def _changes(group: Group, network: Network, weights: Weights) -> tuple[tuple[str, ...], ...]:
    """Returns the copied blocks that changed, the frozen ones with moving statistics, and those where these moved."""
    before, statistics = group.copied_weights(network.name), group.statistics()
    anything = set(transfer.changed_layers(before, weights))
    trained = set(transfer.changed_layers(before, weights, ignore=statistics))
    layers = group.copied_layers(network.name)
    frozen = tuple(group.frozen_layers(network.name))
    strict = frozen if group.batch_norm == "inference" else ()
    changed = tuple(name for name in layers if set(layers[name]) & (anything if name in strict else trained))
    with_statistics = tuple(name for name in frozen if set(layers[name]) & statistics.keys())
    alone = {name: [arrays[i] for i in statistics[name]] for name, arrays in before.items() if name in statistics}
    now = {name: [weights[name][i] for i in statistics[name]] for name in alone}
    moved = set(transfer.changed_layers(alone, now))
    return changed, with_statistics, tuple(name for name in with_statistics if set(layers[name]) & moved)


def cost_fractions(group: Group) -> dict[str, float]:
    """Returns each network's fraction of a group's arithmetic, by name; they add up to 1.

    A block that trains costs three times its forward pass. A frozen one in a trunk costs it once, divided among all
    networks that share it; above blocks that train it costs twice, as gradients run through it. A dropped one costs
    nothing.
    """
    work = [block_cost(block).multiply_adds for block in group.blocks]
    costs = {network.name: _cost(network, group, work) for network in group.networks}
    whole = sum(costs.values())
    return {name: cost / whole for name, cost in costs.items()}


def _cost(network: Network, group: Group, work: Sequence[int]) -> float:
    """Returns the multiply-adds of one network for one image, with its part of the blocks that it shares."""
    cost, decisions = 0.0, network.decisions.ljust(len(work), policies.NEW)
    for number, (of_block, decision) in enumerate(zip(work, decisions, strict=True), start=1):
        if number <= network.frozen:
            cost += of_block / sum(n.source == network.source and n.frozen >= number for n in group.networks)
        else:
            cost += _PASSES[decision] * of_block
    return cost
