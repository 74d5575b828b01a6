"""Cheap scores of how well pooled features will transfer, from arrays alone: no training, no TensorFlow.

Features are a network's pooled output at one block, one row per image of the target; labels are the target's classes.
None of these scores chooses reliably between networks: of 23 none did over 42,000 runs (arXiv 2503.18528). They are to
be read beside what was measured.

    scores.knn(features, labels, k=5)
    scores.ridge_probe(features, labels, test_features, test_labels)

All functions are deterministic and compute in float64. Order of cost: n images, d features, c classes, and
m = min(n, d).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tftransfer import similarity

# Similarities that are held at once: 32 MiB, and with what is computed of them some 130 MiB.
_BLOCK = 2**22
# Ridge penalties over the mean squared singular value of the features.
_PENALTIES = np.logspace(-6, 3, 28)
# LogME's precision of weights over that of noise, over the largest squared singular value.
_RATIOS = np.logspace(-10, 6, 33)
# Steps of golden-section search, each of which leaves this fraction of an interval: of two half decades, 1e-6.
_GOLDEN, _GOLDEN_STEPS = (np.sqrt(5) - 1) / 2, 30
# A class's variance counts as this fraction of the whole one at least, so that classes of equal images have a density.
_LEAST_VARIANCE = 1e-12


def knn(
    features: ArrayLike,
    labels: ArrayLike,
    test_features: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    k: int = 5,
) -> float:
    """Returns the top-1 accuracy of k-nearest neighbours by cosine similarity.

    Cosine is what nearest neighbours of deep features are commonly judged by (Wu et al. 2018, arXiv 1805.01978; Caron
    et al. 2021, arXiv 2104.14294). Each of the k neighbours has one vote; of classes with equal votes the one with the
    larger sum of similarities wins, then the first in sorted order. Of images that are equally near, the first count.

    Cost: O(n^2 d), or O(n t d) for t test images; similarities are computed in blocks of rows, some 130 MiB.

    Known failures: It ignores how many features carry the classes, so that a few large features that say nothing hide
    the others. Near-duplicates of an image flatter the leave-one-out accuracy. A class with one image is never
    recognised there, and features that tell nothing score below chance where classes are equally large. Classes with
    fewer than k / 2 images are outvoted.

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings.
        test_features: `(t, d)` images to classify; without them each image is classified by the others (leave-one-out).
        test_labels: `(t,)`, of classes that `labels` has.
        k: Neighbours that vote, from 1 to n (n - 1 when leaving one out). 5 is few enough for classes with few images.

    Returns:
        From 0 to 1, higher is better. It does not change if images are scaled, each by its own positive factor, or if
        features are rotated.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    train, classes, names = _checked(features, labels)
    leave_one_out = test_features is None and test_labels is None
    test, truth = (train, classes) if leave_one_out else _checked_test(test_features, test_labels, train, names)
    most = len(train) - leave_one_out
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise ValueError(f"`k` must be an integer from 1 to {most}, the images that can vote. Received: k={k!r}.")
    train, test = _unit_rows(train), _unit_rows(test)
    rows = max(1, _BLOCK // len(train))
    right = 0
    for start in range(0, len(test), rows):
        cosines = test[start : start + rows] @ train.T  # (rows, n)
        if leave_one_out:
            own = np.arange(len(cosines))
            cosines[own, start + own] = -np.inf
        # Rounded, so that equal images are equally near, whichever way the products were summed.
        cosines = np.round(cosines, 12)
        right += int((_vote(cosines, classes, len(names), k) == truth[start : start + rows]).sum())
    return right / len(test)


def ridge_probe(
    features: ArrayLike,
    labels: ArrayLike,
    test_features: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
) -> float:
    """Returns the top-1 accuracy of a linear classifier: ridge regression on one-hot targets, with a free intercept.

    The penalty is the one of 28, from 1e-6 to 1e3 times the mean squared singular value of the centred features, with
    the smallest leave-one-out squared error; leaving out has a closed form (Allen 1974, PRESS; Hastie et al. 2009, The
    Elements of Statistical Learning, sec. 7.10), so nothing is fitted n times. Accuracy without `test_features` is that
    of the same leave-one-out predictions.

    Cost: O(n d m) once, then O(n m c) for each penalty; O(n m + n c) memory beside the features.

    Known failures: Squared error punishes images that are too clearly right, and many classes mask each other, so it
    trails logistic regression. The penalty is chosen on the images that leave-one-out scores, which flatters by little;
    near-duplicates flatter it more. A class with one image is never recognised by leave-one-out, and features that tell
    nothing score below chance where classes are equally large.

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings.
        test_features: `(t, d)` images to classify with what all n teach; without them leave-one-out.
        test_labels: `(t,)`, of classes that `labels` has.

    Returns:
        From 0 to 1, higher is better. It does not change if all features are shifted, rotated or scaled together.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    train, classes, names = _checked(features, labels)
    leave_one_out = test_features is None and test_labels is None
    if not leave_one_out:
        test, truth = _checked_test(test_features, test_labels, train, names)
    centred = _centred(train)
    left, squares = _decomposition(centred)
    shares = np.bincount(classes) / len(classes)  # (c,), what the intercept adds to
    targets = np.eye(len(names))[classes] - shares  # (n, c)
    penalty, predicted = _ridge(left, squares, targets)
    if leave_one_out:
        truth = classes
    else:
        weights = centred.T @ (left @ (left.T @ targets / (squares + penalty)[:, None]))  # (d, c)
        predicted = (test - train.mean(axis=0)) @ weights
    return float(((predicted + shares).argmax(axis=1) == truth).mean())


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """Returns LogME: the logarithm of the largest evidence of a Bayesian linear model, per image and class.

    For each class a linear model without intercept explains its indicator (0 or 1) by the features, with Gaussian
    weights and Gaussian noise; the evidence integrates the weights out and is maximised over both precisions (You et
    al. 2021, arXiv 2102.11005). With the best noise it is a curve over the ratio of the two precisions, which is
    searched at 33 ratios and around its two highest peaks. The authors' fixed point (You et al. 2022, arXiv
    2110.10545) starts at one ratio, whatever the scale of the features, and may end at the lower of two maxima.

    Cost: O(n d m) once, then O(m c) for each of 155 ratios.

    Known failures: It orders models less well than their size alone does (arXiv 2510.06448). Indicators are no Gaussian
    regression targets. Where features explain the classes without any error by
    fewer directions than there are images, the evidence has no maximum; the ratio of precisions is then 1e-10 of the
    largest squared singular value, and such values only say "separable".

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings.

    Returns:
        Mean over classes of the log evidence divided by n, any real number, higher is better. It does not change if all
        features are rotated or scaled together; it does if they are shifted.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    train, classes, names = _checked(features, labels)
    left, squares = _decomposition(train)
    targets = np.eye(len(names))[classes]  # (n, c)
    energies = (left.T @ targets) ** 2  # (r, c)
    outside = np.maximum(0.0, targets.sum(axis=0) - energies.sum(axis=0))  # (c,), what no weights explain
    scale = squares.max() if len(squares) else 1.0
    squares = squares / scale

    def evidence(logarithms: np.ndarray) -> np.ndarray:
        return _evidence(np.exp(logarithms), squares, energies, outside, len(train))

    points = np.log(_RATIOS)
    curves = np.stack([evidence(np.full(len(names), point)) for point in points])
    best = curves.max(axis=0)  # (c,)
    for peaks in _highest_peaks(curves):
        low, high = points[np.maximum(peaks - 1, 0)], points[np.minimum(peaks + 1, len(points) - 1)]
        for _ in range(_GOLDEN_STEPS):
            first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            rises = evidence(second) > evidence(first)
            low, high = np.where(rises, first, low), np.where(rises, high, second)
        best = np.maximum(best, evidence((low + high) / 2))
    return float(best.mean() / len(train))


def h_score(features: ArrayLike, labels: ArrayLike, *, shrinkage: float | None = None) -> float:
    """Returns the H-score: variance between classes over the whole variance, summed over all directions.

    tr(S^-1 (1 - a) B) with the covariance B of the classes' means and the shrunk covariance S = (1 - a) C + a v I of
    the features, where v is their mean variance (Bao et al. 2019, "An information-theoretic approach to transferability
    in task transfer learning", ICIP; shrunk as by Ibrahim et al. 2021, arXiv 2110.06893). The amount of shrinkage a is
    that of Ledoit and Wolf (2004).

    Cost: O(n d m).

    Known failures: It knows classes by their means alone. Without shrinkage it counts directions: with d of n - 1 or
    more it is c - 1, whatever the features are. Shrinkage makes it depend on the scales of features among each other.

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings.
        shrinkage: From 0 (none; directions without variance are left out) to 1; None takes Ledoit and Wolf's.

    Returns:
        From 0 to the smaller of c - 1 and d, higher is better. It does not change if all features are shifted, rotated
        or scaled together; without shrinkage, no invertible linear map changes it.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    train, classes, _ = _checked(features, labels)
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ValueError(f"`shrinkage` must be from 0 to 1, or None for Ledoit and Wolf's. Received: {shrinkage!r}.")
    centred = _centred(train)
    left, squares = _decomposition(centred)
    variances = squares / len(train)  # (r,)
    amount = _ledoit_wolf(centred, variances) if shrinkage is None else float(shrinkage)
    sizes = np.bincount(classes)
    sums = np.zeros((len(sizes), left.shape[1]))
    np.add.at(sums, classes, left)
    between = variances * (sums**2 / sizes[:, None]).sum(axis=0)  # (r,), the diagonal of B
    whole = (1 - amount) * variances + amount * variances.sum() / train.shape[1]
    return float(((1 - amount) * between / whole).sum())


def gbc(features: ArrayLike, labels: ArrayLike, *, components: int = 64, spherical: bool = True) -> float:
    """Returns the Gaussian Bhattacharyya coefficient: how little the classes overlap, taken for Gaussians.

    Minus the sum of exp(-D) over all ordered pairs of different classes, D the Bhattacharyya distance between their
    Gaussians after principal component analysis (Pándy et al. 2022, arXiv 2111.12780: 64 components, spherical).

    Cost: O(n d m), then O(c^2) for each component.

    Known failures: The sum grows with the square of the number of classes, so only scores on the same labels compare.
    Overlap is judged with one variance for all directions (or one each), and few images of a class make it too small.
    With many components all pairs are apart and every score is near 0.

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings, 2 images or more of each class.
        components: Principal components to keep at most, 1 or more.
        spherical: True gives each class one variance, False one for each component.

    Returns:
        From -c (c - 1), all classes alike, to 0, none overlap; higher is better. It does not change if all features are
        shifted, rotated or scaled together.

    Raises:
        ValueError: If an argument is not as described or a class has one image only, with what was received.
    """
    train, classes, names = _checked(features, labels)
    sizes = np.bincount(classes)
    if sizes.min() < 2:
        raise ValueError(
            f"Each class needs 2 images or more, as its variance is estimated. Received: 1 of class "
            f"{names[sizes.argmin()].item()!r}. Leave such classes out."
        )
    if isinstance(components, bool) or not isinstance(components, int | np.integer) or components < 1:
        raise ValueError(f"`components` must be an integer of 1 or more. Received: {components!r}.")
    left, squares = _decomposition(_centred(train))
    reduced = (left * np.sqrt(squares))[:, :components]  # (n, p)
    if not reduced.size:
        return -float(len(names) * (len(names) - 1))
    groups = [reduced[classes == number] for number in range(len(names))]
    means = np.stack([group.mean(axis=0) for group in groups])  # (c, p)
    variances = np.stack([group.var(axis=0) for group in groups])
    if spherical:
        variances = np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape)
    variances = np.maximum(variances, _LEAST_VARIANCE * reduced.var(axis=0).mean())
    return -2 * sum(_overlaps(means[i], variances[i], means[i + 1 :], variances[i + 1 :]) for i in range(len(names)))


def transrate(features: ArrayLike, labels: ArrayLike, *, epsilon: float = 1e-4, scaled: bool = False) -> float:
    """Returns TransRate: coding rate of all features less that of the features given their class, in nats.

    R(Z) - sum_c (n_c / n) R(Z_c) with R(Z) = 1/2 log det(I + Z^T Z / (n epsilon)) for n rows, Z centred once, not by
    class (Huang et al. 2022, arXiv 2106.09362). It estimates the mutual information of features and labels.

    Cost: O(n d m).

    Known failures: It depends on the scale of the features, so that blocks of one network compare only with
    `scaled=True`; and on the distortion `epsilon`, for which there is no theory. With fewer images of a class than
    features it grows with the number of features.

    Args:
        features: `(n, d)`.
        labels: `(n,)` integers or strings.
        epsilon: Distortion, above 0; 1e-4 is the paper's.
        scaled: Whether the features are divided by the root of their total variance first.

    Returns:
        0 or more, higher is better. It does not change if all features are shifted or rotated together; with `scaled`
        also not if they are scaled together.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    train, classes, names = _checked(features, labels)
    if not (np.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"`epsilon` must be a number above 0. Received: {epsilon!r}.")
    centred = _centred(train)
    variance = (centred**2).sum() / len(train)
    if scaled and variance > 0:
        centred = centred / np.sqrt(variance)
    groups = [centred[classes == number] for number in range(len(names))]
    given = sum(len(group) * _coding_rate(group, epsilon) for group in groups) / len(train)
    return max(0.0, _coding_rate(centred, epsilon) - given)


def relative_gradient_norm(
    gradient: ArrayLike | Sequence[ArrayLike], weights: ArrayLike | Sequence[ArrayLike]
) -> float:
    """Returns the norm of a block's gradient over that of its weights.

    Each norm is the root of the sum of squares over all arrays of the block (Lee et al. 2023, arXiv 2210.11466, "RGN").

    Cost: O(weights).

    Known failures: It says where training would move most, not whether that helps; it depends on the batch, on
    normalisation after the block (which makes the scale of weights arbitrary), and on the head's state.

    Args:
        gradient: Array, or arrays of one block in order.
        weights: Array or arrays of the same shapes.

    Returns:
        0 or more, higher means that the block should rather be tuned. It does not change if the weights are scaled
        and the gradient is scaled by the same factor.

    Raises:
        ValueError: If shapes differ, a value is not finite, or all weights are 0.
    """
    gradients, arrays = _as_arrays(gradient, "gradient"), _as_arrays(weights, "weights")
    shapes = [array.shape for array in gradients], [array.shape for array in arrays]
    if shapes[0] != shapes[1]:
        raise ValueError(f"Gradient and weights must have the same shapes. Received: {shapes[0]} and {shapes[1]}.")
    norms = [np.sqrt(sum(float((array**2).sum()) for array in side)) for side in (gradients, arrays)]
    if norms[1] == 0:
        raise ValueError(f"A block needs weights other than 0. Received: {shapes[1]}, all of them 0.")
    return float(norms[0] / norms[1])


def cka(x: ArrayLike, y: ArrayLike) -> float:
    """Returns the linear CKA of two networks' features of the same images, estimated without bias.

    Kornblith et al. 2019 (arXiv 1905.00414), with the unbiased estimate of Nguyen et al. 2021 (arXiv 2010.15327), over
    all images at once.

    Cost: O(n^2 d) time and O(n^2) memory, 64 MB for 2,000 images.

    Known failures: A few directions of large variance decide it. It compares two sets of features and knows no labels,
    so it says how far training moved features, not whether they serve.

    Args:
        x: `(n, ...)`, n of 4 or more.
        y: `(n, ...)`; the number of features may differ.

    Returns:
        1 for equal features, 0 in expectation for independent ones, a little below 0 by chance; higher is more alike.
        It does not change if one side is shifted, rotated or scaled. NaN if all features of one side are constant.

    Raises:
        ValueError: If an argument is not as described, with what was received.
    """
    sides = [_finite(values, name) for values, name in ((x, "x"), (y, "y"))]
    for values, name in zip(sides, ("x", "y"), strict=True):
        if values.ndim < 2 or not values.size:
            raise ValueError(f"`{name}` must have the shape (images, features). Received: shape {values.shape}.")
    return similarity.linear_cka([similarity.gram(sides[0])], [similarity.gram(sides[1])])


def _vote(cosines: np.ndarray, classes: np.ndarray, count: int, k: int) -> np.ndarray:
    """Returns the class that the k most similar images vote for, `(rows,)`, from `(rows, n)` similarities."""
    least = np.partition(cosines, -k, axis=1)[:, [-k]]  # (rows, 1), the k-th largest
    nearer, equal = cosines > least, cosines == least
    # Of images as near as the k-th only the first ones vote, as many as are needed.
    equal &= np.cumsum(equal, axis=1) <= k - nearer.sum(axis=1, keepdims=True)
    neighbours = np.nonzero(nearer | equal)[1].reshape(len(cosines), k)
    # A vote counts 1, and less than 1 / k more the more similar the image is.
    weights = 1 + (np.take_along_axis(cosines, neighbours, axis=1) + 1) / (2 * k + 1)
    votes = np.zeros((len(cosines), count))
    np.add.at(votes, (np.arange(len(cosines))[:, None], classes[neighbours]), weights)
    return votes.argmax(axis=1)


def _ridge(left: np.ndarray, squares: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the penalty of the smallest leave-one-out error and its predictions, `(n, c)`, of the centred targets."""
    coordinates = left.T @ targets  # (r, c)
    outside = targets - left @ coordinates  # what no weights explain
    leverages = left**2
    slack = np.maximum(0.0, 1 - 1 / len(left) - leverages.sum(axis=1))
    best, penalty, predicted = np.inf, 0.0, targets
    for candidate in _PENALTIES * (squares.mean() if len(squares) else 1.0):
        shrunk = candidate / (squares + candidate)  # the fraction of each direction that the penalty takes away
        errors = (outside + left @ (coordinates * shrunk[:, None])) / (slack + leverages @ shrunk)[:, None]
        if (total := (errors**2).sum()) < best:
            best, penalty, predicted = total, candidate, targets - errors
    return float(penalty), predicted


def _evidence(
    ratio: np.ndarray, squares: np.ndarray, energies: np.ndarray, outside: np.ndarray, images: int
) -> np.ndarray:
    """Returns each class's log evidence, `(c,)`, at a ratio of the precisions of weights and noise, best noise."""
    spread = 1 + squares[:, None] / ratio  # (r, c), variance of each direction in units of the noise
    noise = ((energies / spread).sum(axis=0) + outside) / images
    return -0.5 * (images * (np.log(2 * np.pi) + np.log(noise) + 1) + np.log(spread).sum(axis=0))


def _highest_peaks(curves: np.ndarray) -> np.ndarray:
    """Returns where each class's curve, `(points, c)`, has its two highest local maxima, `(2, c)`."""
    around = np.pad(curves, ((1, 1), (0, 0)), constant_values=-np.inf)
    peaks = np.where((curves >= around[:-2]) & (curves >= around[2:]), curves, -np.inf)
    return np.argsort(peaks, axis=0, kind="stable")[-2:]


def _ledoit_wolf(centred: np.ndarray, variances: np.ndarray) -> float:
    """Returns Ledoit and Wolf's amount of shrinkage (2004, lemmas 3.2 to 3.4), from 0 to 1."""
    images, features = centred.shape
    norm = (variances**2).sum()  # of the covariance, squared
    distance = norm - variances.sum() ** 2 / features  # of the covariance from its target
    error = (((centred**2).sum(axis=1) ** 2).sum() / images - norm) / images  # of the covariance from the true one
    return float(np.clip(error / distance, 0, 1)) if distance > 1e-12 * norm else 0.0


def _overlaps(mean: np.ndarray, variance: np.ndarray, means: np.ndarray, variances: np.ndarray) -> float:
    """Returns the sum of Bhattacharyya coefficients of a diagonal Gaussian, `(p,)`, with others, `(others, p)`."""
    average = (variance + variances) / 2
    distances = ((mean - means) ** 2 / average).sum(axis=1) / 8
    distances += (np.log(average) - (np.log(variance) + np.log(variances)) / 2).sum(axis=1) / 2
    return float(np.exp(-distances).sum())


def _coding_rate(rows: np.ndarray, epsilon: float) -> float:
    """Returns the coding rate of features, `(rows, d)`, in nats."""
    small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    return float(np.linalg.slogdet(np.eye(len(small)) + small / (len(rows) * epsilon))[1] / 2)


def _decomposition(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns left singular vectors, `(n, r)`, and squared singular values, `(r,)`, largest first, r the rank."""
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    kept = values > values[0] * max(features.shape) * np.finfo(np.float64).eps
    return left[:, kept], values[kept] ** 2


def _centred(features: np.ndarray) -> np.ndarray:
    """Returns features less their means."""
    shifted = features - features[0]  # constant ones become 0, where their rounded mean would leave noise
    return shifted - shifted.mean(axis=0)


def _unit_rows(features: np.ndarray) -> np.ndarray:
    """Returns rows of length 1; rows of zeros stay."""
    features = features / np.maximum(np.abs(features).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1.0)


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns features, `(n, d)` float64, the number of each image's class, `(n,)`, and the sorted classes, `(c,)`."""
    rows, texts = _checked_pair(features, labels, "features", "labels")
    names, classes = np.unique(texts, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"`labels` must have two classes or more, or there is nothing to tell apart. Received: {len(names)} class, "
            f"{names[0].item()!r}, of {len(rows)} images."
        )
    return rows, classes, names


def _checked_test(
    features: ArrayLike | None, labels: ArrayLike | None, train: np.ndarray, names: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns test features, `(t, d)`, and the number of each image's class among those of training, `(t,)`."""
    if features is None or labels is None:
        missing = "test_features" if features is None else "test_labels"
        raise ValueError(f"Give both `test_features` and `test_labels`, or neither. Received: no `{missing}`.")
    rows, texts = _checked_pair(features, labels, "test_features", "test_labels")
    if rows.shape[1] != train.shape[1]:
        raise ValueError(
            f"`test_features` must have the {train.shape[1]} features of `features`. Received: shape {rows.shape}."
        )
    unknown = np.setdiff1d(texts, names) if (texts.dtype.kind == "U") == (names.dtype.kind == "U") else texts
    if len(unknown):
        raise ValueError(
            f"`test_labels` must be classes that `labels` has. Received: {unknown[0].item()!r}. Leave these images "
            "out, as they cannot be classified."
        )
    return rows, np.searchsorted(names, texts)


def _checked_pair(
    features: ArrayLike, labels: ArrayLike, features_name: str, labels_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns features as float64 and labels as integers or texts, one of each per image."""
    rows, texts = _finite(features, features_name), np.asarray(labels)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(
            f"`{features_name}` must have the shape (images, features), none of them 0. Received: shape {rows.shape}. "
            "Pool feature maps first, for example by their mean over height and width."
        )
    if texts.shape != rows.shape[:1]:
        raise ValueError(
            f"`{labels_name}` must have the shape ({len(rows)},), one label per image. Received: shape {texts.shape}."
        )
    if texts.dtype.kind in "OT" and all(isinstance(text, str) for text in texts):
        texts = np.array(texts.tolist())
    if texts.dtype.kind not in "iuU":
        raise ValueError(f"`{labels_name}` must be integers or strings. Received: {texts.dtype}.")
    return rows, texts


def _finite(values: ArrayLike, name: str) -> np.ndarray:
    """Returns numbers as float64; raises ValueError if they are no finite real numbers."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)  # rows of different lengths
    # Of other types only those such as bfloat16, which NumPy itself does not know.
    if array.dtype.kind not in "biuf" and (array.dtype.kind != "V" or not np.can_cast(array.dtype, np.float64)):
        raise ValueError(f"`{name}` must be an array of real numbers. Received: {array.dtype}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {np.count_nonzero(~np.isfinite(array)):,} of {array.size:,} values "
            "that are NaN or infinite. Leave out networks that diverged, and avoid float16, which overflows."
        )
    return array


def _as_arrays(values: ArrayLike | Sequence[ArrayLike], name: str) -> list[np.ndarray]:
    """Returns the arrays of a block; one array is a block of one."""
    arrays = [_finite(value, name) for value in (values if isinstance(values, list | tuple) else [values])]
    if not sum(array.size for array in arrays):
        raise ValueError(f"`{name}` must have one value or more. Received: {[array.shape for array in arrays]}.")
    return arrays
