import inspect
import itertools
import string
import tracemalloc

import numpy as np
import pytest
from scipy import optimize, stats

from tftransfer import scores

OF_LABELS = (scores.knn, scores.ridge_probe, scores.logme, scores.h_score, scores.gbc, scores.transrate)
HELD_OUT = (scores.knn, scores.ridge_probe)


def made(images=60, features=8, classes=3, apart=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    means = apart * rng.normal(size=(classes, features))
    return means[labels] + rng.normal(size=(images, features)) + 0.5, labels


def rotation(features, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(features, features)))[0]


# Nearest neighbours.


def nearest(features, labels, test, truth, k, leave_one_out):
    """Top-1 accuracy by loops."""
    right = 0
    for number, image in enumerate(test):
        found = []
        for other, (row, label) in enumerate(zip(features, labels, strict=True)):
            if not (leave_one_out and other == number):
                found.append((row @ image / np.linalg.norm(row) / np.linalg.norm(image), label))
        votes = {}
        for cosine, label in sorted(found, key=lambda pair: -pair[0])[:k]:
            count, total = votes.get(label, (0, 0.0))
            votes[label] = (count + 1, total + cosine)
        right += max(votes, key=votes.get) == truth[number]
    return right / len(test)


@pytest.mark.parametrize("k", [1, 2, 5, 59])
def test_neighbours_are_those_of_a_loop(k):
    features, labels = made(apart=0.7)
    assert scores.knn(features, labels, k=k) == nearest(features, labels, features, labels, k, True)
    test, truth = made(images=40, apart=0.7, seed=3)
    assert scores.knn(features, labels, test, truth, k=k) == nearest(features, labels, test, truth, k, False)


def test_neighbours_are_the_same_in_blocks_of_rows(monkeypatch):
    features, labels = made(images=61, apart=0.7)
    whole = scores.knn(features, labels), scores.knn(features, labels, features[:20], labels[:20])
    monkeypatch.setattr(scores, "_BLOCK", 150)
    assert (scores.knn(features, labels), scores.knn(features, labels, features[:20], labels[:20])) == whole


def test_neighbours_take_bounded_memory():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(6000, 4)), rng.integers(0, 5, 6000)
    tracemalloc.start()
    scores.knn(features, labels)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 200 * 2**20 < 6000 * 6000 * 8


def test_the_larger_similarity_decides_equal_votes_and_the_first_images_equal_similarities():
    angles = np.radians([0, 10, 35])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert scores.knn(features, [2, 1, 1], [[1, 0.02]], [2], k=2) == 1
    assert scores.knn(features, [1, 2, 1], [[1, 0.02]], [1], k=2) == 1
    # All are equally near, so that the first three vote.
    assert scores.knn(np.ones((5, 2)), [1, 1, 0, 0, 0], [[2, 2]], [1], k=3) == 1
    assert scores.knn(np.ones((5, 2)), [0, 0, 1, 1, 1], [[2, 2]], [0], k=3) == 1


def test_cosines_ignore_the_length_of_each_image_and_rotations():
    features, labels = made(apart=0.7)
    lengths = np.random.default_rng(2).uniform(0.01, 100, (60, 1))
    assert scores.knn(lengths * features @ rotation(8), labels) == scores.knn(features, labels)
    assert scores.knn(1e-200 * features, labels) == scores.knn(1e200 * features, labels) == scores.knn(features, labels)


# Ridge.


def ridge_fit(features, targets, penalty):
    """Weights and intercept of ridge regression, by its normal equations."""
    mean, centre = features.mean(axis=0), targets.mean(axis=0)
    centred = features - mean
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(features.shape[1]), centred.T @ (targets - centre))
    return weights, centre - mean @ weights


def ridge_by_refitting(features, labels):
    """Penalty, squared error and leave-one-out predictions, each image's by a fit to all others."""
    targets = np.eye(labels.max() + 1)[labels]
    values = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    found = []
    for penalty in np.logspace(-6, 3, 28) * values[values > 1e-12 * values[0]].mean():
        predicted = []
        for number in range(len(features)):
            others = np.delete(np.arange(len(features)), number)
            weights, intercept = ridge_fit(features[others], targets[others], penalty)
            predicted.append(features[number] @ weights + intercept)
        found.append((((np.array(predicted) - targets) ** 2).sum(), penalty, np.array(predicted)))
    return min(found, key=lambda fit: fit[0])


@pytest.mark.parametrize(("images", "features"), [(40, 6), (20, 30)])
@pytest.mark.parametrize("apart", [0.3, 1.0])
def test_leaving_one_out_is_refitting_without_it(images, features, apart):
    x, labels = made(images=images, features=features, apart=apart)
    _, _, predicted = ridge_by_refitting(x, labels)
    assert scores.ridge_probe(x, labels) == (predicted.argmax(axis=1) == labels).mean()
    left, squares = scores._decomposition(scores._centred(x))
    targets = np.eye(3)[labels]
    penalty, of_closed_form = scores._ridge(left, squares, targets - targets.mean(axis=0))
    np.testing.assert_allclose(of_closed_form + targets.mean(axis=0), predicted, atol=1e-8)
    assert penalty == pytest.approx(ridge_by_refitting(x, labels)[1])


@pytest.mark.parametrize(("images", "features"), [(40, 6), (20, 30)])
def test_test_images_are_classified_by_all_others(images, features):
    x, labels = made(images=images, features=features, apart=0.6)
    test, truth = made(images=300, features=features, apart=0.6)
    test = test + np.random.default_rng(5).normal(size=test.shape)
    weights, intercept = ridge_fit(x, np.eye(3)[labels], ridge_by_refitting(x, labels)[1])
    expected = ((test @ weights + intercept).argmax(axis=1) == truth).mean()
    assert 0.4 < expected < 0.99
    assert scores.ridge_probe(x, labels, test, truth) == expected


def test_the_probe_ignores_shift_scale_and_rotation():
    x, labels = made(images=90, apart=0.5)
    test, truth = made(images=90, apart=0.5, seed=0)
    test = test[::-1] + 0.3
    truth = truth[::-1]
    moved, moved_test = (1e3 * values @ rotation(8) + 7 for values in (x, test))
    assert scores.ridge_probe(moved, labels) == scores.ridge_probe(x, labels)
    assert scores.ridge_probe(moved, labels, moved_test, truth) == scores.ridge_probe(x, labels, test, truth)


def test_unequal_classes_keep_their_intercepts():
    # Features that say nothing: the most frequent class is the best answer.
    x = np.random.default_rng(0).normal(size=(100, 2))
    labels = (np.arange(100) < 20).astype(int)
    assert scores.ridge_probe(x, labels) == pytest.approx(0.8, abs=0.03)
    assert scores.ridge_probe(np.ones((100, 2)), labels) == 0.8


# LogME.


def largest_evidence(features, target, start):
    """The maximum of the log evidence over both precisions, by its definition and a general optimiser."""

    def loss(logarithms):
        alpha, beta = np.exp(np.clip(logarithms, -30, 30))
        covariance = np.eye(len(target)) / beta + features @ features.T / alpha
        return -stats.multivariate_normal.logpdf(target, np.zeros(len(target)), covariance)

    found = [
        optimize.minimize(loss, (first, second), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10})
        for first in start
        for second in (0.0, 3.0)
    ]
    return -min(result.fun for result in found)


@pytest.mark.parametrize(("images", "features"), [(30, 4), (18, 25)])
@pytest.mark.parametrize("apart", [0.3, 1.5])
def test_logme_is_the_largest_evidence(images, features, apart):
    x, labels = made(images=images, features=features, apart=apart)
    expected = [largest_evidence(x, (labels == c).astype(float), (0.0, 4.0, 8.0)) / images for c in range(3)]
    assert scores.logme(x, labels) == pytest.approx(np.mean(expected), abs=1e-7)


def test_logme_is_the_higher_of_two_maxima():
    # Large features explain some of the classes, small ones more: two ratios are nearly equally good.
    rng, labels = np.random.default_rng(362), np.arange(24) % 2
    x = np.maximum(rng.normal(size=(24, 40)) + 0.5 * rng.normal(size=(2, 40))[labels], 0) * np.logspace(0, -3, 40)
    expected, maxima = [], []
    for target in (labels == 0, labels == 1):
        found = []
        for ratio in np.logspace(-6, 4, 1001):
            covariance = np.eye(24) + x @ x.T / ratio
            noise = target @ np.linalg.solve(covariance, target.astype(float)) / 24
            found.append(-0.5 * (np.log(2 * np.pi * noise) + 1 + np.linalg.slogdet(covariance)[1] / 24))
        expected.append(max(found))
        maxima.append(sum(a < b > c for a, b, c in zip(found, found[1:], found[2:], strict=False)))
    assert 2 in maxima
    assert scores.logme(x, labels) == pytest.approx(np.mean(expected), abs=1e-5)


def test_logme_ignores_scale_and_rotation_but_not_a_shift():
    x, labels = made()
    assert scores.logme(1e4 * x @ rotation(8), labels) == pytest.approx(scores.logme(x, labels), rel=1e-9)
    assert scores.logme(1e-4 * x, labels) == pytest.approx(scores.logme(x, labels), rel=1e-9)
    assert scores.logme(x + 3, labels) != pytest.approx(scores.logme(x, labels), rel=1e-4)


def test_logme_of_features_that_explain_all_or_nothing_is_finite():
    labels = np.arange(30) % 3
    perfect = scores.logme(np.eye(3)[labels], labels)
    assert np.isfinite(perfect)
    assert perfect > scores.logme(*made(images=30)) + 1
    # Without features the indicators are noise about 0, of variance 1 / 3.
    nothing = -0.5 * (np.log(2 * np.pi / 3) + 1)
    assert scores.logme(np.zeros((30, 4)), labels) == pytest.approx(nothing)


# H-score.


def h_score_by_definition(x, labels, shrinkage):
    covariance = np.cov(x, rowvar=False, bias=True)
    means = np.stack([x[labels == label].mean(axis=0) for label in labels])
    between = np.cov(means, rowvar=False, bias=True)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / x.shape[1] * np.eye(x.shape[1])
    return np.trace(np.linalg.pinv(shrunk, rcond=1e-12) @ ((1 - shrinkage) * between))


def ledoit_wolf_by_definition(x):
    centred = x - x.mean(axis=0)
    covariance = centred.T @ centred / len(x)
    target = np.trace(covariance) / x.shape[1] * np.eye(x.shape[1])
    error = sum(np.sum((np.outer(row, row) - covariance) ** 2) for row in centred) / len(x) ** 2
    distance = np.sum((covariance - target) ** 2)
    return min(error, distance) / distance


@pytest.mark.parametrize(("images", "features"), [(60, 8), (20, 35)])
@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_the_h_score_is_that_of_its_definition(images, features, shrinkage):
    x, labels = made(images=images, features=features)
    expected = h_score_by_definition(x, labels, shrinkage)
    assert scores.h_score(x, labels, shrinkage=shrinkage) == pytest.approx(expected)


@pytest.mark.parametrize(("images", "features"), [(60, 8), (20, 35)])
def test_shrinkage_is_ledoit_and_wolfs(images, features):
    x, labels = made(images=images, features=features)
    x = x * np.linspace(0.5, 2, features)
    amount = ledoit_wolf_by_definition(x)
    assert 0 < amount < 1
    assert scores.h_score(x, labels) == pytest.approx(h_score_by_definition(x, labels, amount))


def test_the_plain_h_score_ignores_invertible_maps_and_the_shrunk_one_scale_and_rotation():
    x, labels = made()
    linear = np.random.default_rng(1).normal(size=(8, 8))
    assert scores.h_score(x @ linear + 3, labels, shrinkage=0) == pytest.approx(scores.h_score(x, labels, shrinkage=0))
    assert scores.h_score(50 * x @ rotation(8) + 3, labels) == pytest.approx(scores.h_score(x, labels))
    assert scores.h_score(x @ linear, labels) != pytest.approx(scores.h_score(x, labels), rel=1e-3)


def test_the_h_score_is_from_none_to_one_less_than_the_classes():
    labels = np.arange(40) % 4
    assert scores.h_score(np.eye(4)[labels], labels, shrinkage=0) == pytest.approx(3)
    # As many directions as images: nothing but their number.
    noise = np.random.default_rng(0).normal(size=(40, 100))
    assert scores.h_score(noise, labels, shrinkage=0) == pytest.approx(3)
    assert scores.h_score(noise, labels) < 1
    assert scores.h_score(np.tile([[1.0], [-1.0]], (4, 1)), [0, 0, 1, 1, 0, 0, 1, 1]) == pytest.approx(0)


# The Bhattacharyya coefficient.


def coefficient(first, second, spherical):
    """The integral of the root of two Gaussians' densities, by its closed form with full matrices."""
    covariances = []
    for rows in (first, second):
        variances = rows.var(axis=0)
        covariances.append(np.diag(np.full_like(variances, variances.mean()) if spherical else variances))
    average = (covariances[0] + covariances[1]) / 2
    apart = first.mean(axis=0) - second.mean(axis=0)
    dets = [np.linalg.det(matrix) for matrix in (*covariances, average)]
    distance = apart @ np.linalg.inv(average) @ apart / 8 + 0.5 * np.log(dets[2] / np.sqrt(dets[0] * dets[1]))
    return np.exp(-distance)


def test_the_coefficient_of_two_gaussians_is_the_integral_over_their_densities():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 20), rng.normal(1, 2, 30)])[:, None]
    labels = np.repeat([0, 1], [20, 30])
    grid = np.linspace(-40, 40, 200_001)
    densities = [stats.norm.pdf(grid, x[labels == c].mean(), x[labels == c].std()) for c in (0, 1)]
    integral = np.sqrt(densities[0] * densities[1]).sum() * (grid[1] - grid[0])
    assert scores.gbc(x, labels) == pytest.approx(-2 * integral)


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("components", [3, 64])
def test_gbc_is_the_sum_over_ordered_pairs_of_classes(spherical, components):
    x, labels = made(classes=4, apart=0.6)
    x = x * np.linspace(0.5, 1.5, 8)
    axes = np.linalg.svd(x - x.mean(axis=0))[2][:components]
    reduced = (x - x.mean(axis=0)) @ axes.T
    groups = [reduced[labels == c] for c in range(4)]
    expected = -sum(coefficient(a, b, spherical) for a, b in itertools.permutations(groups, 2))
    assert -12 < expected < -0.01
    assert scores.gbc(x, labels, components=components, spherical=spherical) == pytest.approx(expected)


@pytest.mark.parametrize("spherical", [True, False])
def test_gbc_ignores_shift_scale_and_rotation(spherical):
    x, labels = made(apart=0.3)
    expected = scores.gbc(x, labels, spherical=spherical)
    assert scores.gbc(1e-3 * x @ rotation(8) + 5, labels, spherical=spherical) == pytest.approx(expected)


def test_gbc_of_classes_without_variance_is_its_bounds():
    labels = np.arange(12) % 3
    assert scores.gbc(np.eye(3)[labels], labels) == pytest.approx(0)
    assert scores.gbc(np.eye(3)[labels], labels, spherical=False) == pytest.approx(0)
    alike = np.repeat([[0.0], [1.0]], 6, axis=0)
    assert scores.gbc(alike, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]) == pytest.approx(-6)


# TransRate.


@pytest.mark.parametrize(("images", "features"), [(60, 8), (20, 35)])
def test_transrate_is_that_of_its_definition(images, features):
    x, labels = made(images=images, features=features)
    labels[:4] = 0  # unequal classes
    centred, rates = x - x.mean(axis=0), []
    for rows in (centred, *(centred[labels == c] for c in range(3))):
        matrix = np.eye(features) + sum(np.outer(row, row) for row in rows) / (len(rows) * 0.01)
        rates.append(0.5 * np.log(np.linalg.eigvalsh(matrix)).sum())
    expected = rates[0] - sum(np.mean(labels == c) * rates[1 + c] for c in range(3))
    assert scores.transrate(x, labels, epsilon=0.01) == pytest.approx(expected)
    variance = x.var(axis=0).sum()
    assert scores.transrate(x, labels, epsilon=0.01, scaled=True) == pytest.approx(
        scores.transrate(x, labels, epsilon=0.01 * variance)
    )


def test_transrate_ignores_shift_and_rotation_and_if_scaled_scale():
    x, labels = made()
    assert scores.transrate(x @ rotation(8) + 5, labels) == pytest.approx(scores.transrate(x, labels))
    assert scores.transrate(10 * x, labels, epsilon=1) > scores.transrate(x, labels, epsilon=1) + 0.1
    assert scores.transrate(10 * x, labels, scaled=True) == pytest.approx(scores.transrate(x, labels, scaled=True))


def test_transrate_of_classes_with_the_same_features_is_none():
    x = np.random.default_rng(0).normal(size=(20, 5))
    assert scores.transrate(np.concatenate([x, x]), np.repeat([0, 1], 20)) == pytest.approx(0, abs=1e-9)


# Relative gradient norm.


def test_norms_are_those_of_all_arrays_of_a_block_together():
    gradient, weights = [np.full((2, 2), 3.0), np.array([8.0])], [np.full((2, 2), 1.0), np.array([0.0])]
    assert scores.relative_gradient_norm(gradient, weights) == pytest.approx(10 / 2)
    assert scores.relative_gradient_norm(gradient[0], weights[0]) == pytest.approx(3)
    halves = [array.astype(np.float16) for array in gradient], [array.astype(np.float16) for array in weights]
    assert scores.relative_gradient_norm(*halves) == pytest.approx(5)
    large = np.full(10, 60_000, np.float16)
    assert scores.relative_gradient_norm(large, large) == pytest.approx(1)


@pytest.mark.parametrize(
    ("gradient", "weights", "message"),
    [
        ([1.0, 2.0], [np.ones(2)], r"same shapes. Received: \[\(\), \(\)\] and \[\(2,\)\]"),
        (np.ones((2, 3)), np.ones((3, 2)), "same shapes"),
        (np.ones(2), np.zeros(2), "weights other than 0"),
        (np.array([1, np.nan]), np.ones(2), "`gradient` must be finite. Received: 1 of 2"),
        (np.ones(2), np.array([np.inf, 1]), "`weights` must be finite"),
        ([], [], "`gradient` must have one value or more"),
    ],
)
def test_bad_gradients_are_refused(gradient, weights, message):
    with pytest.raises(ValueError, match=message):
        scores.relative_gradient_norm(gradient, weights)


# CKA; the estimate itself is tested in test_similarity.py.


def test_cka_is_the_ratio_of_the_definitions():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 5))

    def hsic(first, second):
        # Song et al. 2012, eq. 5, as it is written.
        n, ones = len(first), np.ones(len(first))
        kernels = [rows @ rows.T for rows in (first, second)]
        k, m = (kernel - np.diag(np.diag(kernel)) for kernel in kernels)
        middle = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + middle - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3))

    assert scores.cka(x, y) == pytest.approx(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)))


def test_cka_ignores_shift_scale_and_rotation_and_takes_feature_maps():
    x = np.random.default_rng(0).normal(size=(30, 2, 2, 2))
    assert scores.cka(x, 0.1 * x.reshape(30, 8) @ rotation(8) + 3) == pytest.approx(1)
    assert np.isnan(scores.cka(x, np.full((30, 4), 0.1)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 2)), "4 or more"),
        (np.ones((5, 2)), np.ones((6, 2)), "5 and 6"),
        (np.ones(5), np.ones((5, 2)), r"`x` must have the shape \(images, features\). Received: shape \(5,\)"),
        (np.ones((5, 2)), np.full((5, 2), np.nan), "`y` must be finite"),
    ],
)
def test_bad_sides_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        scores.cka(x, y)


# All scores.


def test_all_scores_are_tested_and_documented():
    public = {name for name, value in vars(scores).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert public == {score.__name__ for score in OF_LABELS} | {"relative_gradient_norm", "cka"}
    for name in public:
        text = getattr(scores, name).__doc__
        assert all(part in text for part in ("Cost: O(", "Known failure", "Args:", "Returns:", "Raises:")), name
        assert "higher" in text, name


@pytest.mark.parametrize("score", OF_LABELS)
def test_classes_that_are_further_apart_score_higher(score):
    values = [score(*made(images=150, apart=apart)) for apart in (0, 0.4, 1.0)]
    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.parametrize("score", OF_LABELS)
def test_labels_are_names_only(score):
    x, labels = made(classes=4, apart=0.5)
    expected = score(x, labels)
    letters = np.array(list(string.ascii_letters))
    for others in (
        labels.astype(np.uint8),
        labels * 1000 - 5,
        labels.tolist(),
        letters[labels],
        letters[labels].tolist(),
        letters[labels].astype(object),
        letters[labels].astype(np.dtypes.StringDType()),
    ):
        assert score(x, others) == expected


@pytest.mark.parametrize("score", OF_LABELS)
def test_the_order_of_images_and_features_changes_nothing(score):
    x, labels = made(apart=0.5)
    order = np.random.default_rng(4).permutation(60)
    assert score(x[order][:, ::-1], labels[order]) == pytest.approx(score(x, labels), rel=1e-9)


@pytest.mark.parametrize("score", OF_LABELS)
def test_float32_and_lists_score_as_float64_and_inputs_stay_as_they_are(score):
    x, labels = made(apart=0.5)
    single = x.astype(np.float32)
    before = single.copy()
    assert score(single, labels) == score(single.astype(np.float64), labels) == score(single.tolist(), labels)
    assert score(single, labels) == pytest.approx(score(x, labels), rel=1e-4)
    np.testing.assert_array_equal(single, before)
    assert type(score(single, labels)) is float


@pytest.mark.parametrize("score", OF_LABELS)
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constant_features_add_nothing_that_is_no_number(score, value):
    x, labels = made(apart=0.5)
    more = np.concatenate([x, np.full((60, 3), value)], axis=1)
    assert np.isfinite(score(more, labels))
    # Cosines and LogME's model without intercept see constants; H-score's shrinkage counts features.
    plain = {"h_score": {"shrinkage": 0}}.get(score.__name__, {})
    if value == 0 or score not in (scores.knn, scores.logme):
        assert score(more, labels, **plain) == pytest.approx(score(x, labels, **plain))


@pytest.mark.parametrize(
    ("score", "expected"), [(scores.h_score, 0), (scores.gbc, -6), (scores.transrate, 0), (scores.ridge_probe, 0)]
)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
def test_features_that_are_all_constant_tell_nothing(score, expected, value):
    # Leaving one out of equal classes makes its class the smallest, so that the probe is always wrong.
    assert score(np.full((60, 4), value), np.arange(60) % 3) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_neighbours_and_evidence_of_constant_features_are_numbers(value):
    constant, labels = np.full((60, 4), value), np.arange(60) % 3
    assert 0 <= scores.knn(constant, labels) <= 1
    assert np.isfinite(scores.logme(constant, labels))


@pytest.mark.parametrize("score", OF_LABELS)
def test_a_class_with_one_image_is_refused_only_where_it_has_no_score(score):
    x, labels = made()
    labels[0] = 9
    if score is scores.gbc:
        with pytest.raises(ValueError, match=r"2 images or more.*Received: 1 of class 9\. Leave"):
            score(x, labels)
    else:
        assert np.isfinite(score(x, labels))


@pytest.mark.parametrize("score", OF_LABELS)
@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.ones(4), [0, 1, 0, 1], r"`features` must have the shape \(images, features\).*Received: shape \(4,\)"),
        (np.ones((4, 2, 2, 3)), [0, 1, 0, 1], "Pool feature maps first"),
        (np.ones((0, 3)), [], r"none of them 0. Received: shape \(0, 3\)"),
        (np.ones((4, 0)), [0, 1, 0, 1], r"none of them 0. Received: shape \(4, 0\)"),
        (np.ones((4, 2)), [0, 1, 0], r"`labels` must have the shape \(4,\), .*Received: shape \(3,\)"),
        (np.ones((4, 2)), [[0], [1], [0], [1]], r"Received: shape \(4, 1\)"),
        (np.ones((4, 2)), [0, 0, 0, 0], "two classes or more.*Received: 1 class, 0, of 4 images"),
        (np.ones((4, 2)), ["cat"] * 4, "Received: 1 class, 'cat'"),
        (np.ones((4, 2)), [0.0, 1.0, 0.0, 1.0], "`labels` must be integers or strings. Received: float64"),
        (np.ones((4, 2)), np.array([0, "a", 1, "b"], object), "integers or strings. Received: object"),
        ([[1, np.nan], [0, 1]], [0, 1], "`features` must be finite. Received: 1 of 4 values"),
        ([[1, np.inf], [-np.inf, 1]], [0, 1], "Received: 2 of 4 values"),
        (np.ones((4, 2), complex), [0, 1, 0, 1], "real numbers. Received: complex128"),
        ([["a", "b"], ["c", "d"]], [0, 1], "real numbers. Received: <U1"),
        ([[1, 2], [3]], [0, 1], "`features` must be an array of real numbers"),
    ],
)
def test_bad_images_are_refused(score, features, labels, message):
    with pytest.raises(ValueError, match=message):
        score(features, labels)


@pytest.mark.parametrize("score", HELD_OUT)
@pytest.mark.parametrize(
    ("test_features", "test_labels", "message"),
    [
        (np.ones((2, 8)), None, "both `test_features` and `test_labels`.*no `test_labels`"),
        (None, [0, 1], "no `test_features`"),
        (np.ones((2, 7)), [0, 1], r"must have the 8 features of `features`. Received: shape \(2, 7\)"),
        (np.ones((2, 8)), [0, 7], "classes that `labels` has. Received: 7"),
        (np.ones((2, 8)), ["a", "b"], "classes that `labels` has. Received: 'a'"),
        (np.full((2, 8), np.nan), [0, 1], "`test_features` must be finite"),
        (np.ones((2, 8)), [0, 1, 1], r"`test_labels` must have the shape \(2,\)"),
    ],
)
def test_bad_test_images_are_refused(score, test_features, test_labels, message):
    with pytest.raises(ValueError, match=message):
        score(*made(), test_features, test_labels)


@pytest.mark.parametrize("score", HELD_OUT)
def test_test_images_may_lack_classes_and_have_labels_of_another_type(score):
    x, labels = made(apart=3)
    one = labels == 1
    assert score(x, labels, x[one], labels[one].astype(np.uint8)) == 1
    names = np.array(["cat", "dog", "a long name"])
    assert score(x, names[labels], x[one], names[labels][one].tolist()) == 1


@pytest.mark.parametrize(
    ("score", "options", "message"),
    [
        (scores.knn, {"k": 0}, "from 1 to 59, the images that can vote. Received: k=0"),
        (scores.knn, {"k": 60}, "from 1 to 59"),
        (scores.knn, {"k": 2.0}, "Received: k=2.0"),
        (scores.knn, {"k": True}, "Received: k=True"),
        (scores.knn, {"k": 61, "test_features": np.ones((1, 8)), "test_labels": [0]}, "from 1 to 60"),
        (scores.h_score, {"shrinkage": 1.5}, "from 0 to 1.*Received: 1.5"),
        (scores.h_score, {"shrinkage": float("nan")}, "Received: nan"),
        (scores.gbc, {"components": 0}, "integer of 1 or more. Received: 0"),
        (scores.gbc, {"components": 2.5}, "Received: 2.5"),
        (scores.transrate, {"epsilon": 0}, "above 0. Received: 0"),
        (scores.transrate, {"epsilon": float("inf")}, "Received: inf"),
    ],
)
def test_bad_options_are_refused(score, options, message):
    with pytest.raises(ValueError, match=message):
        score(*made(), **options)


def test_types_that_numpy_does_not_know_are_numbers():
    ml_dtypes = pytest.importorskip("ml_dtypes")  # TensorFlow's
    x, labels = made()
    x = x.astype(ml_dtypes.bfloat16)
    assert scores.h_score(x, labels) == scores.h_score(x.astype(np.float64), labels)
