"""Trainings: bit for bit again, alone as in a group; evaluations, divergence, blocks that wait for their release."""

import dataclasses

import keras
import numpy as np
import pytest

from made_images import make_half
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.training import trainer
from tftransfer.training.group import Network

BASE = Network("base")
ROUNDING = 1e-9  # in float64


@pytest.fixture(scope="module")
def base(recipe, task):
    return trainer.train(recipe, task, [BASE], {})[0]


@pytest.fixture(scope="module")
def small_base(small, task):
    return trainer.train(small, task, [BASE], {})[0]


def digest(outcome):
    return record_files.weights_digest(outcome.weights)


def largest_difference(one, other):
    pairs = [(a, b) for name in one.weights for a, b in zip(one.weights[name], other.weights[name], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def test_runs_repeat_bit_for_bit(recipe, task, base):
    again = trainer.train(recipe, task, [BASE], {})[0]
    assert digest(again) == digest(base)
    without_time = [{k: v for k, v in o.history.items() if k != "seconds"} for o in (base, again)]
    assert without_time[0] == without_time[1]


def test_every_tower_ends_where_it_would_have_ended_alone(recipe, task, base, float64):
    networks = [
        Network("B2B", "s", "k2"),
        Network("B7B", "s", "k7"),
        Network("B4B-tuned", "s", "t4"),
        Network("B2B-preserve", "s", "k2t2"),
        *(Network(policy, "s", policy) for policy in ("k4d3n1", "k2t1k4n1", "t7n1", "k3t4n1", "n2k5n1", "t2d5n1")),
        BASE,
    ]
    together = trainer.train(recipe, task, networks, {"s": base.weights})
    for network, outcome in zip(networks, together, strict=True):
        (alone,) = trainer.train(recipe, task, [network], {"s": base.weights})
        assert largest_difference(alone, outcome) <= ROUNDING, network.name
        assert alone.scores["top1"] == outcome.scores["top1"]


def test_frozen_blocks_stay_and_fine_tuned_ones_move(recipe, task, base):
    frozen, tuned, both = trainer.train(
        recipe,
        task,
        [Network("f", "s", "k4"), Network("t", "s", "t4"), Network("b", "s", "k2t2")],
        {"s": base.weights},
    )
    blocks = ("conv1", "conv2", "conv3", "conv4")
    assert (frozen.frozen_blocks, frozen.changed_blocks) == (blocks, ())
    assert (tuned.frozen_blocks, tuned.changed_blocks) == ((), blocks)
    assert (both.frozen_blocks, both.changed_blocks) == (blocks[:2], blocks[2:])
    assert frozen.trained_parameters < both.trained_parameters < tuned.trained_parameters


def test_frozen_blocks_above_trained_ones_stay_and_dropped_ones_are_gone(recipe, task, base):
    between, above, dropped = trainer.train(
        recipe,
        task,
        [Network("b", "s", "k2t1k4n1"), Network("a", "s", "n2k5n1"), Network("d", "s", "k1t2d4n1")],
        {"s": base.weights},
    )
    names = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
    assert between.copied_blocks == names
    assert (between.frozen_blocks, between.changed_blocks) == (names[:2] + names[3:], ("conv3",))
    assert (above.copied_blocks, above.frozen_blocks, above.changed_blocks) == (names[2:], names[2:], ())
    assert (dropped.copied_blocks, dropped.changed_blocks) == (names[:3], names[1:3])
    for name in names:
        same = [np.array_equal(a, b) for a, b in zip(between.weights[name], base.weights[name], strict=True)]
        assert all(same) if name != "conv3" else not any(same), name
    assert set(dropped.weights) == {"conv1", "conv2", "conv3", "fc8"}
    size = sum(array.size for name in ("conv3", "fc8") for array in between.weights[name])
    assert between.trained_parameters == size


def test_the_final_score_is_the_last_evaluation(base):
    assert base.scores["top1"] == pytest.approx(base.history["val_top1"][-1])
    assert base.scores["cross_entropy"] == pytest.approx(base.history["val_cross_entropy"][-1], rel=1e-5)
    assert base.train_steps == 4


@pytest.mark.parametrize(
    ("evaluations", "steps"), [(1, [5]), (2, [3, 5]), (3, [2, 4, 5]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5])]
)
def test_evaluations_are_spread_and_the_last_is_at_the_end(small, task, evaluations, steps):
    short = dataclasses.replace(small, steps=5, evaluations=evaluations)
    (outcome,) = trainer.train(short, task, [BASE], {})
    assert outcome.history["step"] == steps


@pytest.mark.parametrize(
    ("options", "images", "validation", "expected"),
    [
        ({"epochs": 8.0, "batch_size": 32}, 500, 5000, 1),  # 480 images an epoch; 0.6 x 3840 / 5000 is less than 1
        ({"epochs": 12.0}, 4000, 1000, 12),  # the motifs: one per epoch costs less than a fifth
        ({"epochs": 10.0, "batch_size": 50}, 100, 150, 4),  # 0.6 x 1000 / 150
        ({"epochs": 10.0, "batch_size": 50}, 100, 60, 10),
        ({"epochs": 10.0, "batch_size": 50}, 100, 61, 9),
        ({"steps": 1, "batch_size": 50}, 100, 5000, 1),
        ({"epochs": 100.0}, 4000, 10, 50),
        ({"epochs": 8.0, "batch_size": 32, "evaluations": 8}, 500, 5000, 8),
    ],
    ids=str,
)
def test_evaluations_take_at_most_a_fifth_of_the_arithmetic_of_training(options, images, validation, expected):
    assert trainer.evaluations(Config(**options), images, validation) == expected


def test_the_default_study_of_motifs_has_an_evaluation_an_epoch():
    """Each half has 4,000 training and 1,000 validation images; --dry_run says so."""
    config = Config()
    steps = config.train_steps(4000)
    assert trainer.evaluations(config, 4000, 1000) == round(steps / config.steps_per_epoch(4000)) == 12


def test_a_training_is_evaluated_as_often_as_the_rule_says(small, task):
    """Of 160 training images in four epochs: 53 validation images are affordable 7 times, 530 not once."""
    config = dataclasses.replace(small, evaluations=0, steps=0, epochs=4.0)
    (outcome,) = trainer.train(config, task, [BASE], {})
    assert outcome.history["step"] == [5, 10, 15, 20]
    many = dataclasses.replace(task, validation=make_half(530, 5, seed=1))
    (outcome,) = trainer.train(config, many, [BASE], {})
    assert outcome.history["step"] == [20], "the last one is always there"


def test_rounds_do_not_change_the_result(small, task, small_base):
    (outcome,) = trainer.train(dataclasses.replace(small, evaluations=3), task, [BASE], {})
    assert digest(outcome) == digest(small_base)


def test_a_network_that_diverges_is_named_and_stops(small, task):
    hot = dataclasses.replace(small, learning_rate=1e30, steps=100, evaluations=2)
    (outcome,) = trainer.train(hot, task, [BASE], {})
    assert outcome.diverged_at is not None
    assert outcome.train_steps < 100
    assert outcome.history["loss"][-1] is None


@pytest.mark.parametrize("evaluations", [2, 5])
def test_a_network_that_diverges_ends_alike_alone_and_in_a_group(small, task, small_base, evaluations):
    """Seen between two evaluations, which are 50 steps apart, and at one."""
    config = dataclasses.replace(small, steps=100, evaluations=evaluations, schedule="constant", learning_rate=1e-4)
    kernel, bias = small_base.weights["fc3"]
    broken = small_base.weights | {"fc3": [kernel, bias + np.float32(3e38)]}  # dropout doubles it: infinite
    bad, good = Network("bad", "broken", "k3"), Network("good", "s", "k3")
    sources = {"broken": broken, "s": small_base.weights}
    told = []
    together, other = trainer.train(config, task, [bad, good], sources, lambda step, rows: told.append((step, *rows)))
    (alone,) = trainer.train(config, task, [bad], sources)
    assert (together.diverged_at, together.train_steps) == (alone.diverged_at, alone.train_steps)
    assert alone.diverged_at == alone.train_steps < 100
    without_time = [{k: v for k, v in o.history.items() if k != "seconds"} for o in (alone, together)]
    assert without_time[0] == without_time[1]
    assert alone.history["step"][-1] == alone.diverged_at
    assert other.diverged_at is None
    assert (other.train_steps, len(other.history["step"])) == (100, evaluations)
    assert [step for step, *names in told if "bad" in names] == alone.history["step"]
    assert [step for step, *names in told if "good" in names] == other.history["step"]


def test_the_history_has_the_rate_of_the_step_that_was_done(small, task):
    config = dataclasses.replace(small, steps=4, evaluations=4, schedule="step", drop_steps=2)
    (outcome,) = trainer.train(config, task, [BASE], {})
    assert outcome.history["learning_rate"] == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4])


def test_blocks_that_wait_for_their_release_need_an_optimizer_that_holds_them(recipe, task, base):
    waiting = Network("late", "s", "k2t2", release_step=3)
    with pytest.raises(ValueError, match=r"--release_step needs --optimizer=sgd. Received: --release_step=3"):
        trainer.train(dataclasses.replace(recipe, optimizer="adamw"), task, [waiting], {"s": base.weights})


def test_batches_must_divide_by_the_replicas(task):
    odd = Config(width=0.1, batch_size=31, steps=1, strategy="mirrored", replicas=0)
    with pytest.raises(ValueError, match="must divide by the replicas"):
        trainer.train(odd, task, [BASE], {})


def test_preserved_blocks_wait_for_their_release(small, task, small_base, float64):
    networks = [Network("early", "s", "k1t2"), Network("late", "s", "k1t2", release_step=3)]
    source = {layer: [array.astype("float64") for array in arrays] for layer, arrays in small_base.weights.items()}
    early, late = trainer.train(small, task, networks, {"s": source})
    assert early.changed_blocks == late.changed_blocks == ("conv2", "fc3")
    assert record_files.weights_digest(early.weights) != record_files.weights_digest(late.weights)
    never = dataclasses.replace(small, steps=3)
    (held,) = trainer.train(never, task, networks[1:], {"s": source})
    assert held.changed_blocks == (), "not one step after the release"
    (alone,) = trainer.train(small, task, networks[1:], {"s": source})
    assert largest_difference(alone, late) <= ROUNDING


def test_float16_trains_one_network_at_a_time(recipe, task):
    """Loss scaling would couple them: one that overflows holds the others still."""
    half = dataclasses.replace(recipe, precision="mixed_float16")
    with pytest.raises(ValueError, match="train them one by one"):
        trainer.train(half, task, [BASE, Network("other")], {})


@pytest.fixture
def settings_of_a_user(tmp_path):
    """What somebody's keras.json may say."""
    names = ("floatx", "epsilon", "image_data_format", "dtype_policy", "max_steps_per_epoch")
    before = {name: getattr(keras.config, name)() for name in names}
    theirs = dict(zip(names, ("float64", 1e-3, "channels_first", "float64", 1), strict=True))
    for name, value in theirs.items():
        getattr(keras.config, f"set_{name}")(value)
    yield lambda: {name: getattr(keras.config, name)() for name in names} | {"dtype_policy": "float64"} == theirs
    for name, value in before.items():
        getattr(keras.config, f"set_{name}")(value)


def test_a_users_keras_settings_change_no_weight_and_stay(small, task, small_base, settings_of_a_user):
    again = trainer.train(small, task, [BASE], {})[0]
    assert digest(again) == digest(small_base)
    assert again.scores == small_base.scores
    assert settings_of_a_user()
    assert keras.config.dtype_policy().name == "float64"
