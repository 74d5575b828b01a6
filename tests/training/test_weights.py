import json
import shutil

import numpy as np
import pytest

import tftransfer
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
