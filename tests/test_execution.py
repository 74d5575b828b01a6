import dataclasses
import json
import pathlib
import signal
import threading
import time

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_file_loader

import tftransfer
from made_images import ArrayHalf, make_half
from tftransfer import execution, findings, interruption, plan, records, splits, treatments
from tftransfer.config import Config
from tftransfer.foreign import files
from tftransfer.plan import Cell
from tftransfer.training import checkpoints, foreign_base, trainer

CLASSES = 6


class ArrayStore:
    """A prepared data set of six easy classes in memory."""

    fingerprint, size, encoding, dataset, path = "f" * 64, 32, "raw", "easy", ""

    def __init__(self):
        self.images = {"train": make_half(240, CLASSES, 0), "val": make_half(60, CLASSES, 1)}

    def counts(self, split):
        return np.bincount(self.images[split].labels, minlength=CLASSES)

    def select(self, split, classes, images_per_class=None):
        whole = self.images[split]
        wanted = sorted(classes)
        ids = [i for i, label in enumerate(whole.labels) if label in wanted]
        if images_per_class:
            ids = [i for i in ids if np.sum(whole.labels[: i + 1] == whole.labels[i]) <= images_per_class]
        labels = np.array([wanted.index(whole.labels[i]) for i in ids], np.int32)
        return ArrayHalf(whole.images[ids], labels, np.array(ids))


@pytest.fixture(scope="module")
def store():
    return ArrayStore()


@pytest.fixture(autouse=True)
def _mean_in_memory(monkeypatch):
    monkeypatch.setattr(trainer, "mean_image", lambda half: half.images.mean(0).astype(np.float32))


RECIPE = Config(width=0.1, batch_size=32, steps=3, learning_rate=0.002, warmup_steps=0, evaluations=1)


def cell(text, preserve=0, release_step=0, **options):
    target = "B" if text == "base" else None
    treatment = treatments.parse(text, target=target, preserve=preserve, release_step=release_step)
    return Cell(treatment, splits.random_split(CLASSES, 0), dataclasses.replace(RECIPE, **options))


@pytest.fixture
def study(tmp_path, store):
    return execution.Study(tmp_path / "study", store, say=lambda line: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, store):
    """A study with baseA, baseB, A4B and B4B-tuned; its weights of A4B were kept."""
    root = tmp_path_factory.mktemp("runs") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "mean_image", lambda half: half.images.mean(0).astype(np.float32))
        study = execution.Study(root, store, say=lambda line: None)
        study.ensure(cell("A4B", keep_weights=True))
        study.ensure(cell("B4B+"))
    return root


def names(root):
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def test_what_is_needed_is_trained_in_order(study):
    said = []
    study._say = said.append
    assert study.ensure(cell("A4B")).now
    assert names(study.root) == ["random0-A4B-seed0", "random0-baseA-seed0", "random0-baseB-seed0"]
    begun = [line.split(":")[0] for line in said if "training on" in line]
    assert begun == ["baseA", "baseB", "A4B"]


def test_what_is_done_is_reused(finished, store):
    again = execution.Study(finished, store, say=pytest.fail)
    for text in ("A4B", "B4B+", "base"):
        assert not again.ensure(cell(text)).now


def test_records_say_what_was_found(finished):
    network = records.read(finished / "random0-A4B-seed0")
    reference = records.read(finished / "random0-baseB-seed0")
    source = records.read(finished / "random0-baseA-seed0")
    assert network.identity["source"] == {"key": source.key, "weights": source.weights_digest}
    assert network.result["minus_base"] == pytest.approx(network.result["top1"] - reference.result["top1"])
    assert reference.result["minus_base"] == 0.0
    assert 1 / 3 < network.result["chance"] < 0.4, "the most frequent of three classes, which are not quite balanced"
    integrity = network.content["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv2", "conv3", "conv4"]
    assert integrity["frozen_blocks_unchanged"]
    assert integrity["target_classes_seen_by_source"] == 0
    for part, images in integrity["class_images"].items():
        assert len(images) == 2
        assert sum(images) <= network.content["cost"]["train_images" if part == "training" else "validation_images"]
    assert network.content["doubts"] == list(findings.words(network.content))
    assert network.content["cost"]["train_steps"] == 3
    assert network.content["history"]["step"] == [3]
    assert network.content["versions"]["keras"]
    assert network.content["machine"]["cores"] >= 1
    assert "--treatment=AnB --n=4" in network.content["command"]
    tuned = records.read(finished / "random0-B4B-tuned-seed0").content["integrity"]
    assert tuned["fine_tuned_blocks_moved"]
    assert tuned["target_classes_seen_by_source"] == 3, "a selffer's source has seen its target"


def test_records_name_no_folder_of_this_machine(finished):
    for record in records.read_study(finished):
        text = json.dumps(record.content)
        assert str(finished) not in text
        assert str(pathlib.Path.home()) not in text


def test_bases_keep_weights_others_only_if_asked(finished):
    kept = {name for name in names(finished) if (finished / name / records.WEIGHTS).exists()}
    assert kept == {"random0-A4B-seed0", "random0-baseA-seed0", "random0-baseB-seed0"}


def test_load_gives_the_trained_network_back(finished):
    model = tftransfer.load(finished / "random0-A4B-seed0")
    source = tftransfer.load(finished / "random0-baseA-seed0")
    for name in ("conv1", "conv4"):
        for here, there in zip(model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(here, there)
    with pytest.raises(ValueError, match="were not kept"):
        tftransfer.load(finished / "random0-B4B-tuned-seed0")
    with pytest.raises(ValueError, match="No finished network"):
        tftransfer.load(finished)


def test_another_configuration_under_the_same_name_is_refused(finished, store):
    study = execution.Study(finished, store, say=pytest.fail)
    other = cell("B4B+", learning_rate=0.5)
    before = (finished / "random0-baseB-seed0" / records.RECORD).read_bytes()
    for force in (False, True):
        with pytest.raises(ValueError, match=r"recipe\.learning_rate: 0\.002 there, 0\.5 here.*--study"):
            study.check(plan.steps_for(other), force)
        with pytest.raises(ValueError, match="another configuration"):
            study.ensure(other, force)
    assert (finished / "random0-baseB-seed0" / records.RECORD).read_bytes() == before


def test_force_trains_the_asked_network_again_and_only_it(study):
    first = study.ensure(cell("B2B"))
    again = study.ensure(cell("B2B"), force=True)
    assert again.now
    assert again.record.key == first.record.key
    assert again.record.weights_digest == first.record.weights_digest, "a forced run repeats bit for bit"
    assert again.record.content["finished"] >= first.record.content["finished"]


def test_a_base_whose_weights_are_lost_or_damaged_is_trained_again(study, store):
    study.ensure(cell("base"))
    weights = study.root / "random0-baseB-seed0" / records.WEIGHTS
    whole = weights.read_bytes()
    for damage in (None, whole[: len(whole) // 2], bytes([whole[-5000] ^ 1]).join([whole[:-5000], whole[-4999:]])):
        weights.unlink() if damage is None else weights.write_bytes(damage)
        said = []
        fresh = execution.Study(study.root, store, say=said.append)
        record = fresh.ensure_source(cell("base"))
        assert record.weights_file, "the weights are there again"
        assert records.weights_digest(fresh._weights["random0-baseB-seed0"]) == record.weights_digest


def test_an_unfinished_folder_is_trained_again(study):
    folder = study.root / "random0-baseB-seed0"
    folder.mkdir(parents=True)
    (folder / "events.out.tfevents.1.old").write_bytes(b"half-written")
    assert study.ensure(cell("base")).now
    assert not (folder / "events.out.tfevents.1.old").exists()
    assert len(list(folder.glob("events*"))) == 1


def test_an_interruption_leaves_nothing_that_counts_as_done(study, monkeypatch):
    study.ensure(cell("base"))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(execution.trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.ensure(cell("B4B"))
    monkeypatch.undo()
    monkeypatch.setattr(trainer, "mean_image", lambda half: half.images.mean(0).astype(np.float32))
    assert [record.name for record in records.read_study(study.root)] == ["random0-baseB-seed0"]
    assert study.ensure(cell("B4B")).now


def test_a_diverged_base_is_recorded_and_not_copied_from(study):
    hot = {"learning_rate": 1e30, "steps": 60}
    with pytest.raises(execution.SourceError, match="baseB diverged"):
        study.ensure(cell("B4B", **hot))
    record = records.read(study.root / "random0-baseB-seed0")
    assert record.status == records.DIVERGED
    assert record.result["top1"] is None
    assert not findings.sound(record)
    assert "diverged at step" in findings.faults(record)[0]
    assert not (record.folder / records.WEIGHTS).exists()


def test_a_forced_training_that_is_interrupted_keeps_the_old_result(study, monkeypatch):
    first = study.ensure(cell("base")).record

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(execution.trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.ensure(cell("base"), force=True)
    record = records.read(study.root / "random0-baseB-seed0")
    assert record == first
    assert record.weights_file


def test_a_finished_network_does_not_need_its_sources_weights(study, store):
    study.ensure(cell("B4B"))
    (study.root / "random0-baseB-seed0" / records.WEIGHTS).unlink()
    assert not execution.Study(study.root, store, say=pytest.fail).ensure(cell("B4B")).now


def test_two_processes_that_want_the_same_base_train_it_once(study, store):
    said = []
    other = execution.Study(study.root, store, say=said.append)
    lock = study._only_one(cell("base"))
    lock.__enter__()
    waiting = threading.Thread(target=other.ensure, args=[cell("base")])
    waiting.start()
    while not said:
        time.sleep(0.01)
    assert said == ["baseB: another process trains it; waiting"]
    study._train([execution.Member(cell("base"), None, None)])
    lock.__exit__(None, None, None)
    waiting.join(timeout=60)
    assert len(said) == 1, "the other found it done"


def test_a_comparison_with_an_older_base_is_named(finished):
    network, base = (records.read(finished / f"random0-{name}-seed0") for name in ("A4B", "baseB"))
    assert findings.stale(network, base) is None
    changed = dataclasses.replace(base, content={**base.content, "weights": {"kept": True, "sha256": "0"}})
    assert "another training of random0-baseB-seed0" in findings.stale(network, changed)


def test_random_frozen_blocks(study):
    integrity = study.ensure(cell("R3B")).record.content["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv2", "conv3"]
    assert integrity["frozen_blocks_unchanged"]
    assert names(study.root) == ["random0-R3B-seed0", "random0-baseB-seed0"]


def test_reduced_data_keeps_the_first_images(study):
    record = study.ensure(cell("base", images_per_class=12)).record
    assert record.name == "random0-baseB-k12-seed0"
    assert record.content["cost"]["train_images"] == 36
    assert record.content["cost"]["validation_images"] > 12


def test_chance_is_named(finished):
    record = records.read(finished / "random0-B4B-tuned-seed0")
    lucky = dataclasses.replace(record, content={**record.content, "result": {**record.result, "top1": 0.33}})
    lucky.content["integrity"] = {**record.content["integrity"], "left_chance": False}
    assert findings.faults(lucky) == ["random0-B4B-tuned-seed0 did not leave chance: top-1 33.0 %"]


def test_unbalanced_classes_are_recorded_and_named(tmp_path):
    store = ArrayStore()
    whole, rare = store.images["train"], splits.random_split(CLASSES, 0).b[0]
    places = np.flatnonzero(whole.labels == rare)[8:]  # all but eight images of one class of the target go
    store.images["train"] = ArrayHalf(*(np.delete(a, places, 0) for a in (whole.images, whole.labels, whole.ids)))
    record = execution.Study(tmp_path / "study", store, say=lambda line: None).ensure(cell("base")).record
    few, many = record.content["integrity"]["class_images"]["training"]
    assert (few, many) == (8, max(store.counts("train")[list(splits.random_split(CLASSES, 0).b)]))
    assert "unbalanced" in record.content["doubts"]
    (fault,) = [fault for fault in findings.faults(record) if "chance" not in fault]
    assert f"its classes have 8 to {many} training images" in fault
    assert findings.sound(record), "doubtful, but as it should have ended"


def test_random_blocks_with_learnt_statistics_need_their_base(study):
    record = study.ensure(cell("S3B")).record
    base = records.read(study.root / "random0-baseB-seed0")
    assert record.identity["source"]["weights"] == base.weights_digest
    assert record.content["integrity"]["frozen_blocks_unchanged"]


def test_preserved_and_released_blocks(study):
    record = study.ensure(cell("A2B", preserve=2, release_step=1)).record
    assert record.name == "random0-A2B-keep2-from1-seed0"
    integrity = record.content["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv2"]
    assert integrity["fine_tuned_blocks"] == ["conv3", "conv4"]
    assert integrity["fine_tuned_blocks_moved"]


def test_a_base_as_long_as_source_and_target(study):
    control = cell("A4B").control
    record = study.ensure(control).record
    assert record.content["cost"]["train_steps"] == 6
    assert record.result["minus_base"] is not None
    assert not (record.folder / records.WEIGHTS).exists(), "only standard bases are copied from"
    assert "--budget=equal_total" in record.content["command"]


def scalars(folder):
    """Returns the scalars that TensorBoard would show: tag, step, value; what depends on the clock left out."""
    (path,) = folder.glob("events*")
    return [
        (value.tag, event.step, value.simple_value)
        for event in event_file_loader.LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
        if not value.tag.startswith("_") and value.tag != "final/seconds"
    ]


def test_an_interrupted_network_goes_on_and_leaves_nothing_behind(study, store, tmp_path, monkeypatch):
    rounds = {"evaluations": 3}
    whole = study.ensure(cell("B2B", **rounds)).record
    said = []
    other = execution.Study(tmp_path / "other", store, say=said.append)
    due = checkpoints.Checkpoints.due

    def end_after_two_steps(self, size):
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked == 2:
            signal.raise_signal(signal.SIGTERM)
        return True

    monkeypatch.setattr(checkpoints.Checkpoints, "due", end_after_two_steps)
    for _ in range(2):  # baseB, then B2B
        with pytest.raises(interruption.Terminated):
            other.ensure(cell("B2B", **rounds))
        assert len(list((other.root / ".checkpoints").glob("*/*.npz"))) == 2
        assert not list(other.root.glob("random*/*step*.npz"))
        monkeypatch.setattr(checkpoints.Checkpoints, "due", due)
        other.ensure(cell("base", **rounds))
        monkeypatch.setattr(checkpoints.Checkpoints, "due", end_after_two_steps)
    monkeypatch.setattr(checkpoints.Checkpoints, "due", due)
    record = other.ensure(cell("B2B", **rounds)).record
    assert "B2B: goes on from its checkpoint at step 2" in said
    assert sum(line.startswith("B2B: step") for line in said) == 3, "no line is said twice"
    assert record.weights_digest == whole.weights_digest
    assert record.result == whole.result
    assert {**record.content["history"], "seconds": 0} == {**whole.content["history"], "seconds": 0}
    assert scalars(record.folder) == scalars(whole.folder)
    assert not (other.root / ".checkpoints").exists()
    assert names(other.root) == names(study.root)


def test_a_checkpoint_of_other_replicas_ends_in_a_reason_and_leaves_no_trace(study, store, monkeypatch):
    def end_at_once(self, size):
        signal.raise_signal(signal.SIGTERM)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "due", end_at_once)
        with pytest.raises(interruption.Terminated):
            study.ensure(cell("base", strategy="mirrored", replicas=2))
    with pytest.raises(ValueError, match=r"on 2 replicas.* Removing \.checkpoints/random0-baseB-seed0 in the study"):
        study.ensure(cell("base"), force=True)
    assert not (study.root / "random0-baseB-seed0").exists()
    assert list(study.root.glob(".checkpoints/random0-baseB-seed0/*.npz"))


def test_checkpoints_that_outlived_their_record_are_not_used_by_force(study):
    first = study.ensure(cell("base")).record
    before, after = (study._checkpoints([execution.Member(cell("base"), None, None)]) for _ in range(2))
    study.root.joinpath("random0-baseB-seed0", records.RECORD).unlink()
    of_first = study._checkpoints([execution.Member(cell("base"), None, None)])
    assert before._about == after._about
    assert before._about["replaces"] == [first.content["finished"]]
    assert of_first._about["replaces"] == [None]


def test_no_checkpoints_if_none_are_wanted(study):
    assert study._checkpoints([execution.Member(cell("base", checkpoint_minutes="0"), None, None)]) is None
    assert study._checkpoints([execution.Member(cell("base", checkpoint_minutes="2"), None, None)]) is not None


def test_all_classes(study):
    everything = Cell(treatments.parse("R2all"), splits.random_split(CLASSES, 0), RECIPE)
    record = study.ensure(everything).record
    assert record.content["identity"]["data"]["class_count"] == CLASSES
    assert names(study.root) == ["random0-R2all-seed0", "random0-baseall-seed0"]


def test_a_group_leaves_the_records_that_its_networks_would_have_had_alone(finished, study, store):
    for label in ("A", "B"):
        assert study.train_group([dataclasses.replace(cell("base"), treatment=treatments.base(label))]).lost == []
    end = study.train_group([cell("B4B+"), cell("A4B"), cell("A2B")])
    assert end == execution.GroupEnd()
    alone = execution.Study(finished, store, say=lambda line: None)
    for text in ("A4B", "B4B+"):
        together, single = (records.read(s.root / cell(text).name) for s in (study, alone))
        assert together.key == single.key
        assert together.weights_digest == single.weights_digest, "to the last bit"
        for column in ("loss", "val_top1", "step", "learning_rate"):
            assert together.content["history"][column] == single.content["history"][column]
        scores = ("top1", "top5", "minus_base")
        assert [together.result[name] for name in scores] == [single.result[name] for name in scores]
        assert together.content["integrity"] == single.content["integrity"]
        assert list((study.root / cell(text).name).glob("events.out.tfevents.*"))
    cost = [records.read(study.root / cell(text).name).content["cost"] for text in ("B4B+", "A4B", "A2B")]
    assert sum(c["seconds"] for c in cost) == pytest.approx(cost[0]["group"]["seconds"], abs=0.1)
    assert {c["group"]["networks"] for c in cost} == {3}
    assert cost[0]["seconds"] > cost[1]["seconds"], "the fine-tuned network trains all of its blocks"


def test_a_group_trains_only_what_is_missing(study):
    study.ensure(cell("A2B"))
    before = records.read(study.root / cell("A2B").name)
    study.train_group([cell("A2B"), cell("A3B")])
    assert records.read(study.root / cell("A2B").name) == before
    assert records.read(study.root / cell("A3B").name).content["cost"]["group"]["networks"] == 1


def test_a_group_leaves_out_what_another_process_trains(study):
    study.ensure(cell("A2B"))
    with execution.Study(study.root, study._store)._only_one(cell("A3B")):
        end = study.train_group([cell("A3B"), cell("A4B")])
    assert end.elsewhere == ["random0-A3B-seed0"]
    assert records.read(study.root / cell("A4B").name)
    assert records.read(study.root / cell("A3B").name) is None


def test_a_group_names_the_bases_whose_weights_are_gone_or_damaged(study, store):
    study.ensure(cell("A2B"))
    (study.root / "random0-baseA-seed0" / records.WEIGHTS).write_bytes(b"damaged")
    again = execution.Study(study.root, store, say=lambda line: None)
    assert again.train_group([cell("A3B")]).lost == ["random0-baseA-seed0"]
    assert records.read(study.root / cell("A3B").name) is None
    base = dataclasses.replace(cell("base"), treatment=treatments.base("A"))
    assert again.train_group([base]).lost == [], "asked for itself, it is trained again"
    assert again.train_group([cell("A3B")]).lost == []
    assert records.read(study.root / cell("A3B").name)


def test_a_group_too_large_for_memory_is_refused_before_it_trains(study, store):
    study.ensure(cell("base"))
    small = execution.Study(study.root, store, say=lambda line: None, memory_share=1e-6)
    with pytest.raises(MemoryError, match="GB are available"):
        small.train_group([cell("B2B")])
    assert names(study.root) == ["random0-baseB-seed0"]


def test_evaluations_are_told_as_they_come(tmp_path, store):
    seen = []
    study = execution.Study(
        tmp_path, store, say=lambda line: None, watch=lambda step, steps, rows: seen.append((step, steps, list(rows)))
    )
    study.train_group([cell("base", evaluations=3)])
    assert seen == [(step, 3, ["random0-baseB-seed0"]) for step in (1, 2, 3)]


@pytest.mark.parametrize("kind", [".weights.h5", ".safetensors"])
def test_foreign_weights_end_as_ones_own_base_with_the_same_weights(finished, store, tmp_path, kind):
    path = tmp_path / f"given{kind}"
    own = records.read(finished / "random0-A4B-seed0")
    foreign_base.export(records.read(finished / "random0-baseA-seed0"), path, ("x", "y", "z"), "a test").write(path)
    described = files.opened(path)
    given = foreign_base.load(path, described, RECIPE)
    assert "fc8" not in given.weights, "the head is not read"
    asked = cell("A4B")
    asked = dataclasses.replace(asked, treatment=dataclasses.replace(asked.treatment, foreign=described.sha256))
    study = execution.Study(tmp_path / "study", store, say=lambda line: None, foreign=given)
    record = study.ensure(asked).record
    mark = f"w{described.sha256[:8]}"
    assert names(study.root) == [f"random0-A4B-{mark}-seed0", "random0-baseB-seed0"], "no base of A is trained"
    assert record.weights_digest == own.weights_digest, "bit by bit"
    assert record.result == own.result
    assert record.identity["source"] == {"foreign": described.sha256}
    assert record.key != own.key
    assert own.identity["treatment"]["foreign"] == "", "which is why older records keep their keys"
    integrity = record.content["integrity"]
    assert integrity["foreign_source"]["file"] == path.name
    assert integrity["foreign_source"]["provenance"] == "a test"
    assert integrity["target_classes_seen_by_source"] is None
    assert integrity["updates_of_source"] is None
    (fault,) = [fault for fault in findings.faults(record) if "chance" not in fault]
    assert f"which classes given{kind} was trained on is not known" in fault
    assert f"--treatment=AnB --n=4 --base_weights=given{kind}" in record.content["command"]
    assert (record.folder / "portrait.npz").read_bytes() == (own.folder / "portrait.npz").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution.trainer, "train", pytest.fail)
        assert not execution.Study(study.root, store, say=pytest.fail, foreign=given).ensure(asked).now


def test_foreign_weights_of_another_network_are_refused(finished, tmp_path):
    path = tmp_path / "given.safetensors"
    foreign_base.export(records.read(finished / "random0-baseA-seed0"), path, None, "a test").write(path)
    described = files.opened(path)
    for options, message in (
        ({"width": 0.2}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[5, 5, 3, 16\].* here'),
        ({"image_size": 64}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[7, 7, 3, 8\]'),
        ({"pixel_scale": 1.0}, r"times 0\.015625; here .* times 1\. Use --pixel_scale=0\.015625"),
    ):
        with pytest.raises(ValueError, match=message):
            foreign_base.load(path, described, dataclasses.replace(RECIPE, **options))


def test_classes_that_foreign_weights_have_seen_are_counted(finished):
    record = records.read(finished / "random0-A4B-seed0")

    def faults(seen):
        integrity = record.content["integrity"] | {"foreign_source": {"file": "x"}, "left_chance": True}
        content = {**record.content, "integrity": integrity | {"target_classes_seen_by_source": seen}}
        return findings.faults(dataclasses.replace(record, content=content))

    assert faults(0) == []
    assert faults(2) == ["random0-A4B-seed0: x was trained on 2 classes of its target"]
    assert "is not known" in faults(None)[0]
