"""The list of the cache, and the removal of features."""

import gc

import numpy as np

from memory_dataset import memory_dataset
from tftransfer import cache
from tftransfer.data import feature_files, store

KEY = {"architecture": {"options": {"model": "net\x1b.keras"}}, "cut": {"block": "conv2"}}


def write(folder, key, shape):
    folder.mkdir(exist_ok=True)
    writer = feature_files.Writer(folder, key, shape, "float32")
    writer.append(np.zeros(shape, np.float32))
    writer.finish()
    writer.close()


def listed(tmp_path, capsys, *words):
    assert cache.main(["cache.py", f"--cache_dir={tmp_path}", *words]) == 0
    return capsys.readouterr().out


def test_an_empty_cache_is_listed(tmp_path, capsys):
    assert "prepared images in" in listed(tmp_path / "nowhere", capsys)
    assert not (tmp_path / "nowhere").exists()


def test_images_and_features_are_listed_with_their_sizes_and_features_can_be_removed(tmp_path, capsys):
    store.prepare(memory_dataset(), str(tmp_path), 8, workers=1)
    folder = tmp_path / feature_files.FOLDER
    write(folder, KEY, (500, 16, 250))
    write(folder, {"other": 1}, (5, 2))
    (folder / f"{feature_files.name_of({'other': 1})}.json").write_text("{")
    features = feature_files.find(folder, KEY)
    text = listed(tmp_path, capsys)
    assert "memory at 8 pixels, raw" in text
    assert "8.0 MB  net\\x1b.keras up to conv2: 500 images, 16 x 250, in use" in text
    assert "unknown up to an unknown block: damaged, used 0 h ago" in text
    text = listed(tmp_path, capsys, "--remove_features")
    assert text.startswith("removed 1 files of features")
    assert "net\\x1b.keras" in text, "what is in use stays"
    del features
    gc.collect()
    assert listed(tmp_path, capsys, "--remove_features").startswith("removed 1 files of features, 8.0 MB")
    assert feature_files.listed(folder) == []
