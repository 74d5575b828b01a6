"""Features that are computed once: equal to those of every step, kept under all that decides them, and never stale."""

import contextlib
import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tftransfer.data import feature_files, pipeline
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.system.signals import Terminated
from tftransfer.training import features, trainer
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.training.group import Group, Network

HEAD, DEEP, LOW = Network("head", "s", "k4"), Network("deep", "s", "k3"), Network("low", "s", "k2")
DROPPED = Network("dropped", "s", "k2d2n1")


@pytest.fixture(scope="module")
def recipe():
    """Two epochs of five steps, without augmentation."""
    return Config(
        model="small_models:pooling", batch_size=32, steps=10, learning_rate=0.01, warmup_steps=0, evaluations=2,
        augment="none",
    )  # fmt: skip


@pytest.fixture(scope="module")
def source(recipe, task):
    return trainer.train(dataclasses.replace(recipe, steps=3), task, [Network("base")], {})[0].weights


@pytest.fixture
def cached(recipe, tmp_path):
    return dataclasses.replace(recipe, cache_dir=str(tmp_path / "cache"))


def files_of(config):
    return sorted((pathlib.Path(config.cache_dir) / feature_files.FOLDER).glob("*.bin"))


def train(config, task, networks, weights, **options):
    return trainer.train(config, task, networks, {"s": weights}, **options)


def group_of(config, task, networks, weights):
    return Group(trainer.build_model(config, task.classes), networks, {"s": weights}, 1, task.target)


def made(config, task, networks, weights, stage=lambda text: None, replicas=1):
    """Returns what a training would read in the place of images, None if it would read images."""
    with trainer.dtype_policy(config.precision):
        group = group_of(config, task, networks, weights)
        group.batch_norm = config.batch_norm
        return features.computed_once(group, config, task, replicas, stage)


def assert_like_new(batches, config, task, networks, weights, folder):
    """Asserts that features are those that an empty cache makes."""
    new = made(dataclasses.replace(config, cache_dir=str(folder)), task, networks, weights)
    assert len(batches.training) == len(new.training)
    for one, other in zip((*batches.training, batches.validation), (*new.training, new.validation), strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5)


def from_images(config):
    return dataclasses.replace(config, cache_limit=0.0)


def largest_difference(one, other):
    pairs = [(a, b) for name in one.weights for a, b in zip(one.weights[name], other.weights[name], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.fixture
def passes(monkeypatch):
    """The images of every pass through trunks, in order."""
    seen = []
    computed = features._Kept._computed

    def counted(self, half, keys):
        seen.extend([len(half.images)] if keys else [])
        return computed(self, half, keys)

    monkeypatch.setattr(features._Kept, "_computed", counted)
    return seen


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_norm": "adapt"}, {"augment": "crop_mirror", "views": 1}, {"augment": "crop", "views": 2}],
    ids=["no_augmentation", "adapt", "one_view", "two_views"],
)
def test_training_from_features_is_training_from_images(cached, task, source, options):
    networks = [DEEP, LOW, DROPPED, Network("tuned", "s", "k2t1"), Network("above", "s", "k2t1k1")]
    config = dataclasses.replace(cached, **options)
    images = train(from_images(config), task, networks, source)
    for outcome, other in zip(train(config, task, networks, source), images, strict=True):
        assert outcome.from_features == (config.batch_norm == "inference")
        assert not other.from_features
        assert largest_difference(outcome, other) <= 1e-5, outcome.name
        for column in ("loss", "top1", "val_top1", "val_cross_entropy"):
            assert outcome.history[column] == pytest.approx(other.history[column], abs=1e-4), column
        assert outcome.scores == pytest.approx(other.scores, abs=1e-4)
        assert outcome.changed_blocks == other.changed_blocks
        assert (outcome.frozen_blocks, outcome.copied_blocks) == (other.frozen_blocks, other.copied_blocks)


def test_training_from_features_is_exact_in_float64(cached, task, source, float64):
    networks = [DEEP, DROPPED, Network("tuned", "s", "k3t1")]
    for one, other in zip(
        train(cached, task, networks, source), train(from_images(cached), task, networks, source), strict=True
    ):
        assert one.from_features
        assert largest_difference(one, other) <= 1e-9, one.name


def test_without_batch_normalisation_training_is_the_same_too(cached, task):
    config = dataclasses.replace(cached, model="small_models:plain_pooling")
    weights = trainer.train(dataclasses.replace(config, steps=3), task, [Network("base")], {})[0].weights
    (one,), (other,) = (train(c, task, [LOW], weights) for c in (config, from_images(config)))
    assert one.from_features
    assert largest_difference(one, other) <= 1e-5


def test_a_pass_over_the_images_makes_all_cuts_and_later_trainings_need_none(cached, task, source, passes):
    networks = [DEEP, LOW, DROPPED]
    first = train(cached, task, networks, source)
    assert passes == [160, 53]
    assert len(files_of(cached)) == 6
    again = train(cached, task, networks, source)
    digests = [[record_files.weights_digest(outcome.weights) for outcome in group] for group in (first, again)]
    assert digests[0] == digests[1]
    for options in ({"seed": 1}, {"learning_rate": 0.02, "epochs": 3.0, "steps": 0}):
        assert made(dataclasses.replace(cached, **options), task, [DROPPED], source)
    assert made(cached, task, [LOW, Network("other", "s", "k3d1n1")], source)
    assert passes == [160, 53], "networks, seeds, recipes and later commands share them"


def test_of_two_processes_one_makes_features_and_the_other_waits(cached, task, source, passes, monkeypatch):
    only_one, others = features.only_one, []

    @contextlib.contextmanager
    def waiting(path):
        with only_one(path):
            if not others:
                others.append(path)
                monkeypatch.setattr(features, "only_one", lambda path: contextlib.nullcontext())
                assert made(cached, task, [DEEP], source), "the other process, which was first"
            yield

    monkeypatch.setattr(features, "only_one", waiting)
    assert made(cached, task, [DEEP], source)
    assert passes == [160, 53]


def test_cuts_that_are_missing_are_made_alone(cached, task, source, monkeypatch):
    made(cached, task, [DEEP], source)
    asked = []
    computed = features._Kept._computed
    monkeypatch.setattr(features._Kept, "_computed", lambda *args: asked.append(list(args[2])) or computed(*args))
    batches = made(cached, task, [LOW, DEEP], source)
    assert asked == [["features0"], ["features0"]]
    assert_like_new(batches, cached, task, [LOW, DEEP], source, pathlib.Path(cached.cache_dir) / "new")


def test_the_cut_moves_up_over_pooling(cached, task, source):
    batches = made(cached, task, [DROPPED], source)
    assert batches.training[0]["features0"].shape == (160, 16), "(images, channels), not (images, 7, 7, channels)"
    assert {path.stat().st_size for path in files_of(cached)} == {160 * 16 * 4, 53 * 16 * 4}


def _changed_weights(source):
    return {name: [array + np.float32(1e-3) for array in arrays] for name, arrays in source.items()}


def _dark(half):
    return dataclasses.replace(half, images=half.images // 2)


def _fewer(half):
    return dataclasses.replace(half, images=half.images[:-1], labels=half.labels[:-1], ids=half.ids[:-1])


CHANGES = {
    "weights": lambda config, task, source: (config, task, _changed_weights(source)),
    "images": lambda config, task, source: (config, dataclasses.replace(task, training=_dark(task.training)), source),
    "validation images": lambda config, task, source: (
        config, dataclasses.replace(task, validation=_dark(task.validation)), source,
    ),
    "fewer images": lambda config, task, source: (
        config, dataclasses.replace(task, training=_fewer(task.training)), source,
    ),
    "mean": lambda config, task, source: (
        config, dataclasses.replace(task, view=dataclasses.replace(task.view, mean=task.view.mean + 9)), source,
    ),
    "scale": lambda config, task, source: (
        config, dataclasses.replace(task, view=dataclasses.replace(task.view, scale=1.0)), source,
    ),
    "padding": lambda config, task, source: (
        config, dataclasses.replace(task, view=dataclasses.replace(task.view, padding=0)), source,
    ),
    "precision": lambda config, task, source: (dataclasses.replace(config, precision="mixed_bfloat16"), task, source),
    "views": lambda config, task, source: (
        dataclasses.replace(config, augment="mirror", views=2, steps=10), task, source,
    ),
    "seed": lambda config, task, source: (
        dataclasses.replace(config, augment="mirror", views=1, seed=4), task, source,
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_features_of_other_weights_images_or_views_never_stand_in(cached, task, source, change, monkeypatch, tmp_path):
    """The key alone must tell, without the images whose features are computed again."""
    made(cached, task, [DEEP], source)
    monkeypatch.setattr(features, "_agree", lambda kept, computed: True)
    config, other, weights = CHANGES[change](cached, task, source)
    assert_like_new(made(config, other, [DEEP], weights), config, other, [DEEP], weights, tmp_path / "new")


def test_every_part_of_a_key_counts(cached, task, source, monkeypatch):
    keys = []
    found = feature_files.find
    monkeypatch.setattr(feature_files, "find", lambda folder, key: keys.append(dict(key)) or found(folder, key))
    made(cached, task, [DEEP, LOW], source)
    deep, low, validation = keys[:3]
    assert {name for name in deep if deep[name] != low[name]} == {"cut", "weights"}
    assert {name for name in deep if deep[name] != validation[name]} == {"images", "ids", "view"}
    assert set(deep) == {"weights", "architecture", "cut", "precision", "type", "versions", "images", "ids", "view"}


def test_features_that_the_trunk_no_longer_makes_are_made_again(cached, task, source, passes, tmp_path):
    """As where code of a user's layer has changed, which no digest knows."""
    made(cached, task, [DEEP], source)
    for path in files_of(cached):
        numbers = np.fromfile(path, np.float32) * 1.01
        numbers.tofile(path)
        beside = path.with_suffix(".json")
        manifest = json.loads(beside.read_text())
        manifest["sha256"] = record_files.file_digest(path)
        beside.write_text(json.dumps(manifest))
    batches = made(cached, task, [DEEP], source)
    assert passes == [160, 53] * 2
    assert_like_new(batches, cached, task, [DEEP], source, tmp_path / "new")


def test_damaged_features_are_made_again(cached, task, source, passes, tmp_path):
    made(cached, task, [DEEP], source)
    for path, damage in zip(files_of(cached), (lambda b: b[:-4], lambda b: b[:8] + b"\0\1" + b[10:]), strict=True):
        path.write_bytes(damage(path.read_bytes()))
    batches = made(cached, task, [DEEP], source)
    assert passes == [160, 53] * 2
    assert_like_new(batches, cached, task, [DEEP], source, tmp_path / "new")


@pytest.mark.parametrize(
    ("networks", "options", "said"),
    [
        ([DEEP, Network("base")], {}, ""),
        ([DEEP, Network("tuned", "s", "t2")], {}, ""),
        ([DEEP], {"augment": "crop_mirror"}, ""),
        ([DEEP], {"steps": 4}, ""),
        ([DEEP], {"cache_limit": 0.0}, ""),
        ([HEAD], {}, "drop4 in the frozen blocks draws noise"),
        ([DEEP], {"batch_norm": "adapt"}, "--batch_norm=adapt makes those of an image depend on its batch"),
        ([Network("one", "s", "k1")], {}, "reading that costs more than"),
        ([DEEP], {"strategy": "mirrored", "replicas": 2}, "one replica only"),
    ],
    ids=["base", "tuned", "random_views", "short", "no_cache", "noise", "adapt", "cheap", "replicas"],
)
def test_features_are_not_used_where_they_do_not_apply(cached, task, source, networks, options, said):
    stages = []
    config = dataclasses.replace(cached, **options)
    assert made(config, task, networks, source, stages.append, config.replicas or 1) is None
    assert files_of(cached) == []
    assert [said in text for text in stages if "not from features" in text] == ([True] if said else [])


def test_two_replicas_train_from_images(cached, task, source):
    config = dataclasses.replace(cached, strategy="mirrored", replicas=2)
    (outcome,) = train(config, task, [DEEP], source)
    assert not outcome.from_features


def test_without_room_training_goes_on_from_images(cached, task, source, caplog):
    tight = dataclasses.replace(cached, cache_limit=1e-6)
    (outcome,) = train(tight, task, [DEEP], source)
    assert not outcome.from_features
    assert len(caplog.messages) == 1
    assert "--cache_limit allows 1e-06 GB" in caplog.messages[0]
    assert files_of(cached) == []


def test_on_a_full_disk_training_goes_on_from_images(cached, task, source, caplog, monkeypatch):
    def full(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_files.Writer, "append", full)
    (outcome,) = train(cached, task, [DEEP], source)
    assert not outcome.from_features
    assert caplog.messages == ["Trains from images: features are not kept (No space left on device)."]
    assert list((pathlib.Path(cached.cache_dir) / feature_files.FOLDER).glob("*.tmp")) == []


class Interrupted(Checkpoints):
    """Checkpoints at every step, which end the process as SIGTERM does at one of them."""

    def save(self, step, arrays, notes):
        super().save(step, arrays, notes)
        if step == 7:
            raise Terminated(15)


@pytest.mark.parametrize("again", ["features", "images"])
def test_an_interrupted_training_goes_on(cached, task, source, tmp_path, again):
    networks = [DEEP, LOW, DROPPED, Network("tuned", "s", "k2t1")]
    whole = train(cached, task, networks, source)
    folder, said = tmp_path / "checkpoints", []
    with pytest.raises(Terminated):
        train(cached, task, networks, source, checkpoints=Interrupted(folder, minutes=0))
    made = Checkpoints(folder, say=said.append)
    config = cached if again == "features" else from_images(cached)
    pieces = train(config, task, networks, source, checkpoints=made)
    assert "goes on from its checkpoint at step 7" in said[0]
    assert [o.from_features for o in pieces] == [again == "features"] * 4
    for one, other in zip(whole, pieces, strict=True):
        assert one.history["step"] == other.history["step"]
        assert largest_difference(one, other) <= (0 if again == "features" else 1e-5)
    assert made.resumed == ([] if again == "features" else made.resumed)
    assert bool(made.resumed) == (again == "images")


def test_the_variables_that_train_are_in_the_same_order(cached, task, source):
    """A checkpoint of one is put back into the other by place."""
    orders = []
    compile_group = trainer.compilation.compile_group

    def kept(group, *args):
        orders.append([variable.path for variable in group.model.trainable_variables])
        return compile_group(group, *args)

    networks = [LOW, DEEP, Network("wide", "s", "k2t1"), DROPPED, Network("b", "s", "k3")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.compilation, "compile_group", kept)
        for config in (cached, from_images(cached)):
            train(config, task, networks, source)
    assert orders[0] == orders[1]


def test_batches_are_those_of_the_images(cached, task, source):
    """The same images in the same order, and the same weights of what fills the last batch."""
    width = 3
    shown = [{"x": np.arange(160 * width, dtype=np.float32).reshape(160, width) + view} for view in (0, 0.5)]
    validation = {"x": np.arange(53 * width, dtype=np.float32).reshape(53, width)}
    config = dataclasses.replace(cached, augment="mirror", views=2)
    batches = features.FeatureBatches(shown, validation, config, task)
    sampling = task.sampling(config)
    for step, (x, labels) in enumerate(batches.training_batches(3, 9), 3):
        positions, epoch = sampling.positions(task.training, step)
        np.testing.assert_array_equal(x["x"], shown[epoch % 2]["x"][positions])
        np.testing.assert_array_equal(labels, task.training.labels[positions])
    ours = list(batches.evaluation_batches())
    theirs = list(pipeline.evaluation_batches(task.validation, task.view, config.batch_size))
    for (_, *one), (_, *other) in zip(ours, theirs, strict=True):
        for mine, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, expected)
            assert mine.dtype == expected.dtype
    np.testing.assert_array_equal(tf.concat([x["x"] for x, _, _ in ours], 0)[:53], validation["x"])
