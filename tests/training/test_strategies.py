"""Two replicas train what one device trains: uneven batches, dropout, frozen and preserved blocks.

In float64, so that sums in another order stay small on every processor.
"""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from made_images import make_half
from tftransfer.models.layers import ReplicaDropout
from tftransfer.training import strategies, trainer
from tftransfer.training.group import Group, Network

BASE = Network("base")
ROUNDING = 1e-9
REPLICAS = {"strategy": "mirrored", "replicas": 2}
GROUP = (
    Network("frozen", "s", "k3"),
    Network("tuned", "s", "t2"),
    Network("preserved", "s", "k1t2"),
    Network("released", "s", "k1t2", release_step=2),
    BASE,
)


pytestmark = pytest.mark.usefixtures("float64")


def on_both(recipe, task, networks=(BASE,), sources=None, **options):
    """Trains on one device and on two replicas."""
    recipe = dataclasses.replace(recipe, **options)
    return [
        trainer.train(dataclasses.replace(recipe, **kind), task, networks, sources or {}) for kind in ({}, REPLICAS)
    ]


def largest_difference(one, other):
    pairs = [(a, b) for name in one.weights for a, b in zip(one.weights[name], other.weights[name], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def test_training_images_that_are_no_multiple_of_the_batch(recipe, task):
    """160 images in batches of 54, 27 a replica: 52 are left out of an epoch, others of the next."""
    (one,), (two,) = on_both(recipe, task, batch_size=54, steps=5, evaluations=5)
    assert two.strategy == "mirrored: CPU x 2"
    assert largest_difference(one, two) <= ROUNDING
    assert two.history["val_top1"] == one.history["val_top1"]
    assert two.history["top1"] == one.history["top1"]
    assert two.history["loss"] == pytest.approx(one.history["loss"], rel=1e-9)


@pytest.mark.parametrize("images", [1, 17, 33])
def test_validation_images_that_fill_no_batch(small, task, images):
    """The first batch may be the uneven one, and a replica may get none but images of weight 0."""
    half = make_half(images, 5, seed=1)
    (one,), (two,) = on_both(small, dataclasses.replace(task, validation=half), steps=2, evaluations=2)
    for column in ("val_top1", "val_top5"):
        assert two.history[column] == one.history[column]
        assert two.history[column][-1] == pytest.approx(two.scores[column.removeprefix("val_")]), "without padding"
    assert two.history["val_cross_entropy"] == pytest.approx(one.history["val_cross_entropy"], rel=1e-9)
    assert two.scores["cross_entropy"] == pytest.approx(two.history["val_cross_entropy"][-1], rel=1e-9)
    assert (two.scores["top1"], two.scores["per_class_top1"]) == (one.scores["top1"], one.scores["per_class_top1"])


def test_an_uneven_batch_is_refused_before_anything_is_trained(recipe, task, monkeypatch):
    monkeypatch.setattr(trainer, "Group", pytest.fail)
    with pytest.raises(ValueError, match="--batch_size=31 --replicas=2"):
        dataclasses.replace(recipe, batch_size=31, **REPLICAS)
    all_there_are = dataclasses.replace(recipe, batch_size=31, strategy="mirrored")
    with pytest.raises(ValueError, match="--batch_size=31, 2 replicas"):
        trainer.train(all_there_are, task, [BASE], {})


def masks(recipe, task, strategy, steps):
    """Returns what each dropout layer of a group lets through in its first steps, by image of the global batch."""
    with strategy.scope():
        group = Group(trainer.build_model(recipe, task.classes), [BASE], {}, recipe.seed, task.target)
    layers = [layer for layer in group.model._flatten_layers() if isinstance(layer, ReplicaDropout)]
    per_replica = recipe.batch_size // strategy.num_replicas_in_sync
    ones = strategy.experimental_distribute_values_from_function(lambda context: tf.ones((per_replica, 64)))
    found = []
    for layer in layers:
        step = tf.function(lambda x, layer=layer: strategy.run(lambda part: layer(part, training=True), [x]))
        found.append([_parts(strategy, step(ones)) for _ in range(steps)])
    return found


def _parts(strategy, values):
    return [part.numpy() for part in strategy.experimental_local_results(values)]


def test_dropout_is_that_of_the_place_in_the_global_batch(recipe, task):
    one = masks(recipe, task, tf.distribute.get_strategy(), 3)
    two = masks(recipe, task, strategies.make("mirrored", 2), 3)
    assert len(one) == len(two) == 2, "after fc6 and after fc7"
    seen = []
    for alone, mirrored in zip(one, two, strict=True):
        for (whole,), (first, second) in zip(alone, mirrored, strict=True):
            np.testing.assert_array_equal(np.concatenate([first, second]), whole)
            seen += [first.tobytes(), second.tobytes()]
    assert len(set(seen)) == len(seen) == 12, "each replica, layer and step has a mask of its own"


def test_a_group_of_frozen_tuned_preserved_and_released_blocks(small, task):
    (source,) = trainer.train(small, task, [BASE], {})
    one, two = on_both(small, task, GROUP, {"s": source.weights})
    blocks = ("conv1", "conv2", "fc3")
    changed = {"frozen": (), "tuned": blocks[:2], "preserved": blocks[1:], "released": blocks[1:], "base": ()}
    for network, alone, mirrored in zip(GROUP, one, two, strict=True):
        assert largest_difference(alone, mirrored) <= ROUNDING, network.name
        assert alone.scores["top1"] == mirrored.scores["top1"]
        assert mirrored.scores == pytest.approx(alone.scores, abs=1e-6), "53 validation images on two replicas"
        for outcome in (alone, mirrored):
            assert outcome.changed_blocks == changed[network.name]
        for layer in blocks[: network.frozen]:
            for ours, theirs in zip(mirrored.weights[layer], source.weights[layer], strict=True):
                assert ours.tobytes() == theirs.tobytes(), (network.name, layer)


def test_preserved_blocks_wait_for_their_release_on_two_replicas(small, task):
    (source,) = trainer.train(small, task, [BASE], {})
    held = dataclasses.replace(small, steps=2, **REPLICAS)
    (outcome,) = trainer.train(held, task, [GROUP[3]], {"s": source.weights})
    assert outcome.changed_blocks == (), "not one step after the release"


def test_what_decides_the_last_bits_is_named(monkeypatch):
    """Threads as Python set them, else as the environment says; processor, instructions, settings and versions."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)  # the suite is also run without oneDNN
    found = strategies.rounding("one_device: CPU")
    assert found.keys() == {
        "strategy", "threads", "processor", "instructions", "settings", "jit", "tensor_float_32", "versions"
    }  # fmt: skip
    assert found["strategy"] == "one_device: CPU"
    assert found["versions"].keys() == {"tftransfer", "tensorflow", "keras", "numpy"}
    assert json.loads(json.dumps(found)) == found, "as checkpoints keep it"
    set_before = tf.config.threading.get_intra_op_parallelism_threads()
    assert set_before in (0, found["threads"]["intra_op"])
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 7)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    other = strategies.rounding("mirrored: CPU x 2")
    assert {name for name in found if found[name] != other[name]} == {"strategy", "threads", "settings"}
    assert other["threads"]["intra_op"] == 7


@pytest.mark.parametrize(
    ("description", "replicas"),
    [("one_device: CPU", 1), ("mirrored: CPU x 2", 2), ("mirrored: NVIDIA A x 4 x 16", 16), ("", 1)],
)
def test_a_description_says_how_many_replicas_there_were(description, replicas):
    assert strategies.replicas_of(description) == replicas
