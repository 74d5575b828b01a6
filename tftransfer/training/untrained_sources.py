"""Weights of sources that are never trained: random ones, for RnB, and ones with the statistics of a base, for SnB."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tftransfer import seeds, transfer
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.models.blocks import blocks
from tftransfer.training import batch_norm, trainer
from tftransfer.training.group import clone_with_seeds
from tftransfer.transfer import Weights


def random_weights(config: Config, split: str, target: str) -> Weights:
    """Returns the weights of a network that is never trained: the source of RnB.

    Moving statistics are as the architecture starts with; `with_own_statistics` makes them those of the weights.
    """
    with trainer.dtype_policy(config.precision):
        return transfer.weights_of(_network(config, split, target))


def _network(config: Config, split: str, target: str) -> keras.Model:
    """Returns a network whose weights and noise derive from its name."""
    seed = seeds.of_split(config.seed, split)

    def seed_for(*names: str) -> int:
        return seeds.derive(seed, "init", "random", target, *names)

    return clone_with_seeds(trainer.build_model(config, classes=2), "random", seed_for, seed_for)


def with_own_statistics(config: Config, task: trainer.Task, weights: Weights) -> Weights:
    """Returns untrained weights with the moving statistics that they have on the target's training images.

    Without them frozen blocks would normalise by the statistics of other weights, and their features would be as small
    or as large as chance has it. Weights without batch normalisation come back as they are.

    Args:
        config: The recipe.
        task: Images of the target.
        weights: From `random_weights` or `weights_like`; a head is left out.
    """
    if not architectures.has_batch_norm(config.architecture):
        return weights
    with trainer.dtype_policy(config.precision):
        network = _network(config, task.split, task.target)
        head = blocks(network, architectures.block_names(config.architecture))[-1].layers
        below = {layer: arrays for layer, arrays in weights.items() if layer not in head}
        measured = batch_norm.with_own_statistics(network, below, task.training, task.view, task.sampling(config))
    return {layer: measured[layer] for layer in below}


def statistics(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns the places of moving statistics in the weights of each layer, as `transfer.statistics_of`."""
    if not architectures.has_batch_norm(config.architecture):
        return {}
    with trainer.dtype_policy(config.precision):
        return transfer.statistics_of(trainer.build_model(config, classes=2))


def weights_like(trained: Weights, seed: int, target: str, kept: Mapping[str, Sequence[int]] | None = None) -> Weights:
    """Returns random weights with the statistics of trained ones: the source of SnB.

    Each output channel of a kernel is normal noise with the mean and variance of that trained channel; a bias is
    normal noise with the mean and variance of the trained bias over its channels.

    Args:
        trained: Weights by layer name.
        seed: The network's seed, from `seeds.of_split`.
        target: Letter of its half.
        kept: Weights that stay as they are, by their places in each layer's: moving statistics, of which a variance
            must not become negative.
    """
    kept = kept or {}

    def like(array: np.ndarray, layer: str, index: int) -> np.ndarray:
        if index in kept.get(layer, ()):
            return array
        rng = np.random.Generator(np.random.Philox(seeds.derive(seed, "init", "statistics", target, layer, index)))
        axes = tuple(range(array.ndim - 1)) or (0,)
        mean, deviation = array.mean(axes, np.float64), array.std(axes, np.float64)
        return (mean + deviation * rng.standard_normal(array.shape)).astype(array.dtype)

    return {layer: [like(a, layer, i) for i, a in enumerate(arrays)] for layer, arrays in trained.items()}
