import copy
import dataclasses
import shutil
import threading
import time

import pytest

from easy_study import cell, names
from tftransfer.execution import studies
from tftransfer.execution.group_training import Member
from tftransfer.experiment import plan, treatments
from tftransfer.models import architectures
from tftransfer.records import record_files, record_warnings
from tftransfer.training import trainer


def with_network(study, finished, name):
    """Adds a network of `finished` to a study that has its bases."""
    shutil.copytree(finished / name, study.root / name)
    return study


def test_what_is_needed_is_trained_in_order(tmp_path, store):
    said = []
    study = studies.Study(tmp_path, store, say=said.append)
    assert study.ensure(cell("A4B")).trained_here
    assert names(study.root) == ["random0-A4B-seed0", "random0-baseA-seed0", "random0-baseB-seed0"]
    begun = [line.split(":")[0] for line in said if "training on" in line]
    assert begun == ["baseA", "baseB", "A4B"]


def test_what_is_done_is_reused(finished, store):
    again = studies.Study(finished, store, say=pytest.fail)
    for text in ("A4B", "B4B+", "base"):
        assert not again.ensure(cell(text)).trained_here


def test_another_configuration_under_the_same_name_is_refused(finished, store):
    study = studies.Study(finished, store, say=pytest.fail)
    other = cell("B4B+", learning_rate=0.5)
    before = (finished / "random0-baseB-seed0" / record_files.RECORD).read_bytes()
    for force in (False, True):
        with pytest.raises(ValueError, match=r"recipe\.learning_rate: 0\.002 there, 0\.5 here.*--study"):
            study.check(plan.networks_for(other), force)
        with pytest.raises(ValueError, match="another configuration"):
            study.ensure(other, force)
    assert (finished / "random0-baseB-seed0" / record_files.RECORD).read_bytes() == before


def test_force_trains_the_asked_network_again_and_only_it(study_with_bases, finished):
    study = with_network(study_with_bases, finished, "random0-A4B-seed0")
    bases = [record_files.read(study.root / f"random0-base{letter}-seed0") for letter in "AB"]
    first = study.ensure(cell("A4B", keep_weights=True))
    assert not first.trained_here
    again = study.ensure(cell("A4B", keep_weights=True), force=True)
    assert again.trained_here
    assert again.record.key == first.record.key
    assert again.record.weights_digest == first.record.weights_digest, "a forced run repeats bit for bit"
    assert again.record.content["finished"] >= first.record.content["finished"]
    assert [record_files.read(base.folder) for base in bases] == bases


def test_a_base_whose_weights_are_lost_or_damaged_is_trained_again(study_with_bases, store):
    study = study_with_bases
    weights = study.root / "random0-baseB-seed0" / record_files.WEIGHTS
    whole = weights.read_bytes()
    for damage in (None, whole[: len(whole) // 2], bytes([whole[-5000] ^ 1]).join([whole[:-5000], whole[-4999:]])):
        weights.unlink() if damage is None else weights.write_bytes(damage)
        said = []
        fresh = studies.Study(study.root, store, say=said.append)
        record = fresh.ensure_source(cell("base"))
        assert record.weights_file, "the weights are there again"
        assert record_files.weights_digest(fresh._sources._bases["random0-baseB-seed0"]) == record.weights_digest


def test_an_unfinished_folder_is_trained_again(study):
    folder = study.root / "random0-baseB-seed0"
    folder.mkdir(parents=True)
    (folder / "events.out.tfevents.1.old").write_bytes(b"half-written")
    assert study.ensure(cell("base")).trained_here
    assert not (folder / "events.out.tfevents.1.old").exists()
    assert len(list(folder.glob("events*"))) == 1


def test_an_interruption_leaves_nothing_that_counts_as_done(study_with_bases, monkeypatch):
    study = study_with_bases

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.ensure(cell("B4B"))
    monkeypatch.undo()
    done = [record.name for record in record_files.read_study(study.root)]
    assert done == ["random0-baseA-seed0", "random0-baseB-seed0"]
    assert study.ensure(cell("B4B")).trained_here


def test_a_diverged_base_is_recorded_and_not_copied_from(study):
    hot = {"learning_rate": 1e30, "steps": 60}
    with pytest.raises(studies.SourceError, match="baseB diverged"):
        study.ensure(cell("B4B", **hot))
    record = record_files.read(study.root / "random0-baseB-seed0")
    assert record.status == record_files.DIVERGED
    assert record.result["top1"] is None
    assert not record_warnings.sound(record)
    assert "diverged at step" in record_warnings.warnings_of(record.content)[0].text
    assert not (record.folder / record_files.WEIGHTS).exists()


def test_a_forced_training_that_is_interrupted_keeps_the_old_result(study_with_bases, monkeypatch):
    study = study_with_bases
    first = study.ensure(cell("base")).record

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.ensure(cell("base"), force=True)
    record = record_files.read(study.root / "random0-baseB-seed0")
    assert record == first
    assert record.weights_file


def test_a_finished_network_does_not_need_its_sources_weights(study_with_bases, finished, store):
    study = with_network(study_with_bases, finished, "random0-B4B-tuned-seed0")
    (study.root / "random0-baseB-seed0" / record_files.WEIGHTS).unlink()
    assert not studies.Study(study.root, store, say=pytest.fail).ensure(cell("B4B+")).trained_here


def test_two_processes_that_want_the_same_base_train_it_once(study, store):
    said = []
    other = studies.Study(study.root, store, say=said.append)
    lock = study._only_one(cell("base"))
    lock.__enter__()
    waiting = threading.Thread(target=other.ensure, args=[cell("base")])
    waiting.start()
    while not said:
        time.sleep(0.01)
    assert said == ["baseB: another process trains it; waiting"]
    study._train([Member(cell("base"), None, None)])
    lock.__exit__(None, None, None)
    waiting.join(timeout=60)
    assert len(said) == 1, "the other found it done"


def test_a_comparison_with_an_older_base_is_named(finished):
    network, base = (record_files.read(finished / f"random0-{name}-seed0") for name in ("A4B", "baseB"))
    assert record_warnings.stale(network, base) is None
    changed = dataclasses.replace(base, content={**base.content, "weights": {"kept": True, "sha256": "0"}})
    assert "another training of random0-baseB-seed0" in record_warnings.stale(network, changed).text


def test_chance_is_named(finished):
    record = record_files.read(finished / "random0-B4B-tuned-seed0")
    lucky = dataclasses.replace(record, content={**record.content, "result": {**record.result, "top1": 0.33}})
    lucky.content["integrity"] = {**record.content["integrity"], "left_chance": False}
    (warning,) = record_warnings.warnings_of(lucky.content)
    assert warning.text.startswith(
        "random0-B4B-tuned-seed0 is not shown to be above chance: top-1 33.0 %, chance 36.7 %"
    )


def test_a_group_trains_only_what_is_missing(study_with_bases, finished):
    study = with_network(study_with_bases, finished, "random0-A4B-seed0")
    before = record_files.read(study.root / cell("A4B").name)
    study.train_group([cell("A4B"), cell("A3B")])
    assert record_files.read(study.root / cell("A4B").name) == before
    assert record_files.read(study.root / cell("A3B").name).content["cost"]["group"]["networks"] == 1


def test_a_group_leaves_out_what_another_process_trains(study_with_bases):
    study = study_with_bases
    with studies.Study(study.root, study._store)._only_one(cell("A3B")):
        end = study.train_group([cell("A3B"), cell("A4B")])
    assert end.elsewhere == ["random0-A3B-seed0"]
    assert record_files.read(study.root / cell("A4B").name)
    assert record_files.read(study.root / cell("A3B").name) is None


def test_a_group_names_the_bases_whose_weights_are_gone_or_damaged(study_with_bases, store):
    study = study_with_bases
    (study.root / "random0-baseA-seed0" / record_files.WEIGHTS).write_bytes(b"damaged")
    again = studies.Study(study.root, store, say=lambda line: None)
    assert again.train_group([cell("A3B")]).lost == ["random0-baseA-seed0"]
    assert record_files.read(study.root / cell("A3B").name) is None
    base = dataclasses.replace(cell("base"), treatment=treatments.base("A"))
    assert again.train_group([base]).lost == [], "asked for itself, it is trained again"
    assert again.train_group([cell("A3B")]).lost == []
    assert record_files.read(study.root / cell("A3B").name)


def test_classes_that_pretrained_weights_have_seen_are_counted(finished):
    record = record_files.read(finished / "random0-A4B-seed0")

    def texts(seen):
        integrity = record.content["integrity"] | {"pretrained_source": {"file": "x"}, "left_chance": True}
        content = {**record.content, "integrity": integrity | {"target_classes_seen_by_source": seen}}
        return [warning.text for warning in record_warnings.warnings_of(content)]

    assert texts(0) == []
    assert texts(2) == ["random0-A4B-seed0: x was trained on 2 classes of its target"]
    assert "is not known" in texts(None)[0]


def test_a_group_neither_copies_from_nor_is_compared_with_bases_on_other_images(study_with_bases, store):
    study = study_with_bases
    other = copy.copy(store)
    other.fingerprint = "e" * 64
    changed = studies.Study(study.root, other, say=pytest.fail)
    for again in ("A3B", "R3B"):
        with pytest.raises(ValueError, match="another version of the data set"):
            changed.train_group([cell(again)])
        assert record_files.read(study.root / cell(again).name) is None
    with pytest.raises(ValueError, match="another version of the data set"):
        changed.check(plan.networks_for(cell("A3B")), force=False)


def test_a_group_does_not_copy_from_a_base_of_another_architecture(study_with_bases, monkeypatch):
    study = study_with_bases
    monkeypatch.setattr(architectures, "identity", lambda config: {"sha256": "a" * 64})
    with pytest.raises(ValueError, match="another architecture"):
        study.train_group([cell("A3B")])
