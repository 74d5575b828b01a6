import dataclasses
import json
import pathlib
import shlex
import types

import numpy as np
import pytest

from easy_study import CLASSES, EasyStore, cell
from made_images import ArrayHalf
from tftransfer.cli import command_line
from tftransfer.execution import record_content, run_config, studies
from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.experiment import splits, treatments
from tftransfer.records import record_files, record_warnings
from tftransfer.training import trainer
from tftransfer.training.outcomes import Outcome


def test_records_say_what_was_found(finished):
    network = record_files.read(finished / "random0-A4B-seed0")
    reference = record_files.read(finished / "random0-baseB-seed0")
    source = record_files.read(finished / "random0-baseA-seed0")
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
    assert network.content["warnings"] == list(record_warnings.codes(network.content))
    assert network.content["cost"]["train_steps"] == 3
    assert network.content["history"]["step"] == [3]
    assert network.content["versions"]["keras"]
    assert network.content["machine"]["cores"] >= 1
    assert "--treatment=AnB --n=4" in network.content["command"]
    tuned = record_files.read(finished / "random0-B4B-tuned-seed0").content["integrity"]
    assert tuned["fine_tuned_blocks_moved"]
    assert tuned["target_classes_seen_by_source"] == 3, "a selffer's source has seen its target"


def test_records_name_no_folder_of_this_machine(finished):
    for record in record_files.read_study(finished):
        text = json.dumps(record.content)
        assert str(finished) not in text
        assert str(pathlib.Path.home()) not in text


def test_unbalanced_classes_are_recorded_and_named(tmp_path):
    store = EasyStore(tmp_path / "means")
    whole, rare = store.images["train"], splits.random_split(CLASSES, 0).b[0]
    places = np.flatnonzero(whole.labels == rare)[8:]  # all but eight images of one class of the target go
    store.images["train"] = ArrayHalf(*(np.delete(a, places, 0) for a in (whole.images, whole.labels, whole.ids)))
    record = studies.Study(tmp_path / "study", store, say=lambda line: None).ensure(cell("base")).record
    few, many = record.content["integrity"]["class_images"]["training"]
    assert (few, many) == (8, max(store.counts("train")[list(splits.random_split(CLASSES, 0).b)]))
    assert "unbalanced" in record.content["warnings"]
    (text,) = [w.text for w in record_warnings.warnings_of(record.content) if "chance" not in w.text]
    assert f"its classes have 8 to {many} training images" in text
    assert record_warnings.sound(record), "doubtful, but as it should have ended"


# What a record proves, from outcomes that are not as they should be


LOWER = ("conv1", "conv2", "conv3", "conv4")


def images(*per_class):
    labels = np.repeat(np.arange(len(per_class), dtype=np.int32), per_class)
    return ArrayHalf(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, np.arange(len(labels)))


def said(text, training=(20, 30, 40), validation=(40, 40, 40), source=None, pretrained=None, **outcome):
    """Returns the content of the record of a network which ended as `outcome` says, else as it should."""
    network = cell(text, **{name: outcome.pop(name) for name in ("preserve", "batch_norm") if name in outcome})
    letters = network.treatment.decisions
    copied = tuple(f"conv{n}" for n, letter in enumerate(letters, start=1) if letter in "kt")
    frozen = tuple(f"conv{n}" for n, letter in enumerate(letters, start=1) if letter == "k")
    tuned = tuple(name for name in copied if name not in frozen)
    sound = {
        "name": network.treatment.slug, "diverged_at": None, "weights": {"conv1": [np.zeros(3)]},
        "scores": {"top1": 0.9, "top5": 1.0, "per_class_top1": 0.9, "cross_entropy": 0.1}, "history": {"step": [3]},
        "copied_blocks": copied, "frozen_blocks": frozen, "changed_blocks": tuned,
        "trained_parameters": 10, "train_steps": 3, "seconds": 8.0, "train_seconds": 4.0, "images_per_second": 9.0,
        "group_size": 2, "cost_fraction": 0.25, "strategy": "one device",
    }  # fmt: skip
    task = trainer.Task(network.split.name, "B", 3, images(*training), images(*validation), None)
    identity = network.identity("f" * 64, None)
    return record_content.content(network, identity, task, Outcome(**sound | outcome), source, None, pretrained)


def test_a_network_that_ended_as_it_should_is_proven_to():
    whole = said("A4B")
    proven = {name: whole["integrity"][name] for name in ("frozen_blocks", "fine_tuned_blocks", "diverged_at_step")}
    assert proven == {"frozen_blocks": list(LOWER), "fine_tuned_blocks": [], "diverged_at_step": None}
    assert whole["integrity"]["frozen_blocks_unchanged"] is True
    assert whole["integrity"]["left_chance"] is True
    assert whole["integrity"]["steps"] == 3
    assert "frozen_statistics_as_wanted" not in whole["integrity"], "it has none"
    assert (whole["status"], whole["warnings"]) == ("done", [])
    assert said("A4B+")["warnings"] == said("A2B", preserve=2)["warnings"] == []


@pytest.mark.parametrize("changed", [("conv1",), ("conv4",), LOWER])
def test_a_frozen_block_that_changed_is_never_called_unchanged(changed):
    whole = said("A4B", changed_blocks=changed)
    assert whole["integrity"]["frozen_blocks_unchanged"] is False
    assert whole["warnings"] == ["not frozen"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("A4B+", {"changed_blocks": ()}),
        ("A4B+", {"changed_blocks": LOWER[:3]}),
        ("A2B", {"preserve": 2, "changed_blocks": ("conv3",)}),
    ],
)
def test_every_tuned_block_must_have_moved(text, options):
    whole = said(text, **options)
    assert whole["integrity"]["frozen_blocks_unchanged"] is True
    assert whole["integrity"]["fine_tuned_blocks_moved"] is False
    assert whole["warnings"] == ["not tuned"]


def test_frozen_blocks_above_tuned_ones_are_proven_and_a_change_of_one_is_named():
    integrity = said("A:k1t1k2n4:B")["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv3", "conv4"]
    assert integrity["fine_tuned_blocks"] == ["conv2"]
    assert integrity["frozen_blocks_unchanged"] is integrity["fine_tuned_blocks_moved"] is True
    for changed, warnings in ((("conv2", "conv4"), ["not frozen"]), ((), ["not tuned"])):
        assert said("A:k1t1k2n4:B", changed_blocks=changed)["warnings"] == warnings
    assert said("A:n2k2n4:B")["integrity"]["frozen_blocks"] == ["conv3", "conv4"]
    assert said("A:k2d5n1:B")["integrity"]["frozen_blocks"] == ["conv1", "conv2"]


def test_the_blocks_above_the_frozen_ones_are_the_tuned_ones():
    integrity = said("A2B", preserve=2)["integrity"]
    assert (integrity["frozen_blocks"], integrity["fine_tuned_blocks"]) == (["conv1", "conv2"], ["conv3", "conv4"])


def test_a_score_near_chance_has_not_left_it():
    scores = {"top5": 1.0, "per_class_top1": 0.4, "cross_entropy": 1.0}
    chance, images_seen = 1 / 3, 120
    border = 59 / images_seen  # at chance, 1.8 networks in 10,000 get so many right; 58 and more, 3.5
    for top1, left in ((chance, False), (border - 1 / images_seen, False), (border, True)):
        whole = said("A4B", scores=scores | {"top1": top1})
        assert whole["integrity"]["left_chance"] is left
        assert whole["warnings"] == ([] if left else ["at chance"])
    assert said("A4B")["result"]["chance"] == pytest.approx(chance)
    assert said("A4B", validation=(60, 30, 30))["result"]["chance"] == 0.5, "of naming the largest class"


def test_a_diverged_network_has_no_scores_and_has_not_left_chance():
    whole = said("A4B", diverged_at=2)
    assert (whole["status"], whole["warnings"]) == ("diverged", ["diverged"])
    assert whole["integrity"]["left_chance"] is False
    assert whole["integrity"]["diverged_at_step"] == 2
    assert {whole["result"][name] for name in ("top1", "top5", "cross_entropy", "minus_base")} == {None}
    assert whole["weights"]["kept"] is False


@pytest.mark.parametrize(
    ("batch_norm", "moved", "as_wanted"),
    [
        ("inference", (), True),
        ("inference", ("conv2",), False),
        ("inference", ("conv1", "conv2"), False),
        ("adapt", (), False),
        ("adapt", ("conv2",), False),
        ("adapt", ("conv1", "conv2"), True),
    ],
)
def test_moving_statistics_are_as_the_option_says_in_all_blocks_or_a_fault(batch_norm, moved, as_wanted):
    whole = said(
        "A4B", batch_norm=batch_norm, blocks_with_statistics=("conv1", "conv2"), moved_statistics=moved
    )  # fmt: skip
    assert whole["integrity"]["batch_norm"] == batch_norm
    assert whole["integrity"]["frozen_statistics_moved"] == list(moved)
    assert whole["integrity"]["frozen_statistics_as_wanted"] is as_wanted
    assert whole["warnings"] == ([] if as_wanted else ["statistics"])


def test_a_record_says_whether_features_stood_in_for_images():
    assert said("A4B", from_features=True)["integrity"]["trained_from_features"] is True
    assert "trained_from_features" not in said("A4B")["integrity"]


def test_the_images_of_the_smallest_and_the_largest_class_are_those_of_each_part():
    whole = said("A4B", training=(20, 90, 30), validation=(40, 39, 41))
    assert whole["integrity"]["class_images"] == {"training": [20, 90], "validation": [39, 41]}
    assert whole["warnings"] == ["unbalanced"]
    assert (whole["cost"]["train_images"], whole["cost"]["validation_images"]) == (140, 120)


def test_a_selffers_source_has_seen_all_of_its_target_and_another_halfs_none():
    seen = {text: said(text)["integrity"]["target_classes_seen_by_source"] for text in ("A4B", "B4B", "S4B", "R4B")}
    assert seen == {"A4B": 0, "B4B": 3, "S4B": 3, "R4B": 0}


@pytest.mark.parametrize(("seen", "counted", "warnings"), [(None, None, ["leak?"]), ((), 0, []), ((0, 1), 2, ["leak"])])
def test_pretrained_weights_have_seen_what_is_known_of_them(seen, counted, warnings):
    of_target = cell("A4B").classes
    described = types.SimpleNamespace(
        sha256="a" * 64, model="AlexNet", classes=9, trained_on=seen, provenance="made up", input="torch"
    )
    others = [label for label in range(CLASSES) if label not in of_target]
    known = None if seen is None else frozenset([*others, *(of_target[place] for place in seen)])
    integrity = said("A4B", pretrained=PretrainedBase("x.h5", described, {"conv1": [np.zeros(3)]}, known))
    assert integrity["integrity"]["target_classes_seen_by_source"] == counted
    assert integrity["integrity"]["pretrained_source"]["classes_known"] is (seen is not None)
    assert integrity["warnings"] == warnings


def test_pretrained_weights_are_part_of_the_identity():
    network = cell("A4B")
    pretrained = dataclasses.replace(network, treatment=dataclasses.replace(network.treatment, pretrained="a" * 64))
    assert record_content.identity_of(pretrained, None, "f" * 64)["source"] == {"pretrained": "a" * 64}
    assert record_content.identity_of(network, None, "f" * 64)["source"] is None


def test_a_network_bears_its_share_of_the_groups_time(finished):
    source = record_files.read(finished / "random0-baseA-seed0")
    whole = said("A4B", source=source)
    assert whole["cost"]["seconds"] == 2.0
    assert whole["cost"]["train_seconds"] == 1.0
    assert whole["cost"]["group"] == {"networks": 2, "seconds": 8.0}
    assert whole["integrity"]["steps_of_source"] == source.content["cost"]["train_steps"] == 3


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("base", {}),
        ("A4B", {"seed": 3, "learning_rate": 0.125, "images_per_class": 5}),
        ("B4A+", {"schedule": "step", "drop_steps": 2, "keep_weights": True}),
        ("R2all", {"optimizer": "adamw", "augment": "none", "split_seed": 2}),
        ("A2B", {"preserve": 3, "release_step": 1}),
        ("A:k2t1k4n1:B", {"seed": 1}),
        ("B:k4d3n1:A", {}),
    ],
)
def test_the_recorded_command_trains_the_same_network(text, options):
    network = cell(text, **options)
    words = shlex.split(record_content.command_of(network))
    assert words[:3] == ["python", "-m", "tftransfer.run"]
    read, _ = command_line.parse(run_config.RunConfig, words[2:], "usage")
    given = {word[2:].partition("=")[0] for word in words[3:]}
    assert run_config.parse_treatment(read, given) == network.treatment
    assert read.shared() == network.config.shared()


def test_the_recorded_command_of_a_longer_base_trains_it_as_a_control():
    control = cell("A4B").longer_base
    words = shlex.split(record_content.command_of(control))
    read, _ = command_line.parse(run_config.RunConfig, words[2:], "usage")
    given = {word[2:].partition("=")[0] for word in words[3:]}
    assert read.budget == "equal_total"
    assert treatments.longer_base(run_config.parse_treatment(read, given)) == control.treatment


def test_the_recorded_command_says_the_length_once():
    words = shlex.split(record_content.command_of(cell("A4B", steps=5, epochs=3.0)))
    assert "--steps=5" in words
    assert not any(word.startswith("--epochs") for word in words), "it would be refused"


def test_the_recorded_command_names_no_folder():
    options = {name: f"/secret/{name}" for name in ("data_dir", "runs_dir", "cache_dir")}
    network = cell("A4B")
    there = dataclasses.replace(network, config=dataclasses.replace(network.config, **options))
    assert record_content.command_of(there) == record_content.command_of(network) + " --data_dir=FOLDER"


def test_weights_are_kept_of_bases_and_where_asked_for_and_never_of_what_diverged():
    kept = {text: said(text)["weights"]["kept"] for text in ("base", "A4B")}
    assert kept == {"base": True, "A4B": False}
    assert said("base", diverged_at=2)["weights"]["kept"] is False
