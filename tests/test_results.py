import json
import pathlib

import numpy as np
import pytest

from easy_study import CLASSES, EasyStore, cell
from made_images import ArrayHalf
from tftransfer import execution, findings, records, splits


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


def test_unbalanced_classes_are_recorded_and_named(tmp_path):
    store = EasyStore(tmp_path / "means")
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
