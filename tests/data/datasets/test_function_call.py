"""What functions of users return, read in this process; `test_functions.py` starts another."""

import json
import os
import sys

import numpy as np
import pytest
import tensorflow as tf

from tftransfer.data.datasets import Dataset, open_dataset
from tftransfer.data.datasets.function_call import main

X = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
Y = np.arange(40) % 4
RETURNS = {
    "arrays": (lambda: (X, Y), None),
    "list": (lambda: [list(X), list(Y)], None),
    "both": (lambda: ((X, Y), (X[:8], Y[:8])), 8),
    "of_keras": (lambda: ((X, Y[:, None]), (X[:12], Y[:12, None])), 12),
    "tf": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)), None),
    "generator": (lambda: zip(X, Y, strict=True), None),
    "dataset": (lambda: open_dataset("motifs"), 2000),
    "nothing": (lambda: None, "must return .*Received: NoneType"),
    "one": (lambda: X, "Received: ndarray"),
    "three": (lambda: (X, Y, 1), "Received: tuple of 3"),
    "uneven": (lambda: (X, Y[1:]), "--dataset=mine:uneven: Each image needs one label"),
    "endless": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).repeat(), "without an end"),
    "later": (lambda: (1 / 0 for _ in X), "mine:later cannot be read and kept: ZeroDivisionError"),
    "exits": (lambda: sys.exit(3), "failed: SystemExit: 3"),
    "moves": (lambda: os.chdir("/") or (X, Y), None),
    "number": (7, "no function number"),
}


@pytest.fixture
def called(tmp_path, monkeypatch):
    """Returns a function that calls one, and returns the answer."""
    module = type(sys)("mine")
    for name, (function, _) in RETURNS.items():
        setattr(module, name, function)
    module.of_folder = lambda data_dir: (X, Y) if data_dir == "photos" else None
    monkeypatch.setitem(sys.modules, "mine", module)
    monkeypatch.chdir(tmp_path)

    def call(dataset, data_dir=None):
        request = {"dataset": dataset, "data_dir": data_dir, "cache_dir": str(tmp_path / "cache")}
        (tmp_path / "request").write_text(json.dumps(request))
        main(["", str(tmp_path / "request"), str(tmp_path / "answer")])
        return json.loads((tmp_path / "answer").read_text())

    return call


@pytest.mark.parametrize("name", [name for name in RETURNS if name != "dataset"])
def test_what_functions_return(called, name):
    answer, (_, expected) = called(f"mine:{name}"), RETURNS[name]
    if isinstance(expected, str):
        assert not answer["folder"]
        assert __import__("re").search(expected, answer["fault"]), answer
        return
    dataset = open_dataset("arrays", answer["folder"])
    count = len(dataset.examples("val"))
    assert len(dataset.examples("train")) + count == 40 + (expected or 0)
    assert count == expected or expected is None


def test_a_data_set_keeps_its_subsets_and_names(called, monkeypatch):
    few = open_dataset("motifs")

    class Few(list):
        def labels(self):
            return [example.label for example in self]

    subsets = {name: Few(few.examples(name)[step // 2 :: step]) for name, step in (("train", 150), ("val", 25))}
    few = Dataset("few", few.class_names, few.class_kinds, 32, "0", subsets)
    monkeypatch.setattr(sys.modules["mine"], "dataset", lambda: few)
    dataset = open_dataset("arrays", called("mine:dataset")["folder"])
    assert dataset.class_names == few.class_names
    for name, examples in subsets.items():
        assert [example.label for example in dataset.examples(name)] == [example.label for example in examples]


def test_the_folder_is_passed_on_where_it_is_given(called):
    assert called("mine:of_folder", "photos")["folder"]
    assert "must take no argument without --data_dir" in called("mine:of_folder")["fault"]
    assert "must take the folder --data_dir" in called("mine:arrays", "photos")["fault"]


def test_a_cache_that_cannot_be_written_is_named(called, tmp_path):
    (tmp_path / "cache").write_text("")
    assert "Choose another --cache_dir" in called("mine:arrays")["fault"]
