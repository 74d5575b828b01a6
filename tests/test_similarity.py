import numpy as np
import pytest

from tftransfer import similarity


def cka(first, second, batch=None):
    batch = batch or len(first)
    parts = [slice(start, start + batch) for start in range(0, len(first), batch)]
    return similarity.linear_cka(
        [similarity.gram(first[p]) for p in parts], [similarity.gram(second[p]) for p in parts]
    )


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(1.0, 1.0, (60, 20))


def test_rotation_scale_and_shift_change_nothing(features):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 20)))
    assert cka(features, features) == pytest.approx(1)
    assert cka(features, 3.7 * features @ rotation + 5) == pytest.approx(1)


def test_other_linear_maps_do_change_it(features):
    assert cka(features, features * np.linspace(0.01, 3, 20)) < 0.95


def test_it_is_symmetric(features):
    other = features[:, :10] + np.random.default_rng(1).normal(size=(60, 10))
    assert cka(features, other) == pytest.approx(cka(other, features))
    assert 0.2 < cka(features, other) < 0.9


def test_independent_features_have_none_even_with_few_images_and_many_features():
    rng = np.random.default_rng(0)
    found = [cka(rng.normal(size=(16, 500)), rng.normal(size=(16, 500))) for _ in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error < 0.1
    assert min(found) < 0, "an unbiased estimate falls below zero, too"


def test_the_biased_estimate_would_not_be_near_zero():
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(16, 500)) for _ in range(2))
    first, second = first - first.mean(0), second - second.mean(0)
    biased = np.linalg.norm(first.T @ second) ** 2 / (
        np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    )
    assert biased > 0.8
    assert abs(cka(first, second)) < 0.3


def test_batches_estimate_the_same_as_all_images_at_once():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(1024, 8))
    second = first @ rng.normal(size=(8, 6)) + rng.normal(size=(1024, 6))
    assert cka(first, second, batch=64) == pytest.approx(cka(first, second), abs=0.02)


def test_the_estimate_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    first, second = (similarity.gram(rng.normal(size=(7, 3))) for _ in range(2))
    # The U-statistic over all orders of four different images (Song et al. 2012, theorem 5).
    total = count = 0
    for i in range(7):
        for j in range(7):
            for q in range(7):
                for r in range(7):
                    if len({i, j, q, r}) == 4:
                        total += first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q])
                        count += 1
    assert similarity.hsic(first, second) == pytest.approx(total / count)


def test_large_means_cost_no_digits(features):
    other = features + np.random.default_rng(1).normal(size=features.shape)
    assert cka(features + 1e6, other) == pytest.approx(cka(features, other), rel=1e-6)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e6 + 0.1])
def test_constant_features_are_like_nothing(features, value):
    for images in range(30, 61):  # the rounded mean of some is another number
        assert np.isnan(cka(features[:images], np.full((images, 4), value)))


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="4 or more"):
        cka(np.ones((3, 2)), np.ones((3, 2)))
