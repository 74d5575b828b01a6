import math

import numpy as np
import pytest
from scipy import stats

from simulated_studies import DEPTHS, FAMILIES, NAMES, measured, table
from tftransfer.advising import confidence, held_out, paired_scores

PAIR = np.array([[0.80, 0.70, 0.90, 0.78], [0.77, 0.69, 0.86, 0.76]])


def apart(found):
    return found.draws[:, 0] - found.draws[:, 1]


@pytest.mark.parametrize("ratio", [0.0, 0.25])
def test_two_candidates_are_the_paired_t_test(ratio):
    found = confidence.posterior(table(PAIR), ratio, smooth=False, draws=200_000)
    difference = PAIR[0] - PAIR[1]
    # Nadeau and Bengio (2003): S² (1 / J + n_test / n_train).
    error = math.sqrt(difference.var(ddof=1) * (1 / 4 + ratio))
    for level in (0.05, 0.5, 0.95):
        exact = difference.mean() + error * stats.t.ppf(level, 3)
        assert np.quantile(apart(found), level) == pytest.approx(exact, abs=0.03 * error)
    assert found.freedom == 3
    assert found.spread == pytest.approx(difference.std(ddof=1) / math.sqrt(2))
    assert found.mean[0] - found.mean[1] == pytest.approx(difference.mean(), abs=0.02 * error)


def test_the_pool_has_the_degrees_of_freedom_of_a_two_way_table():
    top1 = measured(np.full(6, 0.8), 4, np.random.default_rng(0))
    found = confidence.posterior(table(top1), 0, smooth=False)
    residuals = top1 - top1.mean(axis=0) - top1.mean(axis=1, keepdims=True) + top1.mean()
    assert found.freedom <= 15
    assert found.spread == pytest.approx(math.sqrt((residuals**2).sum() / 15))
    assert found.mean.mean() == pytest.approx(top1.mean(), abs=1e-4)


def test_pairing_by_fold_removes_the_difficulty_of_folds():
    """Weak candidates were only scored in the easy fold; folds differ by 20 points, errors are a tenth of one."""
    rng = np.random.default_rng(0)
    truth = np.array([0.75, 0.74, 0.73, 0.70, 0.69, 0.68])
    top1 = truth[:, None] + np.array([0.2, 0.0, -0.2]) + rng.normal(0, 0.001, (6, 3))
    top1[3:, 1:] = np.nan
    assert np.nanmean(top1, axis=1).argmax() >= 3, "the plain mean falls for it"
    for smooth in (True, False):
        found = confidence.posterior(table(top1), 0, smooth=smooth)
        assert found.mean - found.mean.mean() == pytest.approx(truth - truth.mean(), abs=0.003)
        assert found.draws.argmax(axis=1).tolist().count(0) > 0.95 * len(found.draws)
    assert found.freedom == 4
    shuffled = top1.copy()
    shuffled[1, :3] = top1[1, [1, 2, 0]]
    assert confidence.posterior(table(shuffled), 0).spread > 20 * found.spread, "scores of other folds are no pairs"


def test_seeds_of_one_fold_are_one_number():
    """Four seeds in each of two folds say no more of its images than one: folds are counted, not trainings."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0.8, 0.01, 6)
    fold = rng.normal(0, 0.02, (6, 2, 1))
    scores = paired_scores.PairedScores(NAMES, truth[:, None, None] + fold + rng.normal(0, 1e-4, (6, 2, 4)))
    found = confidence.posterior(scores, 0, smooth=False)
    means = confidence.posterior(table(scores.top1.mean(axis=2)), 0, smooth=False)
    assert found.freedom == means.freedom == 5
    assert found.mean == pytest.approx(means.mean)
    assert found.draws.std(axis=0) == pytest.approx(means.draws.std(axis=0), rel=0.1)


def test_one_fold_is_widened_by_its_images():
    rng = np.random.default_rng(0)
    correct = rng.random((2, 200)) < 0.8
    scores = paired_scores.PairedScores(("a", "b"), 0.8 + rng.normal(0, 0.002, (2, 1, 40)))
    images = held_out.image_covariance(correct)
    wide = apart(confidence.posterior(scores, 0, images, smooth=False, draws=50_000)).var()
    narrow = apart(confidence.posterior(scores, 0, None, smooth=False, draws=50_000)).var()
    added = images[0, 0] + images[1, 1] - 2 * images[0, 1]
    assert wide == pytest.approx(narrow + added * 39 / 37, rel=0.03)


def test_scores_that_agree_by_luck_are_as_uncertain_as_their_images():
    top1 = np.array([[0.80, 0.70], [0.79, 0.6901], [0.78, 0.68]])
    images = np.eye(3) * 0.02**2
    assert confidence.posterior(table(top1), 0, images).spread == pytest.approx(0.02)
    assert confidence.posterior(table(top1), 0).spread < 1e-3


def test_without_repeats_a_guess_stands_for_the_spread():
    found = confidence.posterior(table(PAIR[:, :1]), 0, smooth=False, draws=100_000)
    assert (found.freedom, found.spread) == (0, confidence.SPREAD)
    high = PAIR[0, 0] - PAIR[1, 0] + confidence.SPREAD * math.sqrt(2) * stats.t.ppf(0.9, confidence.SPREAD_FREEDOM)
    assert np.quantile(apart(found), 0.9) == pytest.approx(high, rel=0.02)
    equal = np.repeat(PAIR[:, :1], 3, axis=1)
    assert confidence.posterior(table(equal), 0).spread == confidence.SPREAD, "no spread is not known to be none"


def test_a_noisy_candidate_has_a_wider_posterior_where_folds_show_it():
    rng = np.random.default_rng(0)
    noise = np.array([0.002] * 5 + [0.03])
    top1 = 0.8 + rng.normal(0, 0.02, 8) + noise[:, None] * rng.normal(size=(6, 8))
    spread = confidence.posterior(table(top1), 0, smooth=False).draws.std(axis=0)
    assert spread[5] > 2 * spread[:5].max()


def test_variances_are_shrunk_as_smyth_does():
    rng = np.random.default_rng(0)
    for prior in (4.0, 12.0):
        true = prior / rng.chisquare(prior, 20_000)
        found = confidence._prior_freedom(true * rng.chisquare(5, 20_000) / 5, np.full(20_000, 5.0))
        assert found == pytest.approx(prior, rel=0.1)
    assert confidence._prior_freedom(rng.chisquare(5, 4) / 5, np.full(4, 1.0)) == math.inf
    assert confidence._inverse_trigamma(math.pi**2 / 6) == pytest.approx(1)


def test_equal_arguments_give_equal_draws():
    scores = paired_scores.PairedScores(NAMES, measured(np.full(6, 0.8), 3, np.random.default_rng(0))[..., None],
                                        FAMILIES, DEPTHS)  # fmt: skip
    first, second, other = (confidence.posterior(scores, 0.25, seed=seed).draws for seed in (0, 0, 1))
    assert (first == second).all()
    assert (first != other).any()
    assert first.shape == (confidence.DRAWS, 6)


def test_candidates_that_share_no_fold_and_seed_are_refused():
    top1 = np.array([[0.8, 0.7, np.nan], [np.nan, np.nan, 0.5], [0.7, np.nan, np.nan]])
    with pytest.raises(ValueError, match="Not connected: keep 2"):
        confidence.posterior(table(top1), 0)
    top1[1] = np.nan
    with pytest.raises(ValueError, match="Not connected: keep 2"):
        confidence.posterior(table(top1), 0)


@pytest.mark.parametrize(("folds", "own"), [(2, 0.0), (3, 0.0), (6, 0.0), (6, 0.5)])
def test_intervals_of_a_given_pair_hold_as_often_as_they_say(folds, own):
    rng = np.random.default_rng(folds)
    truth = np.linspace(0.75, 0.8, 6)
    held = 0
    for i in range(1000):
        found = confidence.posterior(table(measured(truth, folds, rng, own)), 0, smooth=False, draws=400, seed=i)
        low, high = np.quantile(apart(found), (0.05, 0.95))
        held += low <= truth[0] - truth[1] <= high
    # Own variances, shrunk, are approximate; 3 standard errors of a share of .9 in 1,000 are .028.
    assert 900 - 28 <= held <= 900 + (28 if not own else 60)


def resampled(folds, images, held, studies, rng):
    """Returns scores `(studies, 2, folds)` of two classifiers trained on folds of the same images, and the truth.

    Images are numbers around ±1; one classifier cuts at the mean of its training images, the other at that of the
    first ten. The truth is the mean, over all training sets, of the accuracy on the whole population.
    """
    label = rng.random((studies, images)) < 0.5
    value = np.where(label, 1.0, -1.0) + rng.normal(size=(studies, images))
    scores, true = np.empty((studies, 2, folds)), np.empty((studies, 2, folds))
    for fold in range(folds):
        order = rng.random((studies, images)).argsort(axis=1)
        train, test = order[:, held:], order[:, :held]
        of_test = np.take_along_axis(value, test, 1), np.take_along_axis(label, test, 1)
        for i, size in enumerate((images - held, 10)):
            cut = np.take_along_axis(value, train[:, :size], 1).mean(axis=1, keepdims=True)
            scores[:, i, fold] = ((of_test[0] > cut) == of_test[1]).mean(axis=1)
            true[:, i, fold] = (stats.norm.cdf(1 - cut) + stats.norm.cdf(1 + cut))[:, 0] / 2
    return scores, true.mean(axis=(0, 2))


def test_resampled_folds_need_nadeau_and_bengios_correction():
    scores, truth = resampled(folds=10, images=100, held=30, studies=1000, rng=np.random.default_rng(0))
    held = {0.0: 0, 30 / 70: 0}
    for i, top1 in enumerate(scores):
        for ratio in held:
            draws = apart(confidence.posterior(table(top1), ratio, smooth=False, draws=300, seed=i))
            low, high = np.quantile(draws, (0.05, 0.95))
            held[ratio] += low <= truth[0] - truth[1] <= high
    assert held[30 / 70] >= 900 - 28
    assert held[0.0] < 900 - 56, "without it, intervals of resampled folds miss"
