"""A prior over candidates: neighbours on a line of cuts score alike, and so do candidates, as far as they show it.

True scores are taken for

    family's offset + random walk over depth + own deviation

with three unknown sizes, and each triple of a grid counts as much as the scores speak for it (its marginal
likelihood). So a jagged line gets a large deviation of its own and an outlier a large offset, and both are then left as
measured: the prior helps where it is right and lets go where it is not. The size of the errors is unknown as well:
where it is taken from few repeats, scores that lie closer together than errors of this size allow speak for smaller
ones, and the reverse.

Random walks as priors of neighbouring doses: Besag et al. 1995 (Statistical Science 10). Averages over a grid of sizes
by marginal likelihood: Rue, Martino and Chopin 2009 (JRSS B 71). Shrinking to the mean of all against the luck of the
winner: Efron and Morris 1975 (JASA 70).
"""

import itertools

import numpy as np
from scipy import special

# Standard deviations, as fractions of top-1: of offsets, of walks over the whole depth, of own deviations.
_OFFSETS = (0.002, 0.007, 0.025, 0.3)
_WALKS = (0.002, 0.01, 0.05, 0.3)
_DEVIATIONS = (0.0, 0.01, 0.1)
_SCALES = 8  # quantiles of the errors' unknown variance


def smoothed(
    scores: np.ndarray,
    errors: np.ndarray,
    freedom: float,
    families: tuple[str, ...] = (),
    depths: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the posterior of true scores, less what all share, as a mixture of normal distributions.

    There is one for each possible size of the errors; each has the two moments of the mixture over the prior's grid.

    Args:
        scores: Measured, `(candidates,)`.
        errors: Covariance of their errors, `(candidates, candidates)`, up to a common factor.
        freedom: Degrees of freedom of this factor: scaled inverse chi².
        families: Family of each candidate; all of one if empty.
        depths: Place of each on its family's line, `(candidates,)`, 0 to 1 or NaN; None without lines.

    Returns:
        Probabilities `(sizes,)`, means `(sizes, candidates)` and covariances `(sizes, candidates, candidates)`, all of
        deviations from the mean of all candidates.
    """
    count = len(scores)
    basis = np.linalg.qr(np.eye(count)[:, 1:] - 1 / count)[0]  # differences alone, (candidates, candidates - 1)
    root = basis @ np.linalg.cholesky(basis.T @ errors @ basis)
    # In these coordinates errors are independent with variance `scale`, and so is, after a rotation, the prior.
    into = np.linalg.pinv(root)  # (candidates - 1, candidates)
    sizes, turns = np.linalg.eigh(into @ _priors(count, families, depths) @ into.T)
    sizes = np.maximum(sizes, 0)[:, None]  # (grid, 1, candidates - 1)
    seen = (into @ scores @ turns)[:, None]
    scales = _scales(freedom)[:, None]  # (scales, 1)
    total = sizes + scales  # (grid, scales, candidates - 1)
    likelihood = -0.5 * (np.log(total) + seen**2 / total).sum(axis=-1)
    weights = np.exp(likelihood - likelihood.max())
    probabilities = weights.sum(axis=0) / weights.sum()
    weights /= weights.sum(axis=0)  # (grid, scales)
    back = root @ turns  # (grid, candidates, candidates - 1)
    each = (sizes / total * seen) @ back.transpose(0, 2, 1)  # (grid, scales, candidates)
    means = np.einsum("gs,gsi->si", weights, each)
    # The sum over the grid of back @ diagonal @ back.T, as one product for each scale.
    wide = back.transpose(1, 0, 2).reshape(count, -1)  # (candidates, grid * (candidates - 1))
    inside = (weights[..., None] * sizes * scales / total).transpose(1, 0, 2).reshape(len(scales), 1, -1)
    apart = np.sqrt(weights)[..., None] * (each - means)
    between = apart.transpose(1, 2, 0) @ apart.transpose(1, 0, 2)
    return probabilities, means, (inside * wide) @ wide.T + between


def _scales(freedom: float) -> np.ndarray:
    """Returns factors of equal probability: midpoints of the quantiles of freedom / chi²(freedom)."""
    middles = (np.arange(_SCALES) + 0.5) / _SCALES
    return freedom / special.chdtri(freedom, middles)


def _priors(count: int, families: tuple[str, ...], depths: np.ndarray | None) -> np.ndarray:
    """Returns the prior covariance at each point of the grid, `(grid, candidates, candidates)`."""
    names = np.array(families or [""] * count)
    lined = np.zeros(count, bool) if depths is None else np.isfinite(depths)
    together = (names[:, None] == names[None, :]) & lined[:, None] & lined[None, :]
    alone = np.eye(count)
    offset = together | (alone > 0)
    # The variance of a difference is the walk's times the distance; the walk has no fixed end.
    place = np.where(lined, 0.0 if depths is None else depths, 0.0)
    walk = np.where(together, (1 - np.abs(place[:, None] - place[None, :])) / 2, 0.0)
    has_lines = together.sum() > lined.sum()
    walks, deviations = (_WALKS, _DEVIATIONS) if has_lines else ((0.0,), (0.0,))
    grid = np.array(list(itertools.product(_OFFSETS, walks, deviations))) ** 2
    return np.tensordot(grid, np.stack([offset, walk, alone]), axes=1)
