import json
import os
import pathlib
import shutil

import pytest

from tftransfer.data.datasets import DataSetError, open_dataset


def _edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _features(change):
    return lambda root: _edit(root / "features.json", change)


def _info(change):
    return lambda root: _edit(root / "dataset_info.json", change)


def _name_a_class(name):
    def change(content):
        content["featuresDict"]["features"]["label"]["pythonClassName"] = name

    return change


def _damage_records(root):
    (path,) = root.glob("*train.tfrecord*")
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)


HOSTILE = {
    "a module that is run": (_features(_name_a_class("evil.Feature")), r"not of TensorFlow Datasets: evil\.Feature"),
    "a module that is run, old spelling": (
        lambda root: (root / "features.json").write_text(json.dumps({"type": "evil.Feature", "content": {}})),
        r"not of TensorFlow Datasets: evil\.Feature",
    ),
    "a class that is none": (
        _features(_name_a_class("tensorflow_datasets.core.features.image_feature.Nothing")), "cannot open",
    ),
    "more classes than memory holds": (
        _features(lambda c: c["featuresDict"]["features"]["label"]["classLabel"].update(numClasses=str(10**12))),
        "known number of classes|cannot open",
    ),
    "endless nesting": (lambda root: (root / "features.json").write_text("[" * 10**5), "is damaged"),
    "a pipe": (lambda root: [(root / "features.json").unlink(), os.mkfifo(root / "features.json")], "is damaged"),
    "no JSON": (lambda root: (root / "dataset_info.json").write_text("{"), "cannot open"),
    "a number of examples that would be prepared for ever": (
        _info(lambda c: c["splits"][0].update(shardLengths=[str(10**15)])), "says that it has 1,000,000,000,000,000",
    ),
    "fewer than none": (_info(lambda c: c["splits"][0].update(shardLengths=["-5"])), "says that it has -5"),
    "files elsewhere": (
        _info(lambda c: c["splits"][0].update(filepathTemplate="../../../../etc/passwd")), "says that it has|cannot be",
    ),
    "records that are none": (_damage_records, "cannot be read: DataLossError"),
    "records that are missing": (lambda root: next(root.glob("*train*")).unlink(), "says that it has|cannot open"),
    "equal names": (lambda root: (root / "label.labels.txt").write_text("a\na\nb\n"), "for several classes: a"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_prepared_set_ends_in_a_message(data_dir, tmp_path, monkeypatch, kind):
    change, message = HOSTILE[kind]
    shutil.copytree(pathlib.Path(data_dir) / "miniature", tmp_path / "miniature")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    change(tmp_path / "miniature" / "1.0.0")
    with pytest.raises(DataSetError, match=message):
        list(open_dataset("miniature", str(tmp_path)).examples("train"))
    assert not (tmp_path / "was run").exists()
