import numpy as np
import pytest

from tftransfer.data.datasets import DataSetError
from tftransfer.data.datasets.array_values import (
    checked_images,
    checked_labels,
    classes_of,
    factor_of,
    pixels,
    refuse_bad_names,
)

GREY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_images_get_a_dimension_of_channels_and_are_not_copied():
    assert checked_images(GREY).shape == (2, 3, 4, 1)
    assert checked_images(np.stack([GREY] * 3, -1)).shape == (2, 3, 4, 3)
    assert np.shares_memory(checked_images(GREY), GREY)
    assert checked_images(GREY.tolist() and list(GREY)).shape == (2, 3, 4, 1), "a list of equal images"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([GREY[0], GREY[0, :2]], r"cannot be made one array.*write_pairs"),
        (np.array([GREY[0], None], object), r"array of Python objects"),
        (GREY.astype(np.int64), r"Expected uint8.*Received: int64.*astype\('uint8'\)"),
        (GREY > 3, r"Received: bool"),
        (GREY[0], r"Received: \(3, 4\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"Received: \(2, 3, 8, 8\)\. Put the channels last: np\.moveaxis"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"fourth channel: images\[\.\.\., :3\]"),
        (np.zeros((2, 8, 8, 5), np.uint8), r"Received: \(2, 8, 8, 5\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"are empty.*Received: \(0, 8, 8, 3\)"),
        (np.zeros((2, 0, 8, 3), np.uint8), r"are empty"),
        (np.broadcast_to(np.uint8(0), (2, 2**15, 2**15, 3)), r"are too large"),
    ],
)
def test_other_images_are_refused(images, message):
    with pytest.raises(DataSetError, match=message):
        checked_images(images)


def shades(*values, dtype=np.float32):
    return np.array(values, dtype).reshape(-1, 1, 1, 1)


def test_fractions_and_whole_ranges_are_told_apart():
    assert factor_of([shades(0, 0.5, 1)]) == 255
    assert factor_of([shades(0, 0)]) == 255
    assert factor_of([shades(0, 255)]) == factor_of([shades(3, 16)]) == 1
    assert factor_of([shades(0, 200, dtype=np.uint8)]) == 1
    assert factor_of([shades(0, 0.5), shades(1, 200)]) == 1, "both subsets have one range"
    assert np.concatenate(list(pixels(shades(0, 0.5, 1), 255))).ravel().tolist() == [0, 128, 255]
    assert np.concatenate(list(pixels(shades(0, 99.6, 255, dtype=np.float16), 1))).ravel().tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([shades(0, np.nan)], "NaN or infinity"),
        ([shades(0, 1), shades(np.inf)], "NaN or infinity"),
        ([shades(-1, 1)], r"neither 0 to 1 nor 0 to 255.*Received: float32, -1 to 1\. Undo any normalisation"),
        ([shades(0, 1.01)], "Received: float32, 0 to 1.01"),
        ([shades(0, 15)], "neither"),
        ([shades(0, 256)], "neither"),
        ([shades(0, 1, dtype=np.uint8)], "as if fractions had been cut"),
        ([shades(0, 1), shades(0, 255, dtype=np.uint8)], "float32 and uint8"),
    ],
)
def test_ranges_that_could_be_either_or_neither_are_refused(arrays, message):
    with pytest.raises(DataSetError, match=message):
        factor_of(arrays)


def test_labels_may_be_numbers_texts_and_columns():
    assert checked_labels([[3], [4]], 2).tolist() == [3, 4]
    assert checked_labels(np.array(["a", "b"], object), 2).tolist() == ["a", "b"]
    assert checked_labels([b"a", "ü".encode()], 2).tolist() == ["a", "ü"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 1.0], r"Received: float64, such as 0\.0, 1\.0\. Use labels\.astype\(int\)"),
        ([True, False], "Received: bool"),
        (np.array(["a", 1], object), "Received: object"),
        (np.eye(2), r"Received: \(2, 2\).*argmax"),
        ([1, 2, 3], "2 images and 3 labels"),
        ([[1], [2, 3]], "cannot be made one array"),
        ([b"\xff", b"a"], "no text in UTF-8"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(DataSetError, match=message):
        checked_labels(labels, 2)


def test_classes_are_sorted_or_in_the_order_of_their_names():
    names, (labels,) = classes_of([np.array([10, 2, 10])], None)
    assert (names, labels.tolist(), labels.dtype) == (("2", "10"), [1, 0, 1], np.int32)
    names, (labels,) = classes_of([np.array(["b", "a"])], ["b", "a"])
    assert (names, labels.tolist()) == (("b", "a"), [0, 1])
    assert classes_of([np.array([1, 0], np.uint8)], ["x", "y"])[1][0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "class_names", "message"),
    [
        ([np.array([1, 1])], None, "There is one class"),
        ([np.array([0, 3])], ["a", "b"], r"1 label\(s\) have no name: 3\. Expected labels from 0 to 1"),
        ([np.array([-1, 0, 1])], ["a", "b"], r"no name: -1"),
        ([np.array(["a", "c"])], ["a", "b"], "no name: c"),
        ([np.array([0, 1])], ["a", "b", "c"], r"have no image: c"),
        ([np.array([0, 1])], ["a", "a"], "more than once: a"),
        ([np.array([0, 1])], "ab", "must be a list of texts"),
        ([np.array([0, 1])], ["a", 1], "must be a list of texts"),
        ([np.array([0, 1]), np.array(["0", "1"])], None, "differ"),
        ([np.arange(100_001)], None, "100,001 classes"),
    ],
)
def test_classes_that_do_not_fit_are_refused(labels, class_names, message):
    with pytest.raises(DataSetError, match=message):
        classes_of(labels, class_names)


@pytest.mark.parametrize("name", ["", " ", "\ud800"])
def test_names_that_cannot_be_written_are_refused(name):
    with pytest.raises(DataSetError):
        refuse_bad_names(["a", name])
