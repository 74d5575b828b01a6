"""From paired scores to a posterior of every candidate's true score.

A score is the candidate's true score, plus the effect of its block (fold and seed), which all candidates there share,
plus an error. Blocks are fitted with the candidates, so that only differences within a block count; this is what
pairing means where scores are missing.

*What is independent.* Folds, as far as they are: all seeds of one fold share its images, so that their errors are
averaged first. With one fold, seeds take its place, as in `analysis.intervals`, and the covariance that scores have
from the choice of images is added, since no spread between seeds shows it.

*Variance.* Errors are pooled over candidates: C candidates in J folds have (C-1)(J-1) degrees of freedom where one pair
has J-1. From three folds on, each candidate's own variance is shrunk to the pool with the degrees of freedom that the
spread of variances shows (Smyth 2004, limma: a scaled inverse chi² prior, here around the pooled variance). Errors of
folds whose training images overlap are correlated: the variance of a mean is not S²/J but S² (1/J + n_test/n_train)
(Nadeau and Bengio 2003).

*Draws* are Student's t, with one factor for the errors of all candidates. With two candidates and no prior they are
exactly the paired t test's (`tests/advising/test_confidence.py`).

Draws are of differences: all candidates' scores are placed at the level of the observed ones, whose own error is not in
them. The interval of a final score is `held_out.score_interval`.
"""

import dataclasses
import math

import numpy as np
from scipy import special

from tftransfer.advising import smoothing
from tftransfer.advising.paired_scores import PairedScores

SPREAD, SPREAD_FREEDOM = 0.01, 3.0
"""Standard deviation of a score from training and its degrees of freedom where nothing was repeated: a guess, of the
order of what seeds of one fine-tuned network differ by, which one repeated block replaces."""
DRAWS = 4000
OWN_VARIANCE_FROM = 3  # folds; two leave one difference, which says nothing about a variance of one's own


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of true scores.

    Attributes:
        names: Of the candidates.
        mean: `(candidates,)`, fractions.
        draws: From the posterior, `(draws, candidates)`, fractions. Only their differences are uncertain.
        freedom: Degrees of freedom of the pooled variance; 0 if nothing was repeated.
        spread: Pooled standard deviation of one score, paired, in one fold.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    draws: np.ndarray
    freedom: float
    spread: float


@dataclasses.dataclass(frozen=True, eq=False)
class _Fit:
    """True scores by least squares: `scores` sum to zero, `errors` is their covariance, `level` what they share."""

    scores: np.ndarray
    errors: np.ndarray
    residuals: np.ndarray
    level: float


def posterior(
    table: PairedScores,
    test_train_ratio: float,
    images: np.ndarray | None = None,
    smooth: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
) -> Posterior:
    """Returns the posterior of every candidate's true score: its expected top-1 over folds and seeds.

    Args:
        table: Scores. Each candidate has at least one, and all are connected by shared blocks.
        test_train_ratio: Held-out images of a fold divided by its training images; 0 for folds that share no training
            images.
        images: Covariance of the candidates' scores from the choice of one fold's images, `(candidates, candidates)`,
            as `held_out.image_covariance` gives. With one fold it is added; with several, whose spread contains it, the
            pooled variance is at least as large. None if it is not known: then one fold speaks of its images alone.
        smooth: Whether neighbours on a line of cuts, and candidates in general, inform each other (`smoothing`). False
            leaves every candidate as measured.
        draws: Number of draws.
        seed: Of the draws: equal arguments give equal draws.

    Raises:
        ValueError: If a candidate has no score, or no shared blocks connect it to the others.
    """
    count, folds, seeds = table.top1.shape
    top1 = table.top1.reshape(count, folds * seeds)
    used = np.isfinite(top1).any(axis=0)
    top1, fold_of = top1[:, used], np.repeat(np.arange(folds), seeds)[used]
    present = np.isfinite(top1)
    _check_connected(table.names, present)
    one_fold = len(np.unique(fold_of)) == 1
    of_cluster = np.eye(len(fold_of)) if one_fold else (fold_of[:, None] == np.unique(fold_of)).astype(float)
    counts = present @ of_cluster  # (candidates, clusters): blocks of a candidate in a fold
    weights = present / np.maximum(counts @ of_cluster.T, 1)  # all blocks of a fold together weigh as one
    first = _fit(top1, weights)
    residuals = ((first.residuals * present) @ of_cluster) / np.maximum(counts, 1)
    variances, freedom, pooled = _variances(residuals, counts > 0, None if one_fold else images)
    fit = _fit(top1, weights / variances[:, None])
    errors = fit.errors + np.diag(test_train_ratio * variances)
    if one_fold and images is not None:
        errors = errors + images
    rng = np.random.default_rng(seed)
    unknown = freedom or SPREAD_FREEDOM
    if smooth and count > 1:
        mixture = smoothing.smoothed(fit.scores, errors, unknown, table.families, table.depths)
        mean, found = mixture[0] @ mixture[1], _of_mixture(*mixture, draws, rng)
    else:
        normal = rng.standard_normal((draws, count)) @ _root(errors).T
        factors = unknown / rng.chisquare(unknown, (draws, 1))
        mean, found = fit.scores, fit.scores + np.sqrt(factors) * normal
    return Posterior(table.names, fit.level + mean, fit.level + found, freedom, math.sqrt(pooled))


def _check_connected(names: tuple[str, ...], present: np.ndarray) -> None:
    """Raises ValueError unless shared blocks lead from each candidate, `(candidates, blocks)`, to each other one."""
    reached = np.zeros(len(names), bool)
    reached[:1] = True
    for _ in names:
        reached = reached | present[:, present[reached].any(axis=0)].any(axis=1)
    if not (reached & present.any(axis=1)).all():
        far = ", ".join(name for name, ok in zip(names, reached & present.any(axis=1), strict=True) if not ok)
        raise ValueError(f"Expected scores in shared folds and seeds of all candidates. Not connected: {far}.")


def _fit(top1: np.ndarray, weights: np.ndarray) -> _Fit:
    """Returns weighted least squares of candidates and blocks; weights `(candidates, blocks)` are 0 where missing."""
    count = len(top1)
    values = np.where(weights > 0, top1, 0.0)
    sums = weights.sum(axis=0)
    block_means = (weights * values).sum(axis=0) / sums
    information = np.diag(weights.sum(axis=1)) - (weights / sums) @ weights.T
    right = (weights * (values - block_means)).sum(axis=1)
    # The level is in the blocks, so `information` has no inverse; scores that sum to zero have one.
    size = np.trace(information) / count or 1.0
    errors = np.linalg.inv(information + size / count) - 1 / (size * count)
    scores = errors @ right
    blocks = block_means - (weights * scores[:, None]).sum(axis=0) / sums
    return _Fit(scores, errors, values - scores[:, None] - blocks, float(blocks.mean()))


def _variances(residuals: np.ndarray, cells: np.ndarray, images: np.ndarray | None) -> tuple[np.ndarray, float, float]:
    """Returns the variance of each candidate's score in one fold, shrunk to the pool.

    Args:
        residuals: By candidate and fold (or seed), `(candidates, clusters)`; 0 where there is none.
        cells: Where there is one, bool.
        images: As for `posterior`, of one of several folds; None if there is one.

    Returns:
        Variances `(candidates,)`, their degrees of freedom (the pool's if variances do not differ, otherwise the mean
        of the candidates'; 0 if nothing was repeated), and the pool's variance.
    """
    count, clusters = cells.shape
    freedom = float(cells.sum() - clusters - (count - 1))
    squares = (residuals**2).sum(axis=1)
    if freedom <= 0 or squares.sum() <= 1e-24:
        pooled = SPREAD**2
        return np.full(count, pooled), 0.0, pooled
    pooled = float(squares.sum()) / freedom
    repeats = np.maximum(cells.sum(axis=1) - 1, 0)
    share = freedom * repeats / repeats.sum()  # degrees of freedom of each candidate
    own = squares / np.maximum(share, 1e-9)
    prior = _prior_freedom(own[repeats + 1 >= OWN_VARIANCE_FROM], share[repeats + 1 >= OWN_VARIANCE_FROM])
    if images is not None and count > 1:
        pooled = max(pooled, float(np.trace(images) - images.sum() / count) / (count - 1))
    if math.isinf(prior):
        return np.full(count, pooled), freedom, pooled
    shrunk = (prior * pooled + share * own) / (prior + share)
    return shrunk, min(freedom, prior + float(share.mean())), pooled


def _prior_freedom(variances: np.ndarray, freedom: np.ndarray) -> float:
    """Returns the degrees of freedom of the prior of variances, by moments of their logarithms (Smyth 2004, sec. 6.2).

    They are infinite if the variances spread no more than chance alone lets them, and with fewer than three.
    """
    if len(variances) < 3 or (variances <= 0).any():
        return math.inf
    logs = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedom / 2).mean())
    return 2 * _inverse_trigamma(excess) if excess > 0 else math.inf


def _inverse_trigamma(value: float) -> float:
    """Returns the x with trigamma(x) = value, by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if abs(step) < 1e-8 * x:
            break
    return x


def _of_mixture(
    probabilities: np.ndarray, means: np.ndarray, covariances: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns draws from a mixture of normal distributions, `(draws, candidates)`, as `smoothing.smoothed` gives it."""
    counts = rng.multinomial(draws, probabilities)
    roots = np.repeat(_root(covariances), counts, axis=0)  # (draws, candidates, candidates)
    normal = rng.standard_normal((draws, means.shape[1], 1))
    return np.repeat(means, counts, axis=0) + (roots @ normal)[..., 0]


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns a matrix R with R Rᵀ = `covariance`, `(..., candidates, candidates)`, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
