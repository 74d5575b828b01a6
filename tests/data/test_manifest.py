import hashlib
import json
import os
import pathlib

import numpy as np
import pytest

from memory_dataset import contents_of, flip, memory_dataset
from tftransfer.data import manifest
from tftransfer.data.store import Store, StoreError, find, prepare


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _change(key: str, value):
    def change(path: pathlib.Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("shards/train-00001.bin", _cut, "has 49151 bytes, expected 49152"),
        ("shards/train-00001.bin", pathlib.Path.unlink, "is missing"),
        ("shards/val-00000.npz", pathlib.Path.unlink, "is missing"),
        ("shards/val-00000.grey", pathlib.Path.unlink, "is missing"),
        ("near-copies.npy", flip, "does not have its recorded SHA-256"),
        ("train-index.npy", flip, "does not have its recorded SHA-256"),
        ("store.json", _cut, "is damaged"),
        ("store.json", pathlib.Path.unlink, "No finished store"),
        ("store.json", _change("size", 9), "its checksum does not match"),
        ("store.json", _change("format_version", 0), "has format version 0, expected 3"),
        ("store.json", lambda path: path.write_text("[]"), "is damaged"),
    ],
)
def test_damage_is_refused_and_repaired(own, shared, name, damage, message):
    damage(pathlib.Path(own.path, name))
    with pytest.raises(StoreError, match=message):
        Store.open(own.path)
    cache_dir = os.path.dirname(own.path)
    assert find(memory_dataset(), cache_dir, size=8) is None
    assert contents_of(prepare(memory_dataset(), cache_dir, size=8)) == contents_of(shared)


def test_a_changed_byte_in_a_shard_is_found_where_asked_for(own, shared):
    flip(pathlib.Path(own.path, "shards/train-00001.bin"))
    with pytest.raises(StoreError, match="does not have its recorded SHA-256"):
        Store.open(own.path, verify=True)
    prepare(memory_dataset(), os.path.dirname(own.path), size=8, verify=True)
    assert contents_of(own) == contents_of(shared)


def test_a_shard_written_to_after_the_store_was_finished_is_compared(own, shared):
    path = pathlib.Path(own.path, "shards/train-00001.bin")
    flip(path)
    later = os.stat(pathlib.Path(own.path, "store.json")).st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    with pytest.raises(StoreError, match="does not have its recorded SHA-256"):
        Store.open(own.path)
    os.utime(path, ns=(1, 1))
    Store.open(own.path)


def _forge(**changes):
    """Changes a manifest and gives it the checksum of what it says then."""

    def forge(root: pathlib.Path) -> None:
        path = root / "store.json"
        content = json.loads(path.read_text())
        content.pop("checksum")
        for key, value in changes.items():
            content[key] = value(content[key]) if callable(value) else value
        path.write_text(json.dumps(content | {"checksum": manifest._checksum(content)}))

    return forge


def _forge_index(change, name="val-index.npy"):
    """Changes an array of a store, and the manifest with it."""

    def forge(root: pathlib.Path) -> None:
        index = change(np.load(root / name))
        np.save(root / name, index)
        content = (root / name).read_bytes()
        entry = [len(content), hashlib.sha256(content).hexdigest()]
        _forge(files=lambda files: files | {name: entry})(root)

    return forge


def _with(field, value):
    def change(index):
        index[field][3] = value
        return index

    return change


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (_forge(files=lambda files: files | {"../../secret": [1, "0" * 64]}), "files cannot be"),
        (_forge(files=lambda files: files | {"/etc/passwd": [1, "0" * 64]}), "files cannot be"),
        (_forge(files=lambda files: {"store": [1, "0"]}), "does not list"),
        (_forge(files=[]), "files cannot be"),
        (_forge(size=2**40), "size cannot be"),
        (_forge(size=16), "do not fit the store"),
        (_forge(encoding="pickle"), "encoding cannot be"),
        (_forge(class_names=["a"], class_kinds=[None]), "do not fit the store"),
        (_forge(class_names=7), "class_names, class_kinds cannot be"),
        (_forge(shards={"train": [256, 256, 88], "val": [10**15]}), "shards cannot be"),
        (_forge(shards={"train": [256, 256, 88], "val": [29]}), "does not list 29 images"),
        (_forge(shards={"train": [256, 256, 89], "val": [30]}), "does not list 601 images"),
        (_forge(shards={"train": [256, 88, 256], "val": [30]}), "do not fit the store"),
        (_forge(notes={"x": "<b>"}), "notes cannot be"),
        (_forge_index(_with("label", 3)), "do not fit the store"),
        (_forge_index(_with("label", -1)), "do not fit the store"),
        (_forge_index(_with("length", -192)), "do not fit the store"),
        (_forge_index(_with("length", 10**6)), "do not fit the store"),
        (_forge_index(lambda index: index[:5]), "does not list 30 images"),
        (_forge_index(lambda index: index.astype("O")), "damaged"),
        (_forge_index(lambda pairs: pairs[:, :1], "near-copies.npy"), "it holds no pairs"),
        (_forge_index(lambda pairs: pairs.astype("<f8"), "near-copies.npy"), "it holds no pairs"),
        (_forge_index(lambda pairs: pairs.astype("O"), "near-copies.npy"), "damaged"),
        (
            _forge(files=lambda files: files | {"shards/val-00000.grey": files["shards/val-00000.bin"]}),
            "expected 5760: the store is damaged",
        ),
        (lambda root: (root / "store.json").write_text("[" * 10**5), "is damaged"),
        (lambda root: [(root / "store.json").unlink(), os.mkfifo(root / "store.json")], "is damaged"),
        (
            lambda root: [(root / "val-index.npy").rename(root / "x"), (root / "val-index.npy").symlink_to("x")],
            "is missing",
        ),
    ],
)
def test_a_forged_store_is_refused(own, forge, message):
    forge(pathlib.Path(own.path))
    with pytest.raises(StoreError, match=message):
        Store.open(own.path)
