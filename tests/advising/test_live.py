"""Trainings that go on from rung to rung end where the trainer would have ended, also from features."""

import dataclasses

import numpy as np
import pytest

from easy_study import EasyStore
from tftransfer.advising import candidates, folds, live
from tftransfer.data import pipeline
from tftransfer.training import trainer
from tftransfer.training.group import Network

# What the float64 fixture leaves of the rounding of sums, in weights of about 0.1.
ROUNDING = 1e-6
STEPS = 9


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A task of 240 training images, none of which is a validation image."""
    store = EasyStore(tmp_path_factory.mktemp("store"))
    view = pipeline.View(size=32, mean=np.full((32, 32, 3), 128, np.float32), scale=1 / 64, padding=2)
    return trainer.Task("whole", "B", 6, store.select("train", range(6)), store.select("val", range(6)), view)


@pytest.fixture
def short(small, tmp_path):
    return dataclasses.replace(small, steps=STEPS, batch_size=24, views=2, cache_dir=str(tmp_path / "cache"))


def fold_of(task, number=0):
    training, validation = folds.divide(task.training, 5, number)
    return dataclasses.replace(task, training=training, validation=validation)


def weights_of_source(short, task):
    with trainer.dtype_policy(short.precision):
        return {
            layer.name: layer.get_weights() for layer in trainer.build_model(short, 6, seed=3).layers if layer.weights
        }


def largest_difference(one, other):
    assert one.keys() == other.keys()
    pairs = [(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def of_trainer(candidate, short, task, source):
    """Returns what the trainer makes of a candidate, alone and in one go."""
    network = live.network_of(candidate, "candidate", short.steps)
    short = dataclasses.replace(short, layerwise_lr_decay=candidate.decay)
    return trainer.train(short, task, [network], {} if candidate.is_scratch else {"source": source})[0]


CANDIDATES = {one.name: one for one in candidates.make((10, 20, 5, 1))}


@pytest.mark.parametrize(
    "name",
    ["from scratch", "head only", "head first, then all", "all tuned, decaying rates", "k1t2n1", "k2n2", "k2d1n1",
     "k1t1k1n1"],
)  # fmt: skip
def test_rungs_end_where_one_training_ends(name, short, images, float64):
    candidate, task, source = CANDIDATES[name], fold_of(images), weights_of_source(short, images)
    training = live.LiveTraining(candidate, short, task, source)
    for step in (2, 2, 5, STEPS):
        training.advance(step)
        training.correct()
    alone = of_trainer(candidate, short, task, source)
    assert largest_difference(training.weights(), alone.weights) <= ROUNDING
    assert training.correct().mean() == pytest.approx(alone.scores["top1"])
    assert training.proofs() == alone.changed_blocks[:0]
    assert not training.diverged
    assert training.step == STEPS
    assert training.seconds > 0


@pytest.mark.parametrize("fold", [0, 3])
def test_features_of_all_images_serve_the_training_of_a_fold(fold, short, images, float64):
    short = dataclasses.replace(short, model="small_models:plain_pooling")
    source, head_only = weights_of_source(short, images), candidates.Candidate("head only", "k3n2", "keep, rest new")
    said = []
    bank = live.FeatureBank([head_only], short, images, source, said.append)
    assert any("computing features of 240 images" in line for line in said)
    ((depth, values),) = bank.pooled().items()
    assert (depth, len(values)) == (3, 240)
    training = live.LiveTraining(head_only, short, fold_of(images, fold), source, bank)
    assert training.are_features
    for step in (4, STEPS):
        training.advance(step)
    without = dataclasses.replace(short, cache_limit=0.0)
    alone = of_trainer(head_only, without, fold_of(images, fold), source)
    assert not alone.from_features
    assert largest_difference(training.weights(), alone.weights) <= ROUNDING
    assert training.correct().mean() == pytest.approx(alone.scores["top1"])
    assert live.FeatureBank([head_only], short, images, source, said.append).pooled().keys() == {3}
    assert said[-1] == "features of all images are kept from before"


def test_features_are_not_used_where_reading_them_costs_more(short, images):
    source = weights_of_source(short, images)
    shallow = CANDIDATES["k1t2n1"]
    bank = live.FeatureBank([shallow], short, images, source)
    assert bank.pooled() == {}
    training = live.LiveTraining(shallow, short, fold_of(images), source, bank)
    assert not training.are_features
    scratch = live.LiveTraining(CANDIDATES["from scratch"], short, fold_of(images), source, bank)
    assert not scratch.are_features


def test_statistics_that_follow_the_images_leave_no_features_and_are_no_fault(short, images):
    short = dataclasses.replace(short, model="small_models:pooling", batch_norm="adapt")
    source, head_only = weights_of_source(short, images), candidates.Candidate("head only", "k3n2", "keep, rest new")
    bank = live.FeatureBank([head_only], short, images, source)
    assert bank.pooled() == {}
    training = live.LiveTraining(head_only, short, fold_of(images), source, bank)
    training.advance(3)
    assert not training.are_features
    assert training.proofs() == ()
    moved = training.weights()["norm1"]
    assert not np.array_equal(moved[2], source["norm1"][2]), "moving means follow"


def test_a_kept_block_that_something_changed_is_named(short, images):
    training = live.LiveTraining(CANDIDATES["k2n2"], short, fold_of(images), weights_of_source(short, images))
    training.advance(1)
    assert training.proofs() == ()
    (trunk,) = training._group.trunks.values()
    kernel = trunk.get_layer("conv2").kernel
    kernel.assign(kernel + 1e-6)
    assert len(training.proofs()) == 1
    assert "conv2" in training.proofs()[0]


def test_moving_statistics_of_kept_blocks_must_stay(short, images):
    short = dataclasses.replace(short, model="small_models:normalized")
    training = live.LiveTraining(CANDIDATES["k2n2"], short, fold_of(images), weights_of_source(short, images))
    training.advance(2)
    assert training.proofs() == ()
    (trunk,) = training._group.trunks.values()
    mean = trunk.get_layer("norm1").moving_mean
    mean.assign(mean + 1e-6)
    assert len(training.proofs()) == 1


def test_a_training_that_diverged_is_right_on_no_image_and_goes_no_further(short, images):
    short = dataclasses.replace(short, learning_rate=1e30)
    training = live.LiveTraining(CANDIDATES["from scratch"], short, fold_of(images), {})
    training.advance(5)
    assert training.diverged
    assert not training.correct().any()
    before = training.seconds
    training.advance(STEPS)
    assert training.seconds == before


def test_another_seed_is_another_head_and_order(short, images):
    source = weights_of_source(short, images)
    first, again, other = (
        live.LiveTraining(CANDIDATES["k2n2"], dataclasses.replace(short, seed=seed), fold_of(images), source)
        for seed in (0, 0, 1)
    )
    head = [one.weights()["logits"][0] for one in (first, again, other)]
    assert np.array_equal(head[0], head[1])
    assert not np.array_equal(head[0], head[2])


def test_networks_are_what_candidates_say():
    assert live.network_of(CANDIDATES["from scratch"], "x", 30) == Network("x")
    assert live.network_of(CANDIDATES["head only"], "x", 30) == Network("x", "source", "k3")
    assert live.network_of(CANDIDATES["head first, then all"], "x", 30) == Network("x", "source", "t3", 10)
    assert live.network_of(CANDIDATES["k2d1n1"], "x", 30) == Network("x", "source", "k2d1")
    assert live.network_of(CANDIDATES["k2n2"], "x", 30).decisions.ljust(4, "n") == "kknn"
