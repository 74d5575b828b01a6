import dataclasses

import numpy as np
import pytest

from tftransfer import seeds
from tftransfer.records import record_files
from tftransfer.training import trainer, untrained_sources
from tftransfer.training.group import Group, Network

BASE = Network("base")


@pytest.fixture(scope="module")
def base(recipe, task):
    return trainer.train(recipe, task, [BASE], {})[0]


def test_random_weights_with_the_statistics_of_trained_ones(base):
    made = untrained_sources.weights_like(base.weights, seed=0, target="B")
    assert record_files.weights_digest(made) == record_files.weights_digest(
        untrained_sources.weights_like(base.weights, seed=0, target="B")
    )
    for other in ({"seed": 1, "target": "B"}, {"seed": 0, "target": "A"}):
        assert record_files.weights_digest(made) != record_files.weights_digest(
            untrained_sources.weights_like(base.weights, **other)
        )
    for layer in ("conv2", "fc6"):
        (kernel, bias), (random_kernel, random_bias) = base.weights[layer], made[layer]
        assert (kernel.shape, bias.shape) == (random_kernel.shape, random_bias.shape)
        axes = tuple(range(kernel.ndim - 1))
        entries = kernel[..., 0].size
        deviation = kernel.std(axes)
        np.testing.assert_allclose(random_kernel.mean(axes), kernel.mean(axes), atol=6 * deviation.max() / entries**0.5)
        np.testing.assert_allclose(random_kernel.std(axes), deviation, rtol=6 / (2 * entries) ** 0.5)
        assert np.abs(np.corrcoef(kernel.ravel(), random_kernel.ravel())[0, 1]) < 0.2


def test_random_weights_with_statistics_keep_variances_positive(recipe, task):
    config = dataclasses.replace(recipe, model="small_models:normalized", batch_size=16, steps=2)
    (source,) = trainer.train(config, task, [BASE], {})
    places = untrained_sources.statistics(config)
    assert places["norm1"] == (2, 3)
    made = untrained_sources.weights_like(source.weights, 0, "B", places)
    for layer, kept in places.items():
        for place in kept:
            assert np.array_equal(made[layer][place], source.weights[layer][place])
    assert not np.array_equal(made["conv1"][0], source.weights["conv1"][0])


def test_random_sources_of_two_splits_differ(recipe):
    made = [untrained_sources.random_weights(recipe, split, "B") for split in ("random0", "random1")]
    for layer, (kernel, _) in made[0].items():
        assert not np.array_equal(kernel, made[1][layer][0]), layer


def test_random_sources_are_the_same_for_every_n(recipe):
    first, again = (
        untrained_sources.random_weights(recipe, "random0", "B"),
        untrained_sources.random_weights(recipe, "random0", "B"),
    )
    assert record_files.weights_digest(first) == record_files.weights_digest(again)
    other = untrained_sources.random_weights(recipe, "random0", "A")
    assert record_files.weights_digest(other) != record_files.weights_digest(first)


@pytest.mark.parametrize("target", ["A", "B", "all"])
def test_random_sources_are_nobodys_own_start(recipe, target):
    """With the base's own start, RnB would be a base whose first blocks stand still; with the tops', one draw twice."""
    random = untrained_sources.random_weights(recipe, "random0", target)
    template = trainer.build_model(recipe, classes=2)
    networks = [BASE, Network("top", "s", "k1")]
    seed = seeds.of_split(recipe.seed, "random0")
    starts = [
        Group(template, networks, {"s": random}, seed, half).weights(name)
        for half in ("A", "B", "all")
        for name in ("base", "top")
    ]
    other_recipe = dataclasses.replace(recipe, seed=1)
    other_seed = untrained_sources.random_weights(other_recipe, "random0", target)
    for start in (*starts[::2], *({k: v for k, v in s.items() if k != "conv1"} for s in starts[1::2]), other_seed):
        for layer, (kernel, _) in start.items():
            assert not np.array_equal(kernel, random[layer][0]), layer
            assert abs(np.corrcoef(kernel.ravel(), random[layer][0].ravel())[0, 1]) < 0.5, layer
