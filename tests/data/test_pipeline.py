import io

import numpy as np
import pytest
from PIL import Image

from made_images import ArrayHalf, make_half
from tftransfer.data.pipeline import Sampling, View, crop, evaluation_batches, training_batches

SAMPLING = Sampling(seed=3, target="B", batch_size=8)


@pytest.fixture(scope="module")
def half():
    return make_half(45, 5, seed=0)


def view_of(half, size=28, padding=0):
    return View(size, half.images.mean(0).astype(np.float32), 1 / 64, padding)


def arrays(dataset):
    return [tuple(np.asarray(part) for part in batch) for batch in dataset]


def test_batches_are_a_function_of_the_step(half):
    view = view_of(half)
    whole = arrays(training_batches(half, view, SAMPLING, 0, 12))
    late = arrays(training_batches(half, view, SAMPLING, 7, 5))
    assert len(whole) == 12
    for here, there in zip(whole[7:], late, strict=True):
        np.testing.assert_array_equal(here[0], there[0])
        np.testing.assert_array_equal(here[1], there[1])
    assert whole[0][0].shape == (8, 28, 28, 3)
    assert whole[0][0].dtype == np.float32


def test_an_epoch_shows_no_image_twice_and_the_next_another_order(half):
    orders = [np.concatenate([SAMPLING.positions(half, s)[0] for s in range(e * 5, e * 5 + 5)]) for e in (0, 1)]
    for order in orders:
        assert len(set(order)) == 40
    assert not np.array_equal(*orders)
    assert SAMPLING.positions(half, 5)[1] == 1


def test_augmentation_belongs_to_the_image_not_to_its_neighbours(half):
    ids = half.ids
    together = SAMPLING.augmentation(ids, epoch=2, slack=4)
    alone = [SAMPLING.augmentation(ids[i : i + 1], epoch=2, slack=4) for i in range(len(ids))]
    for part, parts in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(part, np.concatenate(parts))


def test_augmentation_uses_all_positions_and_mirrors_half():
    top, left, mirror = SAMPLING.augmentation(np.arange(5000), epoch=0, slack=4)
    assert set(top) == set(left) == set(range(5))
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.06
    assert abs(mirror.mean() - 0.5) < 0.03


def test_without_augmentation_crops_are_central(half):
    plain = Sampling(3, "B", 8, crop=False, mirror=False)
    top, left, mirror = plain.augmentation(half.ids, 0, 4)
    assert set(top) == set(left) == {2}
    assert not mirror.any()


def test_order_depends_on_seed_target_and_epoch(half):
    first = SAMPLING.positions(half, 0)[0]
    for other in (Sampling(4, "B", 8), Sampling(3, "A", 8)):
        assert not np.array_equal(other.positions(half, 0)[0], first)


def test_crop_subtracts_the_mean_of_the_same_window(half):
    view = view_of(half)
    crops = crop(half.images[:2], view, np.array([0, 4]), np.array([1, 2]), np.array([False, True]))
    expected = (half.images[1, 4:32, 2:30] - view.mean[4:32, 2:30])[:, ::-1] / 64
    np.testing.assert_allclose(crops[1], expected, atol=1e-6)
    np.testing.assert_allclose(crops[0], (half.images[0, :28, 1:29] - view.mean[:28, 1:29]) / 64, atol=1e-6)


def test_images_without_slack_are_reflected(half):
    view = view_of(half, size=32, padding=2)
    assert view.slack == 4
    crops = crop(half.images[:1], view, np.array([0]), np.array([2]), np.array([False]))
    centred = (half.images[0] - view.mean) / 64
    np.testing.assert_allclose(crops[0, 2:], centred[:30], atol=1e-6)
    np.testing.assert_allclose(crops[0, 0], centred[2], atol=1e-6)


@pytest.mark.parametrize("batch_size", [8, 45, 64])
def test_evaluation_shows_every_image_once_in_equal_batches(half, batch_size):
    batches = arrays(evaluation_batches(half, view_of(half), batch_size))
    assert {len(batch[0]) for batch in batches} == {batch_size}
    weights = np.concatenate([batch[2] for batch in batches])
    labels = np.concatenate([batch[1] for batch in batches])
    assert weights.sum() == 45
    np.testing.assert_array_equal(labels[weights > 0], half.labels)
    centre = (half.images[0, 2:30, 2:30] - view_of(half).mean[2:30, 2:30]) / 64
    np.testing.assert_allclose(batches[0][0][0], centre, atol=1e-6)


class JpegHalf(ArrayHalf):
    """The same images as JPEG files."""

    def read_encoded(self, positions):
        def encode(image):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=100, subsampling=0)
            return file.getvalue()

        return [encode(image) for image in self.images[positions]]


def test_jpeg_stores_give_the_same_batches_as_raw_ones():
    rng = np.random.default_rng(0)
    grey = rng.integers(60, 200, (16, 4, 4, 1))  # JPEG keeps patches of one grey almost exactly
    smooth = np.repeat(np.repeat(np.repeat(grey, 8, 1), 8, 2), 3, 3).astype(np.uint8)
    parts = (smooth, np.arange(16, dtype=np.int32), np.arange(16))
    raw, jpeg = ArrayHalf(*parts), JpegHalf(*parts, encoding="jpeg")
    view = view_of(raw)
    for make in (lambda h: training_batches(h, view, SAMPLING, 0, 2), lambda h: evaluation_batches(h, view, 8)):
        for one, other in zip(arrays(make(raw)), arrays(make(jpeg)), strict=True):
            np.testing.assert_array_equal(one[1], other[1])
            np.testing.assert_allclose(one[0], other[0], atol=2 / 64)


def test_no_thread_is_waited_for_at_the_end():
    """The thread that would tune the pipeline sleeps for up to a minute, and the end of the data waits for it."""
    half = make_half(20, 2, seed=0)
    view = View(size=32, mean=half.images.mean(0).astype(np.float32), scale=1.0)
    for batches in (training_batches(half, view, SAMPLING, 0, 10), evaluation_batches(half, view, 8)):
        assert batches.options().autotune.enabled is False


def test_order_and_augmentation_belong_to_images_not_to_their_places(half):
    """Images that are left out, as with fewer of each class, change neither the order of the others nor their crops."""
    whole, view = Sampling(3, "B", batch_size=45), view_of(half)
    kept = np.arange(1, 45, 2)
    some = ArrayHalf(half.images[kept], half.labels[kept], half.ids[kept])
    fewer = Sampling(3, "B", batch_size=len(kept))
    order = [int(i) for i in half.ids[whole.positions(half, 0)[0]] if i in kept]
    positions, _ = fewer.positions(some, 0)
    assert some.ids[positions].tolist() == order
    ((images, labels),) = arrays(training_batches(half, view, whole, 0, 1))
    ((of_some, their_labels),) = arrays(training_batches(some, view, fewer, 0, 1))
    there = [i for i, place in enumerate(whole.positions(half, 0)[0]) if place in kept]
    np.testing.assert_array_equal(of_some, images[there])
    np.testing.assert_array_equal(their_labels, labels[there])


def test_augmentation_depends_on_seed_target_and_epoch(half):
    first = np.array(SAMPLING.augmentation(half.ids, 0, 4))
    for other in (
        Sampling(4, "B", 8).augmentation(half.ids, 0, 4),
        Sampling(3, "A", 8).augmentation(half.ids, 0, 4),
        SAMPLING.augmentation(half.ids, 1, 4),
    ):
        assert (np.array(other) != first).any(axis=1).all(), "top, left and mirror alike"


@pytest.mark.parametrize("reverse", [False, True])
def test_each_channel_has_its_own_mean_and_factor_in_the_order_of_the_network(half, reverse):
    mean, scale = (100.0, 110.0, 120.0), (1.0, 0.5, 0.25)
    view = View.of_channels(28, 32, mean, scale, reverse)
    ((images, _, _),) = arrays(evaluation_batches(half, view, len(half)))
    centre = half.images[:, 2:30, 2:30, ::-1] if reverse else half.images[:, 2:30, 2:30]
    np.testing.assert_array_equal(images, (centre - np.float32(mean)) * np.float32(scale))
    assert view.slack == 4


@pytest.mark.parametrize("reverse", [False, True])
def test_jpeg_stores_give_the_same_input_of_channels_as_raw_ones(reverse):
    colours = np.array([[200, 30, 90], [20, 180, 60]], np.uint8)[np.arange(16) % 2]
    parts = (np.tile(colours[:, None, None], (1, 32, 32, 1)), np.arange(16, dtype=np.int32), np.arange(16))
    view = View.of_channels(28, 32, (100.0, 110.0, 120.0), (1.0, 0.5, 0.25), reverse)
    made = [arrays(training_batches(half, view, SAMPLING, 0, 2))
            for half in (ArrayHalf(*parts), JpegHalf(*parts, encoding="jpeg"))]  # fmt: skip
    for one, other in zip(*made, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=3)
