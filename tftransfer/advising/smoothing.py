"""A prior over candidates: neighbours on a line of cuts score alike, and so do candidates, as far as they show it.

True scores are taken for

    family's offset + random walk over depth + own deviation

with three unknown sizes, and each triple of a grid counts as much as the scores speak for it (its marginal likelihood).
So a jagged line gets a large deviation of its own and an outlier a large offset, and both are then left as measured: the
prior helps where it is right and lets go where it is not. Random walks as priors of neighbouring doses: Besag et al.
1995 (Statistical Science 10); weights by marginal likelihood: empirical Bayes averaged over a grid, as in INLA (Rue et
al. 2009).
"""

import itertools

import numpy as np

# Standard deviations, as fractions of top-1: of offsets, of walks over the whole depth, of own deviations.
_OFFSETS = (0.003, 0.01, 0.03, 0.1, 0.3)
_WALKS = (0.003, 0.01, 0.03, 0.1, 0.3)
_DEVIATIONS = (0.0, 0.003, 0.01, 0.03)
_LEVEL = 1.0  # variance of what all candidates share, which no comparison sees


def smoothed(
    scores: np.ndarray, errors: np.ndarray, families: tuple[str, ...], depths: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the posterior mean and covariance of true scores, given measured ones with their errors.

    Args:
        scores: Measured, less what all share, `(candidates,)`.
        errors: Covariance of their errors, `(candidates, candidates)`.
        families: Family of each candidate; all of one if empty.
        depths: Place of each on its family's line, `(candidates,)`, 0 to 1 or NaN; None without lines.

    Returns:
        Mean `(candidates,)` and covariance `(candidates, candidates)`, of the same two moments as the mixture over the
        grid. Only differences mean something.
    """
    prior = _priors(len(scores), families, depths)  # (grid, candidates, candidates)
    centred = scores - scores.mean()
    total = prior + errors + _LEVEL
    gain = np.linalg.solve(total, prior)  # total⁻¹ prior, both symmetric
    explained = np.linalg.solve(total, np.broadcast_to(centred[:, None], (*total.shape[:2], 1)))[..., 0]
    likelihood = -0.5 * (np.linalg.slogdet(total)[1] + explained @ centred)
    weights = np.exp(likelihood - likelihood.max())
    weights /= weights.sum()
    means = np.einsum("gij,gj->gi", prior, explained)
    mean = weights @ means
    apart = means - mean
    inside = np.einsum("g,gij->ij", weights, prior - prior @ gain)
    return mean, (inside + inside.T) / 2 + np.einsum("g,gi,gj->ij", weights, apart, apart)


def _priors(count: int, families: tuple[str, ...], depths: np.ndarray | None) -> np.ndarray:
    """Returns the prior covariance at each point of the grid, `(grid, candidates, candidates)`."""
    names = np.array(families or [""] * count)
    lined = np.zeros(count, bool) if depths is None else np.isfinite(depths)
    together = (names[:, None] == names[None, :]) & lined[:, None] & lined[None, :]
    alone = np.eye(count)
    offset = together | (alone > 0)
    # Variance of a difference is the walk's times the distance; the walk has no fixed end.
    place = np.where(lined, 0.0 if depths is None else depths, 0.0)
    walk = np.where(together, (1 - np.abs(place[:, None] - place[None, :])) / 2, 0.0)
    has_lines = together.sum() > lined.sum()
    sizes = itertools.product(_OFFSETS, _WALKS if has_lines else (0.0,), _DEVIATIONS if has_lines else (0.0,))
    return np.array([a**2 * offset + b**2 * walk + c**2 * alone for a, b, c in sizes])
