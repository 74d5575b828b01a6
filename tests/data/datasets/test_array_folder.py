"""Folders of arrays from anybody: nothing in them is believed."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest

from tftransfer.data.datasets import DataSetError, array_folder, arrays, describe_classes, open_dataset
from tftransfer.data.datasets.array_folder import DESCRIPTION, ENDS, IMAGES, LABELS, VALIDATION, Writer


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Folders of both encodings, of 20 images of two classes."""
    root = tmp_path_factory.mktemp("arrays")
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 6, 3), dtype=np.uint8)
    y = np.arange(20) % 2
    arrays.write(x, y, root / "pixels")
    arrays.write_pairs(zip(x, y, strict=True), root / "files")
    return root


@pytest.fixture
def folder(originals, tmp_path):
    return shutil.copytree(originals / "pixels", tmp_path / "set")


def change(folder, **values):
    """Changes values of the description; a name with dots leads into it."""
    path = folder / DESCRIPTION
    content = json.loads(path.read_text())
    for name, value in values.items():
        content[name] = value
    path.write_text(json.dumps(content))


def forge(folder, name, content):
    """Writes a file, and its size and SHA-256 into the description, as somebody with bad intentions would."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / DESCRIPTION).read_text())["files"]
    files[name] = [len(content), array_folder.hashlib.sha256(content).hexdigest()]
    change(folder, files=files)


def npy(array):
    return array_folder._npy(np.asarray(array))


def refused(folder, message="is damaged"):
    with pytest.raises(DataSetError, match=message) as raised:
        open_dataset("arrays", str(folder))
    return str(raised.value)


def test_unequal_sides_have_no_native_size(folder):
    dataset = open_dataset("arrays", str(folder))
    assert (dataset.native_size, dataset.side) == (None, pytest.approx(24**0.5))


@pytest.mark.parametrize("name", [IMAGES, LABELS, VALIDATION, ENDS])
@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "longer", "flipped", "folder", "pipe"])
def test_every_damage_is_named(originals, tmp_path, name, harm):
    folder = shutil.copytree(originals / "files", tmp_path / "set")
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if harm == "folder":
        path.mkdir()
    elif harm == "pipe":
        os.mkfifo(path)
    elif harm != "missing":
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"empty": b"", "cut": content[:-1], "longer": content + b"\0", "flipped": flipped}[harm])
    assert str(path) in refused(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"format": 2},
        {"class_names": ["a"]},
        {"class_names": ["a", "a"]},
        {"class_names": ["a", ""]},
        {"class_names": ["a", 7]},
        {"class_names": "ab"},
        {"class_names": ["a", "b", "c"]},
        {"images": 19},
        {"images": 10**12},
        {"images": True},
        {"images": "20"},
        {"encoding": "pickle"},
        {"encoding": "files"},
        {"shape": None},
        {"shape": [4, 6]},
        {"shape": [4, 6, 4]},
        {"shape": [6, 4, 6, 3]},
        {"shape": [0, 6, 3]},
        {"shape": [-4, -6, 3]},
        {"shape": [2**20, 2**20, 3]},
        {"shape": [4.0, 6, 3]},
        {"side": 0.0},
        {"side": "8"},
        {"held_out": 1},
        {"small_classes": -1},
        {"files": {}},
        {"files": []},
    ],
    ids=str,
)
def test_descriptions_that_cannot_be_are_refused(folder, values):
    change(folder, **values)
    refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1}', "[" * 100_000, '{"format": NaN}'])
def test_descriptions_that_are_none_are_refused(folder, text):
    (folder / DESCRIPTION).write_text(text)
    refused(folder)
    with pytest.raises(DataSetError, match="is damaged"):
        describe_classes("arrays", str(folder))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (LABELS, npy(np.full(20, 2, np.int32)), "no class"),
        (LABELS, npy(np.full(20, -1, np.int32)), "no class"),
        (LABELS, npy(np.zeros(20, np.int32)), "no image in a subset"),
        (LABELS, npy((np.arange(20) % 2).astype(">i4")), "another array"),
        (LABELS, npy(np.zeros((4, 5), np.int32)), "another array"),
        (LABELS, npy(np.zeros(19, np.int32)), "another array|not those"),
        (LABELS, pickle.dumps(list(range(20))) + b" " * 100, "magic|version|another"),
        (LABELS, npy(np.zeros(20, np.int32)).replace(b"(20,)", b"(99,)"), "another array"),
        (LABELS, npy(np.zeros(20, np.int32)).replace(b"'<i4'", b"'|O' "), "another array"),
        (VALIDATION, npy(np.zeros(20, bool)), "no image in a subset"),
        (VALIDATION, npy(np.full(20, 7, np.uint8).view(bool)), "true and false"),
        (IMAGES, bytes(20 * 4 * 6 * 3 - 1), "do not take"),
    ],
)
def test_forged_files_are_refused(folder, name, content, why):
    forge(folder, name, content)
    refused(folder, f"is damaged: .*({why})")


@pytest.mark.parametrize("ends", [np.arange(20), np.zeros(20), np.arange(20, 0, -1), np.arange(1, 21)])
def test_files_must_lie_one_after_the_other(originals, tmp_path, ends):
    folder = shutil.copytree(originals / "files", tmp_path / "set")
    forge(folder, ENDS, npy(np.asarray(ends, np.int64)))
    refused(folder, "does not divide the images")


def test_an_image_that_is_lost_later_is_an_error_of_that_image(folder):
    example = open_dataset("arrays", str(folder)).examples("train")[-1]
    os.truncate(folder / IMAGES, 100)
    with pytest.raises(OSError, match="cut off"):
        example.load()
    (folder / IMAGES).unlink()
    os.mkfifo(folder / IMAGES)
    with pytest.raises(OSError, match="no regular file"):
        example.load()


def test_a_large_file_is_compared_by_its_size_alone(folder, monkeypatch):
    monkeypatch.setattr(array_folder, "VERIFIED_BYTES", 10)
    content = bytearray((folder / IMAGES).read_bytes())
    content[7] ^= 1
    (folder / IMAGES).write_bytes(content)
    open_dataset("arrays", str(folder))
    (folder / IMAGES).write_bytes(content[:-1])
    refused(folder, "bytes; 1,440 are expected")


def test_half_written_folders_are_removed_when_they_are_old(tmp_path):
    for name, age in (("old", 10 * 86_400), ("new", 60)):
        path = tmp_path / f".arrays-{name}.tmp"
        path.mkdir()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    with Writer(str(tmp_path), array_folder.PIXELS):
        pass
    assert os.listdir(tmp_path) == [".arrays-new.tmp"]
