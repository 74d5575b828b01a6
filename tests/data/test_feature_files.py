"""Files of features: whole or missing, of the key asked for, within a limit, never removed while they are used."""

import gc
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tftransfer.data import feature_files

KEY = {"weights": "abc", "cut": {"block": "conv2", "number": 2}}
FEATURES = np.arange(60, dtype=np.float32).reshape(5, 3, 4)


def write(folder, key=KEY, features=FEATURES):
    feature_files.make_room(folder, features.nbytes, 1e9)
    writer = feature_files.Writer(folder, key, features.shape, str(features.dtype))
    for start in range(0, len(features), 2):
        writer.append(features[start : start + 2])
    writer.finish()
    writer.close()
    return folder / feature_files.name_of(key)


def found(folder, key=KEY):
    features = feature_files.find(folder, key)
    return None if features is None else features.array.copy()


def test_features_come_back_as_they_were_written(tmp_path):
    write(tmp_path)
    np.testing.assert_array_equal(found(tmp_path), FEATURES)
    other = FEATURES.astype("float64") / 3
    write(tmp_path, {"other": 1}, other)
    np.testing.assert_array_equal(found(tmp_path, {"other": 1}), other)
    assert found(tmp_path, {**KEY, "weights": "abd"}) is None
    assert found(tmp_path / "nowhere") is None


def test_a_batch_that_was_filled_up_is_cut_off_and_missing_images_are_no_file(tmp_path):
    writer = feature_files.Writer(tmp_path, KEY, (5, 3, 4), "float32")
    writer.append(FEATURES[:4])
    with pytest.raises(ValueError, match="Features of 1 images are missing"):
        writer.finish()
    with pytest.raises(ValueError, match=r"Expected features of shape \(3, 4\). Received: \(4, 3\)"):
        writer.append(np.zeros((1, 4, 3), np.float32))
    writer.append(np.concatenate([FEATURES[4:], np.ones((3, 3, 4), np.float32)]))
    writer.finish()
    writer.close()
    np.testing.assert_array_equal(found(tmp_path), FEATURES)


def test_what_was_not_finished_is_not_there(tmp_path):
    writer = feature_files.Writer(tmp_path, KEY, FEATURES.shape, "float32")
    writer.append(FEATURES)
    assert found(tmp_path) is None
    writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.with_suffix(".bin").write_bytes(FEATURES.tobytes()[:-4]),
        lambda path: path.with_suffix(".bin").write_bytes(FEATURES.tobytes() + b"1234"),
        lambda path: path.with_suffix(".bin").write_bytes(FEATURES.tobytes()[:-1] + b"\x01"),
        lambda path: path.with_suffix(".bin").unlink(),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text("[]"),
        lambda path: path.with_suffix(".json").write_text(altered(path, shape=[5, 12.5])),
        lambda path: path.with_suffix(".json").write_text(altered(path, shape=[2**30, 2**30, 2**30])),
        lambda path: path.with_suffix(".json").write_text(altered(path, dtype="object")),
        lambda path: path.with_suffix(".json").write_text(altered(path, format=0)),
        lambda path: path.with_suffix(".json").write_text(altered(path, key={**KEY, "weights": "abd"})),
    ],
)
def test_damaged_features_count_as_missing_and_can_be_written_again(tmp_path, damage):
    damage(write(tmp_path))
    assert found(tmp_path) is None
    write(tmp_path)
    np.testing.assert_array_equal(found(tmp_path), FEATURES)


def altered(path, **parts):
    return json.dumps(json.loads(path.with_suffix(".json").read_text()) | parts)


def used(path, seconds):
    os.utime(path.with_suffix(".json"), (seconds, seconds))


def test_what_was_used_least_recently_goes_first(tmp_path):
    paths = [write(tmp_path, {"number": number}) for number in range(4)]
    for path, seconds in zip(paths, (400, 100, 300, 200), strict=True):
        used(path, seconds)
    assert found(tmp_path, {"number": 1}) is not None, "it counts as used now"
    gc.collect()
    feature_files.make_room(tmp_path, FEATURES.nbytes, 3 * FEATURES.nbytes)
    assert {entry.key["number"] for entry in feature_files.listed(tmp_path)} == {0, 1}
    feature_files.make_room(tmp_path, 10, 3 * FEATURES.nbytes)
    assert len(feature_files.listed(tmp_path)) == 2, "no more than is needed"


def test_features_in_use_stay(tmp_path):
    paths = [write(tmp_path, {"number": number}) for number in range(2)]
    used(paths[0], 100)
    features = feature_files.find(tmp_path, {"number": 0})
    used(paths[0], 100)
    assert [entry.in_use for entry in feature_files.listed(tmp_path)] == [False, True]
    feature_files.make_room(tmp_path, 1, 1.5 * FEATURES.nbytes)
    assert [entry.key["number"] for entry in feature_files.listed(tmp_path)] == [0]
    with pytest.raises(feature_files.NoRoomError, match="features in use take"):
        feature_files.make_room(tmp_path, FEATURES.nbytes, 1.5 * FEATURES.nbytes)
    np.testing.assert_array_equal(features.array, FEATURES)
    del features
    gc.collect()
    feature_files.make_room(tmp_path, FEATURES.nbytes, 1.5 * FEATURES.nbytes)
    assert feature_files.listed(tmp_path) == []


def test_features_that_another_process_uses_stay(tmp_path):
    write(tmp_path)
    code = (
        "import pathlib, sys; from tftransfer.data import feature_files\n"
        f"features = feature_files.find(pathlib.Path({str(tmp_path)!r}), {KEY!r})\n"
        "print(features.array.sum(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
        assert float(process.stdout.readline()) == FEATURES.sum()
        assert not feature_files.remove(tmp_path, feature_files.name_of(KEY))
        process.stdin.close()
        process.wait()
    assert feature_files.remove(tmp_path, feature_files.name_of(KEY))
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_limit_is_refused_before_anything_is_removed(tmp_path):
    write(tmp_path)
    with pytest.raises(feature_files.NoRoomError, match=r"they take 1e-06 GB, --cache_limit allows 5e-07 GB"):
        feature_files.make_room(tmp_path, 1000, 500)
    assert len(feature_files.listed(tmp_path)) == 1


def test_a_disk_without_room_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_files.shutil, "disk_usage", lambda folder: Disk())
    with pytest.raises(feature_files.NoRoomError, match="of the disk are free"):
        feature_files.make_room(tmp_path, 1000, 1e9)


class Disk:
    free = 999


def test_leftovers_of_killed_processes_are_removed_and_work_in_hand_is_not(tmp_path):
    killed = tmp_path / ".abc.1234.tmp"
    killed.write_bytes(b"half")
    orphan = tmp_path / "abc.bin"
    orphan.write_bytes(b"numbers")
    os.utime(orphan, (1, 1))
    writer = feature_files.Writer(tmp_path, KEY, FEATURES.shape, "float32")
    feature_files.make_room(tmp_path, 1, 1e9)
    assert not killed.exists()
    assert not orphan.exists()
    writer.append(FEATURES)
    writer.finish()
    writer.close()
    np.testing.assert_array_equal(found(tmp_path), FEATURES)
