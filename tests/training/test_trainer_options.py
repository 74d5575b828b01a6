"""What options change in a training, and what they do not.

Apart from `test_trainer.py`, so that two processes can share the tests.
"""

import dataclasses

import numpy as np
import pytest

from tftransfer.records import record_files
from tftransfer.training import trainer
from tftransfer.training.group import Network

BASE = Network("base")


@pytest.fixture(scope="module")
def base(recipe, task):
    return trainer.train(recipe, task, [BASE], {})[0]


@pytest.fixture(scope="module")
def small_base(small, task):
    return trainer.train(small, task, [BASE], {})[0]


def digest(outcome):
    return record_files.weights_digest(outcome.weights)


@pytest.mark.parametrize("network", [BASE, Network("B2B", "s", "k2")])
def test_networks_of_two_splits_share_nothing_random(small, task, small_base, network):
    """Else intervals over splits would take for chance what all splits have in common."""
    still = dataclasses.replace(small, learning_rate=1e-30)
    first, again, other = (
        trainer.train(still, dataclasses.replace(task, split=split), [network], {"s": small_base.weights})[0]
        for split in ("random0", "random0", "random1")
    )
    assert digest(first) == digest(again)
    trained = list(first.weights)[network.frozen :]
    for layer in trained:
        assert not np.array_equal(first.weights[layer][0], other.weights[layer][0]), layer
    assert first.history["loss"] != other.history["loss"]


def test_batches_of_two_splits_have_another_order_and_other_crops(recipe, task):
    first, other = (dataclasses.replace(task, split=split).sampling(recipe) for split in ("random0", "random1"))
    assert (first.positions(task.training, 0)[0] != other.positions(task.training, 0)[0]).any()
    ids = np.arange(200)
    assert all(
        (a != b).any() for a, b in zip(first.augmentation(ids, 0, 4), other.augmentation(ids, 0, 4), strict=True)
    )


def test_a_stated_number_of_views_is_shown_again_and_again(small, task):
    """Four epochs of five steps; as many views as epochs change nothing."""
    config = dataclasses.replace(small, steps=20)
    other, one, two, four = (
        trainer.train(dataclasses.replace(config, views=views), task, [BASE], {})[0] for views in (0, 1, 2, 4)
    )
    assert digest(four) == digest(other)
    assert len({digest(other), digest(one), digest(two)}) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw"},
        {"label_smoothing": 0.1},
        {"augment": "none"},
        {"augment": "crop"},
        {"augment": "mirror"},
        {"momentum": 0.0},
        {"weight_decay": 0.1},
        {"bias_lr_multiplier": 1.0},
        {"bias_decay_multiplier": 1.0, "weight_decay": 0.1},
        {"schedule": "constant"},
        {"schedule": "step", "drop_steps": 2},
        {"precision": "mixed_bfloat16"},
        {"seed": 1},
        {"lr_multipliers": "conv1:0"},
        {"layerwise_lr_decay": 0.5},
    ],
    ids=str,
)
def test_every_training_option_changes_the_result(small, task, small_base, options):
    (outcome,) = trainer.train(dataclasses.replace(small, **options), task, [BASE], {})
    assert digest(outcome) != digest(small_base)
    assert outcome.diverged_at is None


@pytest.mark.parametrize("options", [{"dropout": 0.0}, {"initializer": "glorot_uniform"}], ids=str)
def test_options_of_alexnet_change_the_result(recipe, task, base, options):
    (outcome,) = trainer.train(dataclasses.replace(recipe, **options), task, [BASE], {})
    assert digest(outcome) != digest(base)
    assert outcome.diverged_at is None


def test_warm_up_takes_a_quarter_of_the_steps_at_most(small, task):
    def trained(warmup_steps):
        return digest(
            trainer.train(dataclasses.replace(small, steps=8, warmup_steps=warmup_steps), task, [BASE], {})[0]
        )

    none, two, many = trained(0), trained(2), trained(1000)
    assert none != two
    assert two == many


def test_label_smoothing_changes_the_loss_but_not_the_reported_cross_entropy(small, task):
    still = dataclasses.replace(small, learning_rate=1e-12, steps=1)
    plain, smoothed = (
        trainer.train(dataclasses.replace(still, label_smoothing=s), task, [BASE], {})[0] for s in (0.0, 0.5)
    )
    assert smoothed.history["loss"] != plain.history["loss"]
    # Of logits, as scores are: of probabilities it would be far larger.
    assert plain.history["loss"][-1] == pytest.approx(plain.scores["cross_entropy"], rel=0.3)
    assert smoothed.scores == pytest.approx(plain.scores, rel=1e-4)
