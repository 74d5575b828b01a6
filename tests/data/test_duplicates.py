import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from memory_dataset import memory_dataset
from tftransfer.data import duplicates, motifs
from tftransfer.data.datasets import EncodedExample, Examples
from tftransfer.data.store import prepare


def images(pixels, contents=None, places=None):
    hashes, thumbnails = zip(*map(duplicates.signature, pixels), strict=True)
    contents = np.arange(len(pixels)) if contents is None else contents
    places = np.arange(len(pixels)) if places is None else places
    return duplicates.Images(
        np.asarray(contents, np.uint64),
        np.array(hashes, np.uint64),
        np.asarray(places, np.int64),
        lambda positions: np.stack(thumbnails)[positions],
    )


class ImagesOnly:
    """A store as far as `between` asks it."""

    def __init__(self, *args):
        self._images = images(*args)

    def images_to_compare(self):
        return self._images


def found(*args):
    return sorted(map(tuple, duplicates.near_pairs(images(*args)).tolist()))


def saved_again(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.fixture(scope="module")
def pictures():
    """Thirty pictures of thirty kinds."""
    return [motifs.draw(name, "train", 3) for name in list(motifs.CLASS_NAMES)[:30]]


def test_different_pictures_are_no_copies(pictures):
    others = [motifs.draw(name, "train", 7) for name in list(motifs.CLASS_NAMES)[:30]]
    assert found(pictures + others) == []
    assert duplicates.between(ImagesOnly(pictures), ImagesOnly(others, np.arange(100, 130))).tolist() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved_again(image, 90),
        lambda image: np.asarray(Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC)),
        lambda image: np.clip(image * 0.9 + 10, 0, 255).astype(np.uint8),
    ],
    ids=["saved as JPEG", "enlarged", "brightened"],
)
def test_near_copies_are_found(pictures, change):
    changed = [change(image) for image in pictures]
    within = {tuple(sorted(pair)) for pair in found(pictures + changed)}
    assert within <= {(number, number + 30) for number in range(30)}
    assert len(within) >= 27
    between = duplicates.between(ImagesOnly(changed, np.arange(30, 60)), ImagesOnly(pictures))
    assert {(second, first) for first, second in between.tolist()} == within


def test_images_of_one_place_are_not_compared(pictures):
    changed = saved_again(pictures[0], 90)
    assert found([pictures[0], changed], [0, 1], [4, 4]) == []
    assert found([pictures[0], changed], [0, 1], [4, 5]) == [(0, 1)]
    assert found([pictures[0], changed, changed], [0, 1, 1], [4, 4, 5]) == [(0, 1)], "one of them is in two places"


def test_equal_bytes_are_no_near_copies(pictures):
    assert found([pictures[0], pictures[0]], [3, 3]) == []
    assert duplicates.between(ImagesOnly(pictures[:3]), ImagesOnly(pictures[:3])).tolist() == []


def test_flat_images_are_compared_by_their_bytes_alone():
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert duplicates.signature(flat)[0] == duplicates.FLAT
    assert found([flat, flat + 1]) == []
    faint = flat + np.arange(32, dtype=np.uint8)[:, None] // 4
    assert found([faint, faint + 1]) == [], "though they correlate"


def test_hashes_alone_make_no_copy(pictures):
    """Two images with one hash whose pixels differ: the second step tells them apart."""
    both = images(pictures[:2])
    same_hash = dataclasses.replace(both, hashes=both.hashes[[0, 0]])
    assert duplicates.near_pairs(same_hash).tolist() == []
    same_pixels = dataclasses.replace(same_hash, thumbnails=lambda positions: both.thumbnails(0 * positions))
    assert duplicates.near_pairs(same_pixels).tolist() == [[0, 1]]


def test_a_hash_says_which_areas_are_brighter_than_their_left_neighbours():
    ramp = np.repeat(np.linspace(0, 255, 9, dtype=np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    assert duplicates.signature(ramp)[0] == np.uint64(2**64 - 1)
    assert duplicates.signature(np.ascontiguousarray(ramp[:, ::-1]))[0] == 0


@pytest.mark.parametrize("block", [1, 50, duplicates._BLOCK])
@pytest.mark.parametrize("within", [True, False])
def test_the_search_by_parts_finds_what_comparing_all_hashes_finds(within, block, monkeypatch):
    monkeypatch.setattr(duplicates, "_BLOCK", block)
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2**64, 40, np.uint64)
    flipped = (rng.random((400, 64)) < rng.uniform(0, 0.15, (400, 1))) @ (
        np.uint64(1) << np.arange(64, dtype=np.uint64)
    )
    hashes = centres[rng.integers(0, 40, 400)] ^ flipped.astype(np.uint64)
    first, second = (hashes, hashes) if within else (hashes[:150], hashes[150:])
    near = np.bitwise_count(first[:, None] ^ second[None]) <= duplicates.MOST_BITS
    expected = set(zip(*np.nonzero(np.triu(near, 1) if within else near), strict=True))
    arrays = list(duplicates._close(first, second, within))
    pairs = [pair for one, two in arrays for pair in zip(one.tolist(), two.tolist(), strict=True)]
    pairs = [tuple(sorted(pair)) for pair in pairs] if within else pairs
    assert len(expected) > 200
    assert len(pairs) == len(set(pairs)), "each pair once"
    assert set(pairs) == expected


@pytest.mark.parametrize("limit", ["MOST_LOOKED_UP", "MOST_COMPARED"])
def test_images_that_are_all_alike_end_the_search(limit, monkeypatch, pictures):
    monkeypatch.setattr(duplicates, limit, 100)
    alike = images([pictures[0]] * 30)
    with pytest.raises(duplicates.TooAlikeError, match="more than 100 pairs"):
        duplicates.near_pairs(alike)
    assert duplicates.near_pairs(images([pictures[0]] * 30, np.zeros(30))).tolist() == [], "one image, thirty times"


def test_a_million_copies_of_one_image_are_one(pictures):
    one = images(pictures[:1])
    many = duplicates.Images(
        np.zeros(10**6, np.uint64), np.repeat(one.hashes, 10**6), np.arange(10**6), lambda positions: 1 / 0
    )
    assert len(duplicates.near_pairs(many)) == 0


class TestTwins:
    NEAR = np.array([[1, 11], [12, 2], [5, 6]], np.uint64)

    def test_copies_are_of_one_kind_or_the_other(self):
        twins = duplicates.twins(np.array([1, 2, 3, 4, 2]), np.array([11, 12, 3, 2, 30]), self.NEAR)
        assert twins.identical.tolist() == [False, True, True, False, True]
        assert twins.near.tolist() == [True, False, False, False, False]
        assert twins.either.tolist() == [True, True, True, False, True]
        assert twins.counts() == {"identical": 3, "near": 1}

    def test_copies_in_the_same_class_are_in_one_class(self):
        contents, labels = np.array([1, 11, 2, 12, 7, 7, 8, 8, 5]), np.array([0, 0, 0, 1, 0, 1, 1, 1, 0])
        twins = duplicates.in_two_classes(contents, labels, self.NEAR)
        assert twins.near.tolist() == [False, False, True, True, False, False, False, False, False]
        assert twins.identical.tolist() == [False] * 4 + [True, True] + [False] * 3

    def test_no_pairs_are_no_copies(self):
        none = np.zeros((0, 2), np.uint64)
        assert duplicates.twins(np.array([1, 2]), np.array([3]), none).counts() == {"identical": 0, "near": 0}
        assert duplicates.in_two_classes(np.array([1, 2]), np.array([0, 1]), none).counts()["near"] == 0


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def drawn_dataset(pictures, training, validation):
    """Returns a data set in memory, of images as (class, number of the picture, whether it is brighter)."""

    def encoded(number, is_brighter):
        return png(np.clip(pictures[number] * 0.9 + 10, 0, 255).astype(np.uint8) if is_brighter else pictures[number])

    def examples(subset, rows):
        made = [
            EncodedExample(label, f"{subset}/{place}.png", encoded(number, is_brighter))
            for place, (label, number, is_brighter) in enumerate(rows)
        ]
        return Examples(len(made), lambda start, stop: iter(made[start:stop]))

    subsets = {"train": examples("train", training), "val": examples("val", validation)}
    return memory_dataset(subsets=subsets, identity=f"{training} {validation}")


@pytest.fixture(scope="module")
def store(pictures, tmp_path_factory):
    """Pictures 0 to 8 to train on; to validate on, 0 is the same, 4 is brighter, and so is 8, in another class.

    Picture 1 is in two classes of the training images, brighter in the other.
    """
    training = [(number % 3, number, False) for number in range(9)] + [(0, 1, True)]
    validation = [(0, 0, False), (1, 4, True), (0, 8, True), (2, 11, False)]
    return prepare(drawn_dataset(pictures, training, validation), str(tmp_path_factory.mktemp("copies")), 36)


def test_a_store_knows_its_near_copies(store):
    training, validation = store.select("train", range(3)), store.select("val", range(3))
    twins = duplicates.twins(validation.contents(), training.contents(), store.near_copies)
    assert twins.identical.tolist() == [True, False, False, False]
    assert twins.near.tolist() == [False, True, True, False]
    names = duplicates.first_names(validation, twins, [training], store.near_copies, 1)
    assert names == [["val/0.png", "train/0.png", "identical"], ["val/1.png", "train/4.png", "near"]]
    assert validation.keep(~twins.either).names(np.array([0])) == ["val/3.png"]


def test_two_classes_of_a_half_are_compared(store):
    training, validation = store.select("train", range(3)), store.select("val", range(3))
    contents = np.concatenate([training.contents(), validation.contents()])
    labels = np.concatenate([training.labels, validation.labels])
    twins = duplicates.in_two_classes(contents, labels, store.near_copies)
    assert np.flatnonzero(twins.either).tolist() == [1, 8, 9, 12], "picture 1 and its like, 8 and its like"
    about = duplicates.found_in(training, validation, 3)
    pairs = ((1, "train/9"), (8, "val/2"), (9, "train/1"))
    names = [[f"train/{number}.png", f"{other}.png", "near"] for number, other in pairs]
    assert about["classes"] == {"identical": 0, "near": 4, "first": [*names, ["val/2.png", "train/8.png", "near"]]}
    names = [["val/1.png", "train/4.png", "near"], ["val/2.png", "train/8.png", "near"]]
    first = [["val/0.png", "train/0.png", "identical"], *names]
    assert about["training"] == {"identical": 1, "near": 2, "first": first}


def test_two_stores_of_other_sizes_are_compared(store, pictures, tmp_path):
    others = [
        (label, number, is_brighter) for label, number, is_brighter in ((0, 2, True), (1, 20, False), (2, 3, False))
    ]
    other = prepare(drawn_dataset(pictures, others, others), str(tmp_path), 140)
    near = duplicates.between(store, other)
    training = store.select("train", range(3)).contents()
    twins = duplicates.twins(other.select("val", range(3)).contents(), training, near)
    assert (other.encoding, twins.near.tolist(), twins.identical.tolist()) == (
        "jpeg",
        [True, False, False],
        [False, False, True],
    )


def test_images_that_are_so_alike_that_there_was_no_search_are_said_to_be(store, monkeypatch):
    assert duplicates.require(store) is store.near_copies
    monkeypatch.setattr(store, "near_copies", None)
    found = duplicates.found_between(store.select("val", range(3)), store.select("train", range(3)), 5)
    assert found == {"identical": 1, "near": None, "first": [["val/0.png", "train/0.png", "identical"]]}
    with pytest.raises(duplicates.TooAlikeError, match="Leave out --exclude_duplicates"):
        duplicates.require(store)
