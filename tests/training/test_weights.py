import dataclasses
import json
import shutil

import numpy as np
import pytest

import tftransfer
from easy_study import cell
from tftransfer import transfer
from tftransfer.execution import studies
from tftransfer.experiment import treatments
from tftransfer.records import record_files
from tftransfer.training import weights


def test_load_gives_the_trained_network_back(finished):
    model = tftransfer.load(finished / "random0-A4B-seed0")
    source = tftransfer.load(finished / "random0-baseA-seed0")
    for name in ("conv1", "conv4"):
        for here, there in zip(model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(here, there)
    assert not any(model.get_layer(f"conv{n}").trainable for n in range(1, 5)), "frozen blocks stay frozen"
    assert model.get_layer("conv5").trainable
    assert all(layer.trainable for layer in source.layers)
    with pytest.raises(ValueError, match="were not kept"):
        tftransfer.load(finished / "random0-B4B-tuned-seed0")
    with pytest.raises(ValueError, match="No finished network"):
        tftransfer.load(finished)


@pytest.fixture
def base(finished, tmp_path):
    """A copy of a finished base, whose record may be written anew."""
    folder = tmp_path / "base"
    shutil.copytree(finished / "random0-baseB-seed0", folder)
    return folder


def written_again(folder, **changed):
    content = json.loads((folder / record_files.RECORD).read_text())
    content["weights"] |= changed
    return record_files.write(folder, content)


def with_recipe(folder, changed):
    content = json.loads((folder / record_files.RECORD).read_text())
    content["identity"]["recipe"] |= changed
    return record_files.write(folder, content)


def test_weights_that_are_not_the_recorded_ones_are_not_used(base):
    """Whole files of other numbers: what counts is the digest of the weights themselves."""
    with pytest.raises(ValueError, match="not those of its record"):
        tftransfer.load(written_again(base, sha256="0" * 64).folder)


def test_a_file_with_another_digest_is_never_parsed(base, monkeypatch):
    record = written_again(base, file_sha256="0" * 64)
    monkeypatch.setattr("keras.Model.load_weights", lambda *arguments: pytest.fail("it was parsed"))
    assert weights._read_into(None, record) is None


def test_many_networks_may_be_asked_without_a_word_about_retracing(finished):
    import logging

    import tensorflow as tf

    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    try:
        for _ in range(6):  # five tracings within ten calls are too many for TensorFlow
            tftransfer.load(finished / "random0-baseB-seed0").predict(np.zeros((1, 32, 32, 3), np.float32), verbose=0)
    finally:
        tf.get_logger().removeHandler(handler)
    assert said == []


def test_a_record_opens_no_function_and_no_file_that_it_names(base, tmp_path, monkeypatch):
    (tmp_path / "not_mine.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for model in ("not_mine:build", "not_mine.keras"):
        with_recipe(base, {"model": model})
        with pytest.raises(ValueError, match=r"model\.json is missing, which describes the model"):
            tftransfer.load(base)


@pytest.mark.parametrize("changed", [{"width": "x"}, {"width": [1]}, {"image_size": "32"}, {"dropout": "x"}])
def test_a_recipe_of_other_types_is_refused_in_a_sentence(changed, base):
    with_recipe(base, changed)
    with pytest.raises(ValueError, match=r"The recipe in the record of .* cannot be used"):
        tftransfer.load(base)


@pytest.fixture(scope="module")
def trained_by_policy(tmp_path_factory, store):
    """Trains networks of other policies, with the bases that they need; returns their folder and their records."""
    root = tmp_path_factory.mktemp("policies") / "study"

    def made(count, *policies, **options):
        study = studies.Study(root, store, say=lambda line: None)
        asked = cell("A4B", keep_weights=True, **options)
        by_policy = [treatments.by_policy(policy, blocks=count) for policy in policies]
        for base in "AB":
            study.train_group([dataclasses.replace(asked, treatment=treatments.base(base))])
        cells = [dataclasses.replace(asked, treatment=treatment) for treatment in by_policy]
        assert study.train_group(cells) == studies.GroupEnd()
        return [record_files.read(root / one.name) for one in cells]

    return made


def layers_that_train(record):
    """Returns the weight layers of a loaded network, by whether they train."""
    model = tftransfer.load(record.folder)
    layers = {layer.name: layer.trainable for layer in model.layers if layer.weights}
    assert record_files.weights_digest(transfer.weights_of(model)) == record.weights_digest
    for layer in model.layers:
        if layer.weights and not layer.trainable:
            assert not layer.trainable_weights
    return layers


UNITS = ["stem", "block_1_expand", "block_1_project", "block_2_expand", "block_2_project", "logits"]


def test_networks_of_all_policies_are_loaded_with_the_flags_that_they_had(trained_by_policy):
    """Without its upper unit the model would be a plain chain, in which the lower unit is two blocks."""
    between, above, dropped = trained_by_policy(4, "k1t1k1n1", "n1k2n1", "k2d1n1", model="small_models:numbered_units")
    assert between.content["integrity"]["frozen_blocks"] == ["stem", "block_2"]
    assert layers_that_train(between) == dict(zip(UNITS, [False, True, True, False, False, True], strict=True))
    assert layers_that_train(above) == dict(zip(UNITS, [True, False, False, False, False, True], strict=True))
    assert layers_that_train(dropped) == {
        "stem": False, "block_1_expand": False, "block_1_project": False, "logits": True
    }  # fmt: skip
    assert tftransfer.load(dropped.folder).predict(np.zeros((2, 32, 32, 3)), verbose=0).shape == (2, 3)


def test_dropped_blocks_are_those_that_the_options_chose(trained_by_policy):
    ends = "stem,block_1_expand,block_1_project,block_2"
    (dropped,) = trained_by_policy(5, "k1t1d2n1", model="small_models:numbered_units", blocks=ends, seed=1)
    assert layers_that_train(dropped) == {"stem": False, "block_1_expand": True, "logits": True}


def test_dropped_blocks_of_our_own_network_are_those_that_the_options_chose(trained_by_policy):
    (dropped,) = trained_by_policy(4, "t1k1d1n1", blocks="conv1,conv3,conv5", seed=2)
    layers = {"conv1": True, "conv2": False, "conv3": False, "fc8": True}
    assert layers_that_train(dropped) == layers


def test_statistics_of_frozen_blocks_follow_in_a_loaded_network_that_adapted(trained_by_policy):
    (record,) = trained_by_policy(4, "t1k1n2", model="small_models:normalized", batch_norm="adapt", seed=3)
    model = tftransfer.load(record.folder)
    assert [model.get_layer(f"conv{n}").trainable for n in (1, 2)] == [True, False]
    assert [weight.trainable for weight in model.get_layer("norm2").weights[:2]] == [False, False]
    assert model.get_layer("norm2").trainable, "or it would not follow"
