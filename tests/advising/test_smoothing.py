import numpy as np
import pytest

from simulated_studies import DEPTHS, FAMILIES, outcomes
from tftransfer.advising import smoothing

ERRORS = np.eye(6) * 0.01**2


def moments(scores, errors=ERRORS, families=FAMILIES, depths=DEPTHS, freedom=50):
    weights, means, covariances = smoothing.smoothed(np.asarray(scores), errors, freedom, families, depths)
    assert weights.sum() == pytest.approx(1)
    mean = weights @ means
    return mean, np.einsum("s,sij->ij", weights, covariances) + np.einsum("s,si,sj->ij", weights, means - mean, means)


def test_scores_that_differ_less_than_errors_allow_become_alike():
    mean, covariance = moments([0.8, 0.81, 0.79, 0.8, 0.805, 0.795])
    assert np.ptp(mean) < 0.5 * 0.02
    assert covariance[4, 4] < 0.5 * ERRORS[4, 4]


def test_scores_far_apart_stay_as_measured():
    scores = np.array([0.8, 0.5, 0.7, 0.2, 0.9, 0.1])
    mean, covariance = moments(scores)
    assert mean == pytest.approx(scores - scores.mean(), abs=0.003)
    assert covariance[4, 4] == pytest.approx(ERRORS[4, 4], rel=0.25)


def test_a_neighbour_on_the_line_says_more_than_a_distant_one():
    mean = moments([0.8, 0.8, 0.83, 0.8, 0.6, 0.7])[0]
    alone = moments([0.8, 0.8, 0.83, 0.8, 0.6, 0.7], depths=None)[0]
    assert min(mean[1], mean[3]) > mean[0] + 0.0005, "neighbours of a high cut are higher"
    assert mean[2] - mean[0] < 0.9 * (alone[2] - alone[0]), "one cut above its neighbours is partly luck"


def test_lines_of_two_families_do_not_inform_each_other():
    scores, depths = np.array([0.7, 0.72, 0.8, 0.82]), np.array([0.2, 0.8, 0.2, 0.8])
    split = smoothing._priors(4, ("a", "a", "b", "b"), depths)
    assert (split[:, :2, 2:] == 0).all()
    assert (split[:, 0, 1] > 0).all()
    assert moments(scores, np.eye(4) * 1e-4, ("a", "a", "b", "b"), depths)[0].shape == (4,)


def test_the_posterior_is_the_conjugate_ones_for_one_size_of_each(monkeypatch):
    monkeypatch.setattr(smoothing, "_OFFSETS", (0.02,))
    scores, errors = np.array([0.8, 0.82, 0.75]), np.diag([1e-4, 1e-4, 4e-4])
    mean, covariance = moments(scores, errors, (), None, freedom=1e9)
    prior = np.eye(3) * 0.02**2
    # A level of its own, which anything may be.
    gain = prior @ np.linalg.inv(prior + errors + 1e3)
    expected = gain @ (scores - 0.79)
    apart = np.eye(3) - 1 / 3
    assert apart @ mean == pytest.approx(apart @ expected, abs=1e-7)
    np.testing.assert_allclose(apart @ covariance @ apart, apart @ (prior - gain @ prior) @ apart, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(("kind", "most"), [("line", 0.9), ("close", 0.7), ("jagged", 1.03)])
def test_smoothing_helps_where_truth_is_smooth_and_does_not_hurt_where_it_is_not(kind, most):
    found, plain = (outcomes(kind, 2, smooth=smooth) for smooth in (True, False))
    ratio = np.sqrt(found["squared_error"].mean() / plain["squared_error"].mean())
    assert ratio < most, f"root mean square error {ratio:.3f} of that without"
    assert found["true_regret"].mean() < plain["true_regret"].mean() + 2e-4
