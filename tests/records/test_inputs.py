"""The preprocessing of a finished network, and the classes of its outputs."""

import dataclasses
import hashlib
import json
import os
import types

import numpy as np
import pytest
from PIL import Image

import tftransfer
from tftransfer.records import inputs, record_files

PLAIN = inputs.Preprocessing(("cat", "dog", "eel"), 4, 6, np.full((4, 4, 3), 10, np.float32), 0.5)


def test_images_are_warped_cropped_at_the_centre_and_centred():
    pixels = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    np.testing.assert_array_equal(PLAIN([pixels]), (pixels[None, 1:5, 1:5] - np.float32(10)) * 0.5)
    assert PLAIN([pixels, np.zeros((50, 20, 3))]).shape == (2, 4, 4, 3)


def test_each_channel_may_have_its_own_mean_and_factor_and_the_order_be_bgr():
    mean = np.broadcast_to(np.float32([1, 2, 3]), (4, 4, 3))
    known = dataclasses.replace(PLAIN, mean=mean, scale=(1.0, 0.5, 0.25), reverse=True)
    pixels = np.zeros((6, 6, 3), np.uint8) + np.uint8([10, 20, 30])
    np.testing.assert_array_equal(known([pixels])[0, 0, 0], [30 - 1, (20 - 2) * 0.5, (10 - 3) * 0.25])


@pytest.mark.parametrize(("scale", "reverse"), [(0.5, False), ((1.0, 0.5, 0.25), True)])
def test_what_is_written_is_read_back(tmp_path, scale, reverse):
    mean = np.random.default_rng(0).uniform(0, 255, (6, 6, 3)).astype(np.float32)
    described = inputs.describe(PLAIN.class_names, 4, mean, scale, reverse)
    described |= inputs.save(tmp_path, described, mean)
    kept = inputs.of_record(recorded(tmp_path, json.loads(json.dumps(described))))
    assert (kept.scale, kept.reverse) == (scale, reverse)
    np.testing.assert_array_equal(kept.mean, mean[1:5, 1:5])
    for changed in ({"scale": [1.0, 2.0]}, {"scale": [1.0, 1.0, -1.0]}, {"scale": "x"}, {"channels": "rbg"}):
        assert inputs.of_record(recorded(tmp_path, described | changed)) is None


def test_files_of_any_size_and_mode_are_read(tmp_path):
    Image.new("L", (30, 20), 30).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(PLAIN([tmp_path / "grey.png"]), np.full((1, 4, 4, 3), 10, np.float32))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("photograph.jpg", "Expected a list of images"),
        ([np.zeros((5, 5))], r"shape \(height, width, 3\). Received: shape \(5, 5\)"),
        ([np.full((5, 5, 3), 300)], "from 0 to 255.*300 to 300"),
        ([np.full((5, 5, 3), np.nan)], "from 0 to 255"),
        ([np.full((5, 5, 3), "7")], "whole numbers or floats. Received: <U1"),
        ([np.full((5, 5, 3), 7j)], "whole numbers or floats. Received: complex128"),
        (["/dev/zero"], "Cannot read the image /dev/zero: it is no regular file"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        PLAIN(images)


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"Cannot read the image .*x\.jpg: no image"):
        PLAIN([tmp_path / "x.jpg"])


def test_predictions_are_named_the_likeliest_first():
    ((first, second),) = PLAIN.decode_predictions([[0.0, np.log(3), -50.0]], top=2)
    assert first == ("dog", pytest.approx(0.75))
    assert second == ("cat", pytest.approx(0.25))
    with pytest.raises(ValueError, match="logits of 3 classes"):
        PLAIN.decode_predictions([[0.0, 1.0]])


def test_the_record_names_classes_in_the_order_of_outputs_and_the_preprocessing(finished):
    described = record_files.read(finished / "random0-A4B-seed0").content["inputs"]
    assert described["class_names"] == ["class2", "class4", "class5"]
    assert (described["input_size"], described["scale"]) == (32, 1 / 64)
    kept = tftransfer.preprocessing(finished / "random0-A4B-seed0")
    assert kept.class_names == tuple(described["class_names"])
    np.testing.assert_allclose(kept.mean.mean(axis=(0, 1)), described["mean_pixel"], atol=1e-3)


def test_without_weights_there_is_no_mean_and_it_is_said(finished, tmp_path):
    with pytest.raises(ValueError, match="not kept with it"):
        tftransfer.preprocessing(finished / "random0-B4B-tuned-seed0")
    with pytest.raises(ValueError, match="No finished network"):
        tftransfer.preprocessing(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "shape", "type", "empty"])
def test_a_mean_that_is_none_is_not_used_and_not_waited_for(kind, tmp_path):
    path, side = tmp_path / inputs.MEAN, 4
    made = {"shape": np.zeros((side, side, 1), np.float32), "type": np.zeros((side, side, 3), np.int8)}
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    else:
        np.save(path, made[kind])
    digest = hashlib.sha256(b"" if kind == "pipe" else path.read_bytes()).hexdigest()
    described = {"mean_sha256": digest, "input_size": side, "stored_size": 6, "class_names": ["a", "b"], "scale": 1.0}
    assert inputs.of_record(recorded(tmp_path, described)) is None


def recorded(folder, described):
    return types.SimpleNamespace(
        folder=folder, content={"inputs": described}, identity={"data": {"class_count": len(PLAIN.class_names)}}
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"scale": "nan"}, {"scale": -1.0}, {"stored_size": 3}, {"stored_size": 10**7}, {"class_names": ["a", "b"]},
        {"class_names": ["a", "b", "b"]}, {"class_names": [1, None, {}]}, {"class_names": "abc d"},
    ],
)  # fmt: skip
def test_what_a_record_says_of_inputs_is_believed_only_if_it_can_be(changed, tmp_path):
    np.save(tmp_path / inputs.MEAN, PLAIN.mean)
    digest = hashlib.sha256((tmp_path / inputs.MEAN).read_bytes()).hexdigest()
    described = {"mean_sha256": digest, "input_size": 4, "stored_size": 6, "class_names": ["a", "b", "c"], "scale": 1.0}
    assert inputs.of_record(recorded(tmp_path, described)) is not None
    assert inputs.of_record(recorded(tmp_path, described | changed)) is None


def test_a_mean_that_is_not_finite_is_not_used(tmp_path):
    np.save(tmp_path / inputs.MEAN, np.full((4, 4, 3), np.nan, np.float32))
    digest = hashlib.sha256((tmp_path / inputs.MEAN).read_bytes()).hexdigest()
    described = {"mean_sha256": digest, "input_size": 4, "stored_size": 6, "class_names": ["a", "b", "c"], "scale": 1.0}
    assert inputs.of_record(recorded(tmp_path, described)) is None


def test_a_damaged_mean_is_not_used(finished, tmp_path):
    import shutil

    folder = shutil.copytree(finished / "random0-A4B-seed0", tmp_path / "random0-A4B-seed0")
    (folder / inputs.MEAN).write_bytes((folder / inputs.MEAN).read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        tftransfer.preprocessing(folder)
    assert tftransfer.load(folder).preprocessing is None
