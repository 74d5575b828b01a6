"""Folds of training images, class by class."""

import numpy as np
import pytest

from easy_study import EasyStore
from tftransfer.advising import folds


@pytest.fixture
def half(tmp_path):
    return EasyStore(tmp_path).select("train", range(6))


def test_every_image_is_held_out_once_and_trains_otherwise(half):
    held = [folds.divide(half, 5, number) for number in range(5)]
    assert sorted(np.concatenate([out.ids for _, out in held])) == sorted(half.ids)
    for training, out in held:
        assert not set(training.ids) & set(out.ids)
        assert len(training) + len(out) == len(half)
        label_of = dict(zip(half.ids, half.labels, strict=True))
        assert all(label_of[i] == label for i, label in zip(out.ids, out.labels, strict=True))


def test_folds_are_even_in_each_class_and_in_all(half):
    number = folds.numbers(half, 5)
    for label in range(6):
        counts = np.bincount(number[half.labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(number, minlength=5)
    assert counts.max() - counts.min() <= 1


def test_folds_do_not_depend_on_the_order_of_images(half):
    turned = folds._only(half, np.arange(len(half))[::-1])
    assert np.array_equal(folds.numbers(turned, 5)[::-1], folds.numbers(half, 5))


def test_few_images_make_fewer_folds():
    assert folds.possible([9, 7], 5) == 5
    assert folds.possible([3, 7], 5) == 3
    assert folds.possible([2, 2], 5) == 2


def test_with_as_many_folds_as_images_each_class_still_trains(tmp_path):
    half = EasyStore(tmp_path).select("train", range(6), 2)
    for held in range(folds.possible(np.bincount(half.labels), 5)):
        training, out = folds.divide(half, 2, held)
        assert set(training.labels) == set(out.labels) == set(range(6))


def test_a_class_with_one_image_is_refused():
    with pytest.raises(ValueError, match="a class with 1"):
        folds.possible([9, 1], 5)
