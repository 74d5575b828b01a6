import io

import numpy as np
import pytest
from PIL import Image

from tftransfer.data import duplicates, motifs


def images(pixels, contents=None):
    hashes = np.array([duplicates.difference_hash(image) for image in pixels], np.uint64)
    contents = np.arange(len(pixels)) if contents is None else contents
    return duplicates.Images(hashes, np.asarray(contents, np.uint64), lambda position: pixels[position])


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
    assert duplicates.pairs(images(pictures), images(others, np.arange(100, 130))).tolist() == []


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
    found = duplicates.pairs(images(changed, np.arange(100, 130)), images(pictures)).tolist()
    assert all(first == second for first, second in found)
    assert len(found) >= 27


def test_equal_bytes_are_copies_whatever_they_show(pictures):
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert duplicates.difference_hash(flat) == duplicates.FLAT
    found = duplicates.pairs(images([flat, pictures[0]], [7, 8]), images([pictures[1], flat, flat], [9, 7, 6]))
    assert found.tolist() == [[0, 1]], "flat images are compared by their bytes alone"


def test_hashes_alone_make_no_copy(pictures):
    """Two images with one hash whose pixels differ: the second step tells them apart."""
    one, other = images(pictures[:1]), images(pictures[1:2], [5])
    same_hash = duplicates.Images(one.hashes, other.contents, other.pixels)
    assert duplicates.pairs(one, same_hash).tolist() == []
    assert duplicates.pairs(one, duplicates.Images(one.hashes, other.contents, one.pixels)).tolist() == [[0, 0]]


def test_a_set_is_compared_with_itself_in_one_order(pictures):
    twice = images([*pictures[:5], pictures[2]], [0, 1, 2, 3, 4, 2])
    found = duplicates.pairs(twice, twice, wanted=lambda position, others: others > position)
    assert found.tolist() == [[2, 5]]


def test_a_hash_says_which_areas_are_brighter_than_their_left_neighbours():
    ramp = np.repeat(np.linspace(0, 255, 9, dtype=np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    assert duplicates.difference_hash(ramp) == np.uint64(2**64 - 1)
    assert duplicates.difference_hash(np.ascontiguousarray(ramp[:, ::-1])) == 0


def test_sets_that_would_take_hours_are_refused(monkeypatch, pictures):
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 100)
    with pytest.raises(ValueError, match="too many to be compared"):
        duplicates.pairs(images(pictures), images(pictures))
