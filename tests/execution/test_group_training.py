"""What training a group leaves behind: records, weights, events."""

import dataclasses
import shutil

import numpy as np
import pytest

import tftransfer
from easy_study import CLASSES, RECIPE, EasyStore, cell, names
from tftransfer.data.store import StoreError
from tftransfer.execution import studies
from tftransfer.execution.group_training import GroupTraining
from tftransfer.execution.source_weights import SourceWeights
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.plan import Cell
from tftransfer.records import record_files


def test_bases_keep_weights_others_only_if_asked(finished):
    kept = {name for name in names(finished) if (finished / name / record_files.WEIGHTS).exists()}
    assert kept == {"random0-A4B-seed0", "random0-baseA-seed0", "random0-baseB-seed0"}


def test_a_sweeps_group_keeps_its_best_network(study_with_bases, store):
    shutil.rmtree(study_with_bases.root / "random0-baseB-seed0")
    study = studies.Study(study_with_bases.root, store, say=lambda line: None, keep_best=True)
    study.train_group([cell("A1B").reference])
    group = [cell("A1B"), cell("A2B"), cell("B1B")]
    study.train_group(group)
    found = {one.name: record_files.read(study.root / one.name) for one in group}
    (kept,) = (record for record in found.values() if record.weights_file)
    assert (kept.result["top1"], kept.name) == max((r.result["top1"], r.name) for r in found.values())
    assert kept.content["weights"]["kept_as"] == "best"
    assert tftransfer.load(kept.folder).output_shape == (None, 3)
    assert not any(r.content["weights"]["kept"] for r in found.values() if r is not kept)
    assert "kept_as" not in record_files.read(study.root / "random0-baseB-seed0").content["weights"]


def test_reduced_data_keeps_the_first_images(study, store):
    base = cell("base", images_per_class=3, batch_size=8, model="small_models:dropping")
    record = study.ensure(base).record
    assert record.name == "random0-baseB-k3-seed0"
    assert record.content["cost"]["train_images"] == 9
    assert record.content["integrity"]["class_images"]["training"] == [3, 3]
    everything = store.counts("val")[list(base.classes)]
    assert min(everything) > 3
    assert record.content["cost"]["validation_images"] == everything.sum(), "scored on all"


def test_networks_of_splits_with_equal_halves_are_drawn_anew(study):
    """So are bases on all classes, whose images no split changes."""
    for classes in ("B", "all"):
        first, other = (
            dataclasses.replace(
                cell("base", model="small_models:dropping"),
                treatment=treatments.base(classes),
                split=dataclasses.replace(splits.random_split(CLASSES, 0), name=name),
            )
            for name in ("random0", "file-00000000")
        )
        assert first.classes == other.classes
        assert study.ensure(first).record.weights_digest != study.ensure(other).record.weights_digest


def test_the_mean_image_is_that_of_the_targets_own_training_images(study, store):
    training = GroupTraining(study.root, store, SourceWeights())
    for letter in ("A", "B", "all"):
        asked = dataclasses.replace(cell("base"), treatment=treatments.base(letter))
        images = store.images["train"]
        own = images.images[np.isin(images.labels, asked.classes)]
        np.testing.assert_allclose(training._task(asked).view.mean, own.mean(0), atol=1e-3)
    transfer = training._task(cell("A4B")).view.mean
    np.testing.assert_array_equal(transfer, training._task(cell("base")).view.mean)


def test_all_classes(study):
    everything = Cell(treatments.parse("R2all"), splits.random_split(CLASSES, 0), RECIPE)
    record = study.ensure(everything).record
    assert record.content["identity"]["data"]["class_count"] == CLASSES
    assert names(study.root) == ["random0-R2all-seed0", "random0-baseall-seed0"]


def test_preserved_and_released_blocks(study_with_bases):
    record = study_with_bases.ensure(cell("A2B", preserve=2, release_step=1)).record
    assert record.name == "random0-A2B-keep2-from1-seed0"
    integrity = record.content["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv2"]
    assert integrity["fine_tuned_blocks"] == ["conv3", "conv4"]
    assert integrity["fine_tuned_blocks_moved"]


def test_a_base_as_long_as_source_and_target(study_with_bases):
    control = cell("A4B").longer_base
    record = study_with_bases.ensure(control).record
    assert record.content["cost"]["train_steps"] == 6
    assert record.result["minus_base"] is not None
    assert not (record.folder / record_files.WEIGHTS).exists(), "only standard bases are copied from"
    assert "--budget=equal_total" in record.content["command"]


def test_a_group_leaves_the_records_that_its_networks_would_have_had_alone(finished, study_with_bases, store):
    study = study_with_bases
    for label in ("A", "B"):
        assert study.train_group([dataclasses.replace(cell("base"), treatment=treatments.base(label))]).lost == []
    end = study.train_group([cell("B4B+"), cell("A4B"), cell("A2B")])
    assert end == studies.GroupEnd()
    alone = studies.Study(finished, store, say=lambda line: None)
    for text in ("A4B", "B4B+"):
        together, single = (record_files.read(s.root / cell(text).name) for s in (study, alone))
        assert together.key == single.key
        assert together.weights_digest == single.weights_digest, "to the last bit"
        for column in ("loss", "val_top1", "step", "learning_rate"):
            assert together.content["history"][column] == single.content["history"][column]
        scores = ("top1", "top5", "minus_base")
        assert [together.result[name] for name in scores] == [single.result[name] for name in scores]
        assert together.content["integrity"] == single.content["integrity"]
        assert list((study.root / cell(text).name).glob("events.out.tfevents.*"))
    cost = [record_files.read(study.root / cell(text).name).content["cost"] for text in ("B4B+", "A4B", "A2B")]
    assert sum(c["seconds"] for c in cost) == pytest.approx(cost[0]["group"]["seconds"], abs=0.1)
    assert {c["group"]["networks"] for c in cost} == {3}
    assert cost[0]["seconds"] > cost[1]["seconds"], "the fine-tuned network trains all of its blocks"


def test_a_group_too_large_for_memory_is_refused_before_it_trains(study_with_bases, store):
    study, before = study_with_bases, names(study_with_bases.root)
    small = studies.Study(study.root, store, say=lambda line: None, memory_fraction=1e-6)
    with pytest.raises(MemoryError, match="GB are available"):
        small.train_group([cell("B2B")])
    assert names(study.root) == before


def test_copies_of_validation_images_are_counted_for_a_network_and_its_source(study_with_bases, tmp_path):
    store = EasyStore(tmp_path / "own_means")
    study = studies.Study(study_with_bases.root, store, say=lambda line: None)
    labels = store.images["val"].labels
    ours, theirs = cell("A2B").classes[0], cell("A2B").source_classes[0]
    copied = store.images["val"].images[labels == ours][:3]
    training = store.images["train"]
    training.images[np.flatnonzero(training.labels == theirs)[:2]] = copied[:2]
    training.images[np.flatnonzero(training.labels == ours)[:1]] = copied[2:]
    record = study.ensure(cell("A2B")).record
    assert record.content["integrity"]["validation_images_trained_on"] == {"by_itself": 1, "by_source": 2}
    assert record.content["warnings"].count("leak") == 1, "a code once"
    assert "images_left_out" not in record.content["integrity"]


def with_copies(store):
    """Gives a store a training image of each half, and makes validation images of both near copies of one in B."""
    training, validation = store.images["train"], store.images["val"]
    ours, theirs = (cell("A2B").classes[0], cell("A2B").source_classes[0])
    first, second = np.flatnonzero(validation.labels == ours)[:2]
    of_ours, of_theirs = (np.flatnonzero(training.labels == label)[0] for label in (ours, theirs))
    training.images[of_ours] = validation.images[first]
    store.near_copies = np.array([[store.contents("val")[second], store.contents("train")[of_theirs]]], np.uint64)
    return [f"val/{first}", f"train/{of_ours}"], [f"val/{second}", f"train/{of_theirs}"]


def test_near_copies_are_counted_and_named_for_a_network_and_its_source(study_with_bases, tmp_path):
    store = EasyStore(tmp_path / "own_means")
    ours, theirs = with_copies(store)
    record = studies.Study(study_with_bases.root, store, say=lambda line: None).ensure(cell("A2B")).record
    assert record.content["integrity"]["duplicates"] == {
        "training": {"identical": 1, "near": 0, "first": [[*ours, "identical"]]},
        "source": {"identical": 0, "near": 1, "first": [[*theirs, "near"]]},
        "classes": {"identical": 0, "near": 0, "first": []},
    }
    assert record.content["warnings"].count("duplicates") == 1


def test_copies_of_either_halfs_training_images_are_left_out_of_all_evaluations(tmp_path):
    store = EasyStore(tmp_path / "means")
    with_copies(store)
    study = studies.Study(tmp_path / "study", store, say=lambda line: None)
    with_all, without = (study.ensure(cell("base", exclude_duplicates=which, seed=which)).record for which in (0, 1))
    images = [record.content["cost"]["validation_images"] for record in (with_all, without)]
    assert images[1] == images[0] - 2, "its own, and that of the other half"
    assert without.content["integrity"]["validation_images_excluded"] == 2
    assert "validation_images_excluded" not in with_all.content["integrity"]
    assert without.content["integrity"]["duplicates"]["training"]["identical"] == 0


def test_validation_images_that_are_all_copies_are_refused(tmp_path):
    store = EasyStore(tmp_path / "means")
    store.images["val"] = store.images["train"]
    study = studies.Study(tmp_path / "study", store, say=lambda line: None)
    with pytest.raises(StoreError, match="leaves no validation image of target B: all 131 equal"):
        study.ensure(cell("base", exclude_duplicates=True))


def test_images_that_were_left_out_are_named_in_the_record(tmp_path):
    store = EasyStore(tmp_path / "means")
    store.left_out, store.notes = {"a/1.png": "truncated"}, {"broken_images_left_out": 1}
    record = studies.Study(tmp_path / "study", store, say=lambda line: None).ensure(cell("base")).record
    assert record.content["integrity"]["images_left_out"] == {"count": 1, "first": {"a/1.png": "truncated"}}


def test_released_blocks_train_from_their_step_on(study_with_bases):
    """At the last of three steps, or before: the blocks end elsewhere."""
    early, late = (study_with_bases.ensure(cell("A2B", preserve=2, release_step=step)).record for step in (0, 2))
    assert early.weights_digest != late.weights_digest
    assert early.content["integrity"]["fine_tuned_blocks_moved"] is True
    assert late.content["integrity"]["fine_tuned_blocks_moved"] is True


COPYING = {
    **{text: {} for text in ("B4B", "A4B", "B4B+", "A4B+", "R4B", "S4B")},
    "A2B": {"preserve": 2},
    **{text: {} for text in ("A:k2t1k4n1:B", "B:k4d3n1:B", "A:n2k5n1:B", "A:t2d5n1:B")},
}
BLOCKS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


@pytest.fixture(scope="module")
def copying(tmp_path_factory, store):
    """The study of the networks in `COPYING`, trained as one group; it has both bases."""
    study = studies.Study(tmp_path_factory.mktemp("copying") / "study", store, say=lambda line: None)
    asked = [cell(text, keep_weights=True, learning_rate=1e-4, **more) for text, more in COPYING.items()]
    for base in "AB":
        study.train_group([dataclasses.replace(asked[0], treatment=treatments.base(base))])
    assert study.train_group(asked) == studies.GroupEnd()
    return study.root


@pytest.mark.parametrize(("text", "options"), COPYING.items())
def test_a_network_copies_freezes_and_trains_what_its_name_says(copying, text, options):
    """In the kept weights: frozen blocks are the source's to the bit, tuned ones near them, all others far away."""
    record = record_files.read(copying / cell(text, **options).name)
    tops = {
        name: tftransfer.load(copying / name) for name in (record.name, "random0-baseA-seed0", "random0-baseB-seed0")
    }
    made, bases = tops.pop(record.name), {name[len("random0-base")]: model for name, model in tops.items()}
    letters = {"A2B": "kktt", "A:k2t1k4n1:B": "kktkkkk", "B:k4d3n1:B": "kkkkddd", "A:n2k5n1:B": "nnkkkkk",
               "A:t2d5n1:B": "ttddddd"}.get(text, ("t" if text.endswith("+") else "k") * 4)  # fmt: skip
    dropped = {block for block, letter in zip(BLOCKS, letters, strict=False) if letter == "d"}
    assert {layer.name for layer in made.layers}.isdisjoint(dropped)
    for block, letter in zip(BLOCKS, letters.ljust(7, "n"), strict=True):
        if letter == "d":
            continue
        assert made.get_layer(block).trainable is (letter != "k")
        kernel = made.get_layer(block).get_weights()[0]
        far = {letter: _distance(kernel, model.get_layer(block).get_weights()[0]) for letter, model in bases.items()}
        if letter == "n" or text[0] in "RS":
            assert min(far.values()) > 0.5, f"{block} is new"
            continue
        near = far.pop(text[0])
        assert near == 0 if letter == "k" else 0 < near < 0.1, f"{block} of base{text[0]}"
        assert all(distance > 0.5 for distance in far.values()), f"{block} is of no other base"


def _distance(one, other):
    """Returns how far two arrays are apart, relative to their size."""
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def test_diagnostics_compare_with_source_and_base(finished):
    """A4B is wholly like baseA up to its cut, and the two bases are as like as any two networks."""
    from tftransfer.training import diagnostics

    found = np.load(finished / "random0-A4B-seed0" / diagnostics.FILE, allow_pickle=False)
    assert found["blocks"].tolist() == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    np.testing.assert_allclose(found["with_base"][:4], found["source_with_base"][:4], atol=1e-5)
    assert (np.abs(found["with_base"][4:] - found["source_with_base"][4:]) > 1e-4).all()
    own = np.load(finished / "random0-B4B-tuned-seed0" / diagnostics.FILE, allow_pickle=False)
    np.testing.assert_allclose(own["source_with_base"], 1, atol=1e-5)
