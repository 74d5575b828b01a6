"""The proofs of an outcome, where something changes a network that should have stayed as it was."""

import dataclasses

import numpy as np
import pytest

from tftransfer.training import trainer
from tftransfer.training.group import Network

BASE = Network("base")


@pytest.fixture(scope="module")
def base(recipe, task):
    return trainer.train(recipe, task, [BASE], {})[0]


@pytest.fixture(scope="module")
def residual(recipe):
    return dataclasses.replace(recipe, model="small_models:residual", batch_size=16, steps=1)


@pytest.fixture
def spoilt(monkeypatch, task):
    """Trains a network of which something else changes one weight after the last step."""

    def trained(config, network, source, layer, place, value):
        predict = trainer._predict

        def spoil(group, *arguments):
            trunk = next(part for part in group.model.layers if part.name.startswith("trunk"))
            weight = trunk.get_layer(layer).weights[place]
            array = weight.numpy()
            array.flat[0] = np.nextafter(array.flat[0], np.inf, dtype=array.dtype) if value is None else value
            weight.assign(array)
            return predict(group, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(trainer, "_predict", spoil)
            return trainer.train(config, task, [network], {"s": source.weights})[0]

    return trained


@pytest.mark.parametrize(("layer", "place"), [("conv1", 0), ("conv3", 1)])
def test_a_frozen_block_that_something_changed_is_named(recipe, base, spoilt, layer, place):
    """By one bit of one weight."""
    outcome = spoilt(recipe, Network("net", "s", 3, 3), base, layer, place, value=None)
    assert outcome.changed_blocks == (layer,)
    assert outcome.frozen_blocks == ("conv1", "conv2", "conv3")


def test_a_weight_that_is_no_number_is_divergence(recipe, base, spoilt):
    """Logits may hide it: a rectifier makes 0 of what is less than all numbers."""
    outcome = spoilt(recipe, Network("net", "s", 3, 3), base, "conv3", 1, value=-np.inf)
    assert all(np.isfinite(value) for value in outcome.scores.values()), "or the scores alone would tell"
    assert outcome.diverged_at == recipe.steps


def test_a_moving_statistic_that_something_changed_is_named(residual, task, spoilt):
    (source,) = trainer.train(residual, task, [BASE], {})
    network = Network("net", "s", 2, 2)
    (sound,) = trainer.train(residual, task, [network], {"s": source.weights})
    assert (sound.changed_blocks, sound.moved_statistics) == ((), ())
    first = sound.blocks_with_statistics[0]
    outcome = spoilt(residual, network, source, "batch_normalization", 2, value=None)
    assert outcome.moved_statistics == (first,)
    assert outcome.changed_blocks == (first,), "they had to stay"
    assert sound.frozen_blocks == sound.blocks_with_statistics
