"""A stated number of views of each image, and all images in one of them."""

import dataclasses

import numpy as np
import pytest

from made_images import make_half
from tftransfer.data import pipeline, views

VIEW = pipeline.View(28, np.full((32, 32, 3), 90, np.float32), 1 / 64)
SAMPLING = pipeline.Sampling(3, "B", 8)
STATED = views.StatedViews(3, "B", 8, views=2)


@pytest.fixture(scope="module")
def half():
    return make_half(21, 3, seed=5)


def test_views_come_back_and_the_order_does_not(half):
    first, second, third = (STATED.augmentation(half.ids, epoch, VIEW.slack) for epoch in (0, 1, 2))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))
    for one, again in zip(first, third, strict=True):
        np.testing.assert_array_equal(one, again)
    orders = [STATED.positions(half, 2 * epoch)[0] for epoch in (0, 2)]
    assert (orders[0] != orders[1]).any()
    for one, plain in zip(second, SAMPLING.augmentation(half.ids, 1, VIEW.slack), strict=True):
        np.testing.assert_array_equal(one, plain)


@pytest.mark.parametrize("number", [0, 1])
def test_all_images_in_order_are_those_that_training_shows(half, number):
    order = views.in_order(STATED, number, 8)
    batches = [x.numpy() for x, _ in pipeline.training_batches(half, VIEW, order, 0, 3)]
    images = np.concatenate(batches)
    assert len(images) == 24
    np.testing.assert_array_equal(images[20], images[23], "the last batch is filled up")
    for step in (2 * number, 2 * number + 1, 2 * number + 4):  # epochs of two steps
        (shown, _) = next(iter(pipeline.training_batches(half, VIEW, STATED, step, 1)))
        np.testing.assert_array_equal(shown, images[STATED.positions(half, step)[0]])


def test_the_number_of_views():
    centre = dataclasses.replace(SAMPLING, crop=False, mirror=False)
    assert views.count(centre, 8) == 1
    assert views.count(SAMPLING, 8) == 8
    assert [views.count(STATED, epochs) for epochs in (1, 2, 8)] == [1, 2, 2]


def test_whatever_makes_another_input_makes_another_digest(half):
    def digest(view=VIEW, sampling=STATED, number=0, ids=half.ids):
        return views.digest(view, sampling, number, ids)

    others = [
        digest(dataclasses.replace(VIEW, size=27)),
        digest(dataclasses.replace(VIEW, mean=VIEW.mean + 1)),
        digest(dataclasses.replace(VIEW, scale=1.0)),
        digest(dataclasses.replace(VIEW, padding=1)),
        digest(number=1),
        digest(ids=half.ids[::-1]),
        *(
            digest(sampling=dataclasses.replace(STATED, **other))
            for other in ({"seed": 4}, {"target": "A"}, {"crop": False}, {"mirror": False})
        ),
    ]
    assert len({digest(), *others}) == 1 + len(others)
    assert digest(number=2) == digest(), "the same view"


def test_a_view_that_no_seed_decides_is_the_same_for_all(half):
    centres = [views.StatedViews(seed, "B", 8, crop=False, mirror=False, views=2) for seed in (1, 2)]
    assert len({views.digest(VIEW, one, number, half.ids) for one in centres for number in (0, 1)}) == 1
