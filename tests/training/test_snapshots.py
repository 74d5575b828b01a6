"""A training that was interrupted ends where it would have ended, bit for bit."""

import dataclasses
import shutil
import signal

import numpy as np
import pytest

from tftransfer.records import record_files
from tftransfer.system.signals import Terminated
from tftransfer.training import trainer
from tftransfer.training.checkpoints import CannotResumeError, Checkpoints
from tftransfer.training.group import Network

BASE = Network("base")
ROUNDS = {"steps": 7, "evaluations": 3, "schedule": "cosine", "warmup_steps": 1}  # rounds of 3, 3 and 1 steps
GROUP = (Network("f", "s", "k4"), Network("late", "s", "k2t2", release_step=5), BASE)  # of AlexNet
SMALL_GROUP = (Network("f", "s", "k2"), Network("late", "s", "k1t1", release_step=5), BASE)

# Where a training can be interrupted, by its (step, place): after a step inside a round; in the evaluation which
# follows the last step of a round; after that evaluation.
INSIDE, EVALUATION, AFTER = "inside a round", "in an evaluation", "after an evaluation"
PLACES = ((1, INSIDE), (3, EVALUATION), (3, AFTER), (5, INSIDE), (7, EVALUATION), (7, AFTER))


class Interrupted(Checkpoints):
    """Checkpoints of a training which SIGTERM ends at a place, and which saves nothing before."""

    def __init__(self, folder, at):
        super().__init__(folder, say=lambda line: None)
        self.at = at

    def due(self, size):
        return False


@pytest.fixture
def interrupting(monkeypatch):
    """Sends SIGTERM to this process at the place of an `Interrupted`."""
    saver = trainer.snapshots.Saver

    def acting(name, place):
        method = getattr(saver, name)

        def act(self, *arguments, **options):
            if getattr(self._checkpoints, "at", None) == (self._training_history.step, place):
                signal.raise_signal(signal.SIGTERM)
            method(self, *arguments, **options)

        monkeypatch.setattr(saver, name, act)

    acting("on_train_batch_end", INSIDE)
    acting("on_test_batch_end", EVALUATION)
    acting("on_epoch_end", AFTER)


def train(recipe, task, networks, sources, checkpoints=None, report=None):
    return trainer.train(recipe, task, networks, sources, report, checkpoints=checkpoints)


def essence(outcomes):
    """All that an interruption must not change."""
    return [
        {
            "weights": record_files.weights_digest(outcome.weights),
            "scores": repr(outcome.scores),  # nan is not equal to itself
            "history": {column: values for column, values in outcome.history.items() if column != "seconds"},
            "diverged_at": outcome.diverged_at,
            "train_steps": outcome.train_steps,
            "changed_blocks": outcome.changed_blocks,
        }
        for outcome in outcomes
    ]


def ends_alike(recipe, task, networks, sources, folder, places):
    """Trains once in one go, and once with an interruption at every place, each of which must have happened."""
    whole = train(recipe, task, networks, sources)
    for place in places:
        with pytest.raises(Terminated):
            train(recipe, task, networks, sources, Interrupted(folder, place))
    said = []
    pieces = train(recipe, task, networks, sources, Checkpoints(folder, say=said.append))
    assert said == [f"goes on from its checkpoint at step {places[-1][0]}"]
    assert essence(pieces) == essence(whole)
    return whole, pieces


@pytest.fixture(scope="module")
def lively(small):
    """Dropout, crops, mirrors, cosine with warm-up, in rounds of 3, 3 and 1 steps."""
    return dataclasses.replace(small, **ROUNDS)


@pytest.fixture(scope="module")
def whole(lively, task):
    """The base of that recipe, trained in one go."""
    return train(lively, task, [BASE], {})[0]


@pytest.fixture(scope="module")
def source(recipe, task):
    return {"s": train(recipe, task, [BASE], {})[0].weights}


@pytest.mark.slow
def test_a_group_interrupted_everywhere_ends_as_if_never(recipe, task, source, tmp_path, interrupting):
    """Dropout, crops, mirrors, frozen, fine-tuned and later released blocks, cosine with warm-up."""
    lively = dataclasses.replace(recipe, **ROUNDS)
    whole, pieces = ends_alike(lively, task, GROUP, source, tmp_path, PLACES)
    assert whole[0].history["step"] == [3, 6, 7]
    assert pieces[0].seconds > 0
    assert np.isfinite(pieces[0].images_per_second), "no step was done by the last process"


def test_checkpoints_change_nothing(lively, task, whole, tmp_path):
    often = Checkpoints(tmp_path, say=pytest.fail, minutes=0)
    assert essence(train(lively, task, [BASE], {}, often)) == essence([whole])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "mixed_bfloat16"},
        {"precision": "mixed_float16"},
        {"momentum": 0.0, "dropout": 0.0, "augment": "none"},
        {"schedule": "step", "drop_steps": 2, "warmup_steps": 0, "label_smoothing": 0.1},
        {"strategy": "mirrored", "replicas": 2},
    ],
    ids=str,
)
def test_other_recipes_and_two_replicas(recipe, task, options, tmp_path, interrupting):
    ends_alike(dataclasses.replace(recipe, **{**ROUNDS, **options}), task, [BASE], {}, tmp_path, PLACES)


def test_adamw(lively, task, tmp_path, interrupting):
    adamw = dataclasses.replace(lively, optimizer="adamw")
    ends_alike(adamw, task, [BASE], {}, tmp_path, [(4, INSIDE)])


@pytest.mark.parametrize("replicas", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_group_with_batch_norm_interrupted_everywhere(replicas, lively, task, tmp_path, interrupting):
    """Moving averages, dropout of Keras' own, crops, mirrors, frozen, fine-tuned and later released blocks, cosine."""
    options = {"strategy": "mirrored", "replicas": replicas} if replicas else {}
    recipe = dataclasses.replace(lively, model="small_models:normalized", **options)
    source = {"s": train(recipe, task, [BASE], {})[0].weights}
    whole, _ = ends_alike(recipe, task, SMALL_GROUP, source, tmp_path, PLACES)
    assert whole[1].copied_blocks == ("conv1", "conv2")
    assert whole[1].changed_blocks == ("conv2",)


@pytest.mark.slow
def test_one_of_three_networks_diverges(recipe, task, source, tmp_path, interrupting):
    hot = {"h": {name: [array * 1e25 for array in arrays] for name, arrays in source["s"].items()}}
    networks = (*GROUP[::2], Network("hot", "h", "t4"))
    lively = dataclasses.replace(recipe, **ROUNDS)
    whole, _ = ends_alike(lively, task, networks, source | hot, tmp_path, [(3, AFTER), (5, INSIDE)])
    assert [outcome.diverged_at is None for outcome in whole] == [True, True, False]


def test_when_all_have_diverged_nothing_is_trained_on(small, task, tmp_path, interrupting):
    hot = dataclasses.replace(small, learning_rate=1e30, steps=100, evaluations=2)
    whole, _ = ends_alike(hot, task, [BASE], {}, tmp_path, [(25, EVALUATION), (25, AFTER)])
    assert whole[0].train_steps == 25


def test_the_history_is_told_again_so_that_views_can_be_rebuilt(lively, task, tmp_path, interrupting):
    told, again = {}, {}

    def keep(rows):
        return lambda step, of: rows.setdefault(step, dict(of["base"]))

    checkpoints = Interrupted(tmp_path, (5, INSIDE))
    with pytest.raises(Terminated):
        train(lively, task, [BASE], {}, checkpoints, keep(told))
    assert list(told) == [3]
    checkpoints = Checkpoints(tmp_path, say=lambda line: None)
    (outcome,) = train(lively, task, [BASE], {}, checkpoints, keep(again))
    assert list(again) == [3, 6, 7]
    assert checkpoints.told_until == 3
    assert again[3] == told[3]
    assert outcome.history["seconds"] == sorted(outcome.history["seconds"]), "time goes on, too"
    assert outcome.train_seconds < outcome.seconds


def test_another_training_begins_anew_and_leaves_the_first_one_its_checkpoint(
    lively, task, whole, tmp_path, interrupting
):
    folder = tmp_path / "base"
    with pytest.raises(Terminated):
        train(lively, task, [BASE], {}, Interrupted(folder, (1, INSIDE)))
    other, said = dataclasses.replace(lively, seed=1), []
    anew = train(other, task, [BASE], {}, Checkpoints(folder, say=said.append, minutes=0))
    assert len(said) == 1
    assert "seed: 0 there, 1 here" in said[0]
    assert essence(anew) == essence(train(other, task, [BASE], {}))
    said = []
    pieces = train(lively, task, [BASE], {}, Checkpoints(folder, say=said.append))
    assert said[-1] == "goes on from its checkpoint at step 1"
    assert essence(pieces) == essence([whole])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("others", [(1, 7), pytest.param((2,), marks=pytest.mark.slow)], ids=str)
def test_another_number_of_evaluations_ends_with_the_same_weights(
    others, place, lively, task, whole, tmp_path, interrupting
):
    with pytest.raises(Terminated):
        train(lively, task, [BASE], {}, Interrupted(tmp_path / "before", place))
    for evaluations in others:
        folder = shutil.copytree(tmp_path / "before", tmp_path / f"with {evaluations}")
        made = Checkpoints(folder, say=lambda line: None)
        (pieces,) = train(dataclasses.replace(lively, evaluations=evaluations), task, [BASE], {}, made)
        assert made.resumed[0]["differences"] == [f"evaluations: 3 there, {evaluations} here"]
        assert record_files.weights_digest(pieces.weights) == record_files.weights_digest(whole.weights)
        assert pieces.scores == whole.scores
        steps = pieces.history["step"]
        assert steps == sorted(set(steps)), "each once"
        assert steps[-1] == 7, "the last evaluation is there"
        assert last_validation(pieces) == last_validation(whole)


def last_validation(outcome):
    return {column: values[-1] for column, values in outcome.history.items() if column.startswith("val_")}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"strategy": "mirrored", "replicas": 2}, {"strategy": "one_device"}),
        pytest.param({"strategy": "one_device"}, {"strategy": "mirrored", "replicas": 2}, marks=pytest.mark.slow),
    ],
    ids=["two then one", "one then two"],
)
def test_another_number_of_replicas_goes_on_inexactly_or_not_at_all(
    lively, task, whole, before, now, tmp_path, interrupting
):
    """They sum in another order; the values of all variables are those of the checkpoint."""
    first, other = (dataclasses.replace(lively, **kind) for kind in (before, now))
    with pytest.raises(Terminated):
        train(first, task, [BASE], {}, Interrupted(tmp_path, (5, INSIDE)))
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CannotResumeError, match=r"step 5 cannot be gone on from exactly: .*strategy.*CPU"):
        train(other, task, [BASE], {}, Checkpoints(tmp_path, say=pytest.fail, resume="exact"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
    said = []
    (pieces,) = train(other, task, [BASE], {}, Checkpoints(tmp_path, say=said.append))
    assert len(said) == 1
    assert "step 5, inexactly: strategy" in said[0]
    assert pieces.history["step"] == [3, 6, 7]
    for name, arrays in whole.weights.items():
        for array, found in zip(arrays, pieces.weights[name], strict=True):
            np.testing.assert_allclose(found, array, rtol=1e-3, atol=1e-5, err_msg=name)
    assert pieces.history["top1"][1] == pytest.approx(whole.history["top1"][1]), "sums inside the round, too"


def test_copies_of_variables_for_another_number_of_replicas():
    alike, parts = np.array([[3.0, 4.0]] * 2), np.array([[3.0, 4.0], [1.0, 0.0]])
    redistributed = trainer.snapshots._redistributed
    assert redistributed(alike, 1, summed=False).tolist() == [[3.0, 4.0]]
    assert redistributed(alike, 3, summed=False).tolist() == [[3.0, 4.0]] * 3
    assert redistributed(parts, 1, summed=True).tolist() == [[4.0, 4.0]]
    assert redistributed(parts, 3, summed=True).tolist() == [[4.0, 4.0], [0.0, 0.0], [0.0, 0.0]]


def test_other_options_sources_and_images_are_another_training(recipe, task):
    source = {"s": {"conv1": [np.ones((5, 5, 3, 8), np.float32), np.zeros(8, np.float32)]}}

    def identity(source=source, task=task, networks=GROUP, **options):
        config, halves = dataclasses.replace(recipe, **options), {"training": task.training, "val": task.validation}
        return trainer.snapshots.identity(config, task.view, halves, networks, source)

    first = identity()
    same = {"runs_dir": "x", "checkpoint_minutes": "0", "keep_weights": True, "cache_dir": "x", "study": "x"}
    assert identity(**same, evaluations=9, resume="no", strategy="mirrored", replicas=2) == first
    relabelled = dataclasses.replace(task.validation, labels=task.validation.labels[::-1])
    others = {
        "sources": identity({"s": {name: [a + 1 for a in arrays] for name, arrays in source["s"].items()}}),
        "images": identity(task=dataclasses.replace(task, validation=relabelled)),
        "view": identity(task=dataclasses.replace(task, view=dataclasses.replace(task.view, mean=task.view.mean + 1))),
        "networks": identity(networks=GROUP[:2]),
        "recipe": identity(learning_rate=0.003),
        "seed": identity(seed=1),
    }
    for name, other in others.items():
        assert {line.partition(":")[0].partition(".")[0] for line in record_files.differences(first, other)} == {name}


def test_what_may_differ_where_a_training_goes_on(recipe):
    first = trainer.snapshots.circumstances(recipe, "one_device: CPU")
    assert record_files.differences(first, trainer.snapshots.circumstances(recipe, "mirrored: CPU x 2")) == [
        'strategy: "one_device: CPU" there, "mirrored: CPU x 2" here'
    ]
    fewer = dataclasses.replace(recipe, evaluations=9)
    assert record_files.differences(first, trainer.snapshots.circumstances(fewer, "one_device: CPU")) == [
        "evaluations: 1 there, 9 here"
    ]
