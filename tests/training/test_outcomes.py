"""Outcomes: the proof of what stayed, where something changes it, and what part of a group's arithmetic is whose."""

import dataclasses

import keras
import numpy as np
import pytest

from tftransfer.models import AlexNet
from tftransfer.models.costs import block_cost
from tftransfer.training import outcomes, trainer
from tftransfer.training.group import Group, Network

BASE = Network("base")


@pytest.fixture(scope="module")
def base(small, task):
    return trainer.train(small, task, [BASE], {})[0]


@pytest.fixture(scope="module")
def normalized(recipe):
    return dataclasses.replace(recipe, model="small_models:normalized", batch_size=16, steps=1)


def layers_of(model):
    """Returns the layers of the trunk and of the tower of a group of one, by name."""
    parts = [part for part in model.layers if isinstance(part, keras.Model)]
    return {layer.name: layer for part in parts for layer in part.layers}


@pytest.fixture
def spoilt(monkeypatch, task):
    """Trains a network of which something else changes one weight after the last step."""

    def trained(config, network, source, layer, place, value):
        predict = trainer._predict

        def spoil(group, *arguments):
            weight = layers_of(group.model)[layer].weights[place]
            array = weight.numpy()
            array.flat[0] = np.nextafter(array.flat[0], np.inf, dtype=array.dtype) if value is None else value
            weight.assign(array)
            return predict(group, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(trainer, "_predict", spoil)
            return trainer.train(config, task, [network], {"s": source.weights})[0]

    return trained


@pytest.mark.parametrize(("layer", "place"), [("conv1", 0), ("fc3", 1)])
def test_a_frozen_block_that_something_changed_is_named(small, base, spoilt, layer, place):
    """By one bit of one weight."""
    outcome = spoilt(small, Network("net", "s", "k3"), base, layer, place, value=None)
    assert outcome.changed_blocks == (layer,)
    assert outcome.frozen_blocks == ("conv1", "conv2", "fc3")


@pytest.mark.parametrize("layer", ["conv2", "fc3"])
def test_a_frozen_block_above_trained_ones_that_something_changed_is_named(small, base, spoilt, layer):
    """It lies in the tower, where nothing but its own flags keeps it."""
    outcome = spoilt(small, Network("net", "s", "t1k2n1"), base, layer, 0, value=None)
    assert outcome.changed_blocks == ("conv1", layer)
    assert outcome.frozen_blocks == ("conv2", "fc3")


def test_a_weight_that_is_no_number_is_divergence(small, base, spoilt):
    """Logits may hide it: a ReLU makes 0 of what is less than all numbers."""
    outcome = spoilt(small, Network("net", "s", "k3"), base, "fc3", 1, value=-np.inf)
    assert all(np.isfinite(value) for value in outcome.scores.values()), "or the scores alone would tell"
    assert outcome.diverged_at == small.steps


def test_a_moving_statistic_that_something_changed_is_named(normalized, task, spoilt):
    (source,) = trainer.train(normalized, task, [BASE], {})
    network = Network("net", "s", "k2")
    (sound,) = trainer.train(normalized, task, [network], {"s": source.weights})
    assert (sound.changed_blocks, sound.moved_statistics) == ((), ())
    first = sound.blocks_with_statistics[0]
    outcome = spoilt(normalized, network, source, "norm1", 2, value=None)
    assert outcome.moved_statistics == (first,)
    assert outcome.changed_blocks == (first,), "they had to stay"
    assert sound.frozen_blocks == sound.blocks_with_statistics


@pytest.mark.parametrize(("policy", "trained"), [("t1k1n2", ("conv1",)), ("n1k1n2", ())])
def test_a_moving_statistic_above_trained_blocks_that_something_changed_is_named(
    normalized, task, spoilt, policy, trained
):
    (source,) = trainer.train(normalized, task, [BASE], {})
    network = Network("net", "s", policy)
    (sound,) = trainer.train(normalized, task, [network], {"s": source.weights})
    assert (sound.frozen_blocks, sound.blocks_with_statistics) == (("conv2",), ("conv2",))
    assert (sound.changed_blocks, sound.moved_statistics) == (trained, ())
    for name in ("conv2", "norm2"):
        for ours, theirs in zip(sound.weights[name], source.weights[name], strict=True):
            assert ours.tobytes() == theirs.tobytes(), "to the bit, moving statistics included"
    for place, moved in ((0, ()), (2, ("conv2",))):  # scale, moving mean
        outcome = spoilt(normalized, network, source, "norm2", place, value=None)
        assert (outcome.changed_blocks, outcome.moved_statistics) == ((*trained, "conv2"), moved)


@pytest.fixture(scope="module")
def template():
    return AlexNet((32, 32, 3), 5, width=0.1)


@pytest.fixture(scope="module")
def sources(template):
    return {
        name: Group(template, [Network("base")], {}, seed, "A").weights("base") for name, seed in (("s", 1), ("t", 2))
    }


def test_what_trains_counts_three_times_and_what_is_frozen_once_for_all_that_share_it(template, sources):
    networks = [Network("base"), Network("two", "s", "k2"), Network("four", "s", "k4"), Network("other", "t", "k2")]
    group = Group(template, networks, sources, 0, "B")
    work = [block_cost(block).multiply_adds for block in group.blocks]
    lower, middle, upper = sum(work[:2]), sum(work[2:4]), sum(work[4:])
    expected = {
        "base": 3 * sum(work),
        "two": lower / 2 + 3 * (middle + upper),
        "four": lower / 2 + middle + 3 * upper,
        "other": lower + 3 * (middle + upper),
    }
    found = outcomes.cost_fractions(group)
    assert sum(found.values()) == pytest.approx(1)
    whole = sum(expected.values())
    assert found == pytest.approx({name: cost / whole for name, cost in expected.items()})


def test_frozen_blocks_above_trained_ones_count_twice_and_dropped_ones_nothing(template, sources):
    policies = ("k2t1k4n1", "k4d3n1", "n2k5n1", "t2d5n1")
    group = Group(template, [Network(policy, "s", policy) for policy in policies], sources, 0, "B")
    work = [block_cost(block).multiply_adds for block in group.blocks]
    expected = {
        "k2t1k4n1": sum(work[:2]) / 2 + 3 * work[2] + 2 * sum(work[3:7]) + 3 * work[7],
        "k4d3n1": sum(work[:2]) / 2 + sum(work[2:4]) + 3 * work[7],
        "n2k5n1": 3 * sum(work[:2]) + 2 * sum(work[2:7]) + 3 * work[7],
        "t2d5n1": 3 * sum(work[:2]) + 3 * work[7],
    }
    whole = sum(expected.values())
    found = outcomes.cost_fractions(group)
    assert found == pytest.approx({name: cost / whole for name, cost in expected.items()})
