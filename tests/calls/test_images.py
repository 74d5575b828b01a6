import types

import numpy as np
import pytest
import tensorflow as tf

from tftransfer.calls import images
from tftransfer.data import datasets

PICTURES = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def written(monkeypatch):
    """What is written into the cache: the calls of `data.datasets.arrays`."""
    calls = []

    def write_to_cache(pictures, labels, cache_dir, validation=None):
        calls.append(("arrays", pictures, labels, cache_dir, validation))
        return "folder"

    def write_pairs_to_cache(pairs, cache_dir, validation=None, class_names=None):
        calls.append(("pairs", list(pairs), cache_dir, validation and list(validation), class_names))
        return "folder"

    arrays = types.SimpleNamespace(write_to_cache=write_to_cache, write_pairs_to_cache=write_pairs_to_cache)
    monkeypatch.setattr(datasets, "arrays", arrays, raising=False)
    return calls


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], np.eye(3)[LABELS], LABELS.tolist()], ids=range(4))
def test_arrays_with_labels_of_any_form(labels, written):
    assert images.kept((PICTURES, labels), "cache") == "folder"
    kind, pictures, given, cache, validation = written[0]
    assert (kind, cache, validation) == ("arrays", "cache", None)
    assert pictures is PICTURES
    np.testing.assert_array_equal(given, LABELS)


def test_labels_may_be_texts(written):
    images.kept((PICTURES, ["cat", "dog", "eel"] * 2), "cache")
    assert list(written[0][2]) == ["cat", "dog", "eel"] * 2


def test_validation_may_come_apart_as_in_keras_datasets(written):
    images.kept(((PICTURES, LABELS[:, None]), (PICTURES[:3], LABELS[:3])), "cache")
    np.testing.assert_array_equal(written[0][2], LABELS)
    assert len(written[0][4][0]) == 3


def test_images_of_several_sizes_are_pairs(written):
    pictures = [PICTURES[0], np.zeros((9, 5, 3), np.uint8)]
    images.kept((pictures, [0, 1]), "cache")
    kind, pairs, *_ = written[0]
    assert kind == "pairs"
    assert [picture.shape for picture, _ in pairs] == [(4, 4, 3), (9, 5, 3)]


def test_two_single_images_are_not_training_and_validation(written):
    images.kept(([PICTURES[0], PICTURES[1]], [0, 1]), "cache")
    assert len(written[0][1]) == 2


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_tf_dataset_of_pairs(batched, one_hot, written):
    labels = np.eye(3)[LABELS] if one_hot else LABELS
    dataset = tf.data.Dataset.from_tensor_slices((PICTURES, labels))
    dataset = dataset.batch(4) if batched else dataset
    dataset.class_names = ["cat", "dog", "eel"]
    images.kept(dataset, "cache")
    kind, pairs, cache, validation, names = written[0]
    assert (kind, cache, validation, names) == ("pairs", "cache", None, ["cat", "dog", "eel"])
    np.testing.assert_array_equal([picture for picture, _ in pairs], PICTURES)
    assert [int(label) for _, label in pairs] == LABELS.tolist()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: (PICTURES, LABELS, 3), "Received: tuple of 3"),
        (lambda: PICTURES, "Received: ndarray"),
        (lambda: tf.data.Dataset.from_tensor_slices((PICTURES, LABELS)).repeat(), "never ends"),
        (lambda: tf.data.Dataset.from_tensor_slices(PICTURES), "pairs .* Received elements: ndarray"),
        (lambda: tf.data.Dataset.from_tensor_slices((PICTURES, LABELS, LABELS)), "tuple of 3"),
    ],
)
def test_what_is_no_images_with_labels_is_refused(value, message, written):
    with pytest.raises(ValueError, match=message):
        images.kept(value(), "cache")
