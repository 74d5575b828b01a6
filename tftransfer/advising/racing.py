"""The race on one fold: what a rung drops, and who is a finalist."""

from collections.abc import Sequence

import numpy as np

ERRORS = 2.0
"""Paired standard errors that a candidate must lie behind, besides the tolerance, to be dropped."""
FINALISTS = 6


def kept(
    top1: np.ndarray,
    paired_errors: np.ndarray,
    tolerance: float,
    families: Sequence[str] = (),
) -> np.ndarray:
    """Returns which candidates go on to the next rung.

    Dropped is only what lies more than two paired standard errors *and* more than one tolerance behind the best of this
    rung. A score that is no number has nothing to go on with.

    Args:
        top1: Scores of this rung on the same held-out images, `(candidates,)`; NaN for networks that diverged.
        paired_errors: Standard errors of differences in score, `(candidates, candidates)`, as `held_out.paired_error`
            gives.
        tolerance: Regret that does not count, a fraction of top-1.
        families: Family of each candidate on the first rung, of which the best stays whatever it scores; empty on later
            rungs.

    Returns:
        Bool, `(candidates,)`.
    """
    fine = np.isfinite(top1)
    if not fine.any():
        return fine
    scores = np.where(fine, top1, -np.inf)
    best = int(np.argmax(scores))
    behind = scores[best] - scores
    stays = fine & ~((behind > ERRORS * paired_errors[best]) & (behind > tolerance))
    for family in set(families):
        members = [i for i, name in enumerate(families) if name == family and fine[i]]
        if members:
            stays[max(members, key=lambda i: scores[i])] = True
    return stays


def finalists(top1: np.ndarray, costs: Sequence[float], most: int = FINALISTS) -> tuple[int, ...]:
    """Returns the candidates that are trained on further folds and seeds, the best first.

    Args:
        top1: Scores of the last rung, `(candidates,)`; NaN for those that were dropped.
        costs: Of which the lower goes first among equal scores.
        most: Their largest number.
    """
    fine = [i for i in range(len(top1)) if np.isfinite(top1[i])]
    return tuple(sorted(fine, key=lambda i: (-top1[i], costs[i], i))[:most])
