import numpy as np
import pytest

from tftransfer.records.chance_level import ABOVE_CHANCE, least_above_chance, left_chance


def test_left_chance():
    assert not left_chance(0.06, chance=1 / 20, images=1000)
    assert left_chance(0.09, chance=1 / 20, images=1000)
    assert left_chance(41 / 59, chance=0.458, images=59), "two in ten thousand networks at chance do as well"
    assert not left_chance(40 / 59, chance=0.458, images=59), "five do"


@pytest.mark.parametrize(("chance", "images"), [(0.458, 59), (0.001, 50_000), (0.05, 1000), (1 / 3, 120), (0.9, 200)])
def test_the_bar_above_chance_is_that_of_an_exact_binomial_test(chance, images):
    from scipy import stats

    right = round(least_above_chance(chance, images) * images)
    assert stats.binom.sf(right - 1, images, chance) <= ABOVE_CHANCE < stats.binom.sf(right - 2, images, chance)


def test_the_papers_170_networks_at_chance_rarely_give_one_above_it():
    assert 1 - (1 - ABOVE_CHANCE) ** 170 <= 0.05
    rng = np.random.default_rng(0)
    for images, chance in ((59, 0.458), (1000, 0.05)):
        found = rng.binomial(images, chance, size=(1000, 170)) / images >= least_above_chance(chance, images)
        assert found.any(axis=1).mean() <= 0.06


def test_too_few_images_show_nothing():
    assert least_above_chance(0.5, 5) == float("inf")
    assert not left_chance(1.0, 0.5, 5)
    assert not left_chance(1.0, 1.0, 100), "all images are of one class"
