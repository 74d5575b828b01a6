import numpy as np
import pytest

from tftransfer.data.store import Half
from tftransfer.tuning import held_out


def half(split="train", counts=(20, 7, 2, 53)):
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    order = np.random.default_rng(0).permutation(len(labels))
    return Half(None, split, labels[order], 3 * np.arange(len(labels), dtype=np.int64))


def test_a_fifth_of_each_class_is_held_out():
    training, held = held_out.divide(half(), "abcd")
    assert not set(training.ids) & set(held.ids)
    assert sorted([*training.ids, *held.ids]) == list(half().ids)
    assert list(np.bincount(held.labels)) == [4, 1, 1, 10]
    label_of = dict(zip(half().ids, half().labels, strict=True))
    for part in (training, held):
        assert part.subset == "train"
        assert list(part.ids) == sorted(part.ids)
        assert all(label_of[i] == label for i, label in zip(part.ids, part.labels, strict=True))


def test_the_same_images_are_held_out_every_time_and_not_the_first():
    first, again = (held_out.divide(half(), "abcd")[1] for _ in range(2))
    assert list(first.ids) == list(again.ids)
    positions = np.flatnonzero(np.isin(half().ids, first.ids))
    assert positions.max() > len(half()) // 2


def test_what_cannot_be_held_out():
    with pytest.raises(ValueError, match=r"class 'c' has 1"):
        held_out.divide(half(counts=(20, 7, 1)), "abc")
    with pytest.raises(ValueError, match="'val'"):
        held_out.divide(half("val"), "abcd")
