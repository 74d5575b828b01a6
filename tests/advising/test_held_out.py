import numpy as np
import pytest
from scipy import stats

from tftransfer.advising import held_out

CORRECT = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 1, 0, 0]], bool)


def test_disagreement_counts_images_that_only_one_has_right():
    expected = [[0, 0.4, 0], [0.4, 0, 0.4], [0, 0.4, 0]]
    np.testing.assert_allclose(held_out.disagreement(CORRECT), expected, atol=1e-12)


def test_the_paired_error_is_the_covariances_where_candidates_are_equally_good():
    covariance = held_out.image_covariance(CORRECT)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert variance == pytest.approx(0.4 / 4), "(d - 0²) / (n - 1)"
    assert held_out.paired_error(0.4, 5) == pytest.approx(np.sqrt(0.4 / 5))


def test_two_paired_errors_hold_95_of_100_differences():
    rng = np.random.default_rng(0)
    images, repeats = 400, 2000
    ease = rng.normal(1, 1, (repeats, images))
    scores = [(rng.random((repeats, images)) < 1 / (1 + np.exp(-2 * ease))) for _ in range(2)]
    apart = scores[0].mean(axis=1) - scores[1].mean(axis=1)
    shares = (scores[0] != scores[1]).mean(axis=1)
    margins = np.array([held_out.smallest_difference(share, images) for share in shares])
    assert 0.94 <= (np.abs(apart) <= margins).mean() <= 0.97
    unpaired = 2 * np.sqrt(2 * 0.75 * 0.25 / images)
    assert margins.mean() < 0.8 * unpaired, "pairing by image is worth it"


def test_the_smallest_difference_and_the_labels_that_halve_it():
    assert held_out.smallest_difference(0.015, 500) == pytest.approx(0.011, abs=1e-4)
    more = held_out.labels_to_halve(500)
    ratio = held_out.smallest_difference(0.015, 500 + more) / held_out.smallest_difference(0.015, 500)
    assert ratio == pytest.approx(0.5)
    assert (more, held_out.labels_to_halve(500, 0.25)) == (1500, 6000)
    with pytest.raises(ValueError, match=r"held-out fraction.*Received: 0"):
        held_out.labels_to_halve(500, 0)


@pytest.mark.parametrize("correct", [0, 1, 17, 40])
def test_the_final_scores_interval_is_clopper_and_pearsons(correct):
    expected = stats.binomtest(correct, 40).proportion_ci(0.95, "exact")
    assert held_out.score_interval(correct, 40) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.913])
def test_the_final_scores_interval_holds_at_least_as_often_as_it_says(truth):
    for images in (20, 150):
        ends = np.array([held_out.score_interval(k, images, 0.9) for k in range(images + 1)])
        odds = stats.binom.pmf(np.arange(images + 1), images, truth)
        assert odds[(ends[:, 0] <= truth) & (truth <= ends[:, 1])].sum() >= 0.9


def test_more_correct_images_than_images_are_refused():
    with pytest.raises(ValueError, match="41 of 40"):
        held_out.score_interval(41, 40)
