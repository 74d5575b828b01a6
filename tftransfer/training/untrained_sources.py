"""Weights of sources that are never trained: random ones, for RnB, and such with learnt statistics, for SnB."""

from collections.abc import Mapping, Sequence

import numpy as np

from tftransfer import seeds, transfer
from tftransfer.config import Config
from tftransfer.models import architectures
from tftransfer.training import trainer
from tftransfer.training.group import reseeded
from tftransfer.transfer import Weights


def random_weights(config: Config, target: str) -> Weights:
    """Returns the weights of a network that is never trained: the source of RnB."""
    with trainer.dtype_policy(config.precision):
        template = trainer.build_model(config, classes=2)

        def seed_for(*names: str) -> int:
            return seeds.derive(config.seed, "init", "random", target, *names)

        return transfer.weights_of(reseeded(template, "random", seed_for, seed_for))


def statistics(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns which weights of the configured architecture are moving statistics, as `transfer.statistics_of`."""
    if not architectures.has_batch_norm(config):
        return {}
    return transfer.statistics_of(trainer.build_model(config, classes=2))


def weights_like(trained: Weights, seed: int, target: str, kept: Mapping[str, Sequence[int]] | None = None) -> Weights:
    """Returns random weights with the statistics of trained ones: the source of SnB.

    Each output channel of a kernel is normal noise with the mean and variance of that trained channel; a bias is
    normal noise with the mean and variance of the trained bias over its channels.

    Args:
        trained: Weights by layer name.
        seed: The network's seed.
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
