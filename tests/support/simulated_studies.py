"""Confirmations of six candidates with known true scores: four on a line of cuts, two of families of their own."""

import numpy as np

from tftransfer.advising import confidence, paired_scores, statements

NAMES = ("keep 1", "keep 2", "keep 3", "keep 4", "head only", "all tuned")
FAMILIES = ("keep",) * 4 + ("head", "tuned")
DEPTHS = np.array([0.2, 0.4, 0.6, 0.8, np.nan, np.nan])
ERROR = 0.01  # standard deviation of one paired score

TRUTHS = {
    # A smooth line with its best cut anywhere, and two candidates near or below it.
    "line": lambda rng: np.concatenate(
        [0.8 - rng.uniform(0, 0.15) * (DEPTHS[:4] - rng.uniform()) ** 2, 0.8 - np.abs(rng.normal(0, 0.02, 2))]
    ),
    # Nothing smooth: neighbours differ as any others do, by more and by less than the errors.
    "jagged": lambda rng: 0.8 + rng.normal(0, 0.015, 6),
    "close": lambda rng: 0.8 + rng.normal(0, 0.004, 6),
    "tie": lambda rng: np.full(6, 0.8),
    # The last one far behind, as a network trained from scratch.
    "outlier": lambda rng: np.append(0.8 + rng.normal(0, 0.01, 5), 0.5),
}


def table(top1):
    """Returns scores `(candidates, blocks)` as a table with a new fold and seed for each block."""
    count, blocks = top1.shape
    scores = np.full((count, blocks, blocks), np.nan)
    scores[:, np.arange(blocks), np.arange(blocks)] = top1
    return paired_scores.PairedScores(NAMES[:count], scores, FAMILIES[:count], DEPTHS[:count])


def measured(truth, folds, rng, own=0.0, ratio=0.0):
    """Returns scores `(candidates, folds)`.

    Args:
        truth: True scores.
        folds: That are scored; each is easier or harder for all by 3 points.
        rng: Generator.
        own: Spread of the candidates' errors, as standard deviation of their logarithm.
        ratio: Held-out images by training images: errors of two folds correlate by ratio / (1 + ratio), as they do
            if both are drawn from the same images (Nadeau and Bengio 2003).
    """
    error = ERROR * np.exp(rng.normal(0, own, (len(truth), 1)))
    shared = ratio / (1 + ratio)
    parts = np.sqrt(1 - shared) * rng.normal(size=(len(truth), folds)), np.sqrt(shared) * rng.normal(size=len(truth))
    return np.clip(truth[:, None] + rng.normal(0, 0.03, folds) + error * (parts[0] + parts[1][:, None]), 0, 1)


def outcomes(kind, folds, count=1000, own=0.0, ratio=0.0, corrected=True, smooth=True, missing=False, seed=1):
    """Returns what is said of `count` studies, and what is true, as arrays by name.

    Args:
        kind: Of truth, from `TRUTHS`.
        folds: Of each study.
        count: Studies.
        own: As for `measured`.
        ratio: As for `measured`.
        corrected: Whether the posterior is told `ratio`.
        smooth: As for `confidence.posterior`.
        missing: Whether the three candidates that seem worst after half of the folds are trained no further.
        seed: Of truths and errors.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        truth = TRUTHS[kind](rng)
        top1 = measured(truth, folds, rng, own, ratio)
        if missing:
            half = (folds + 1) // 2
            top1[np.argsort(top1[:, :half].mean(axis=1))[:3], half:] = np.nan
        found = confidence.posterior(table(top1), ratio if corrected else 0.0, smooth=smooth, draws=400, seed=i)
        regrets = statements.expected_regret(found.draws)
        chosen, among = int(np.argmin(regrets)), statements.best_set(found.draws)
        apart = statements.difference(found.draws, 0, 5, 0.9)
        rows.append(
            {
                "holds": bool(set(among) & set(np.flatnonzero(truth == truth.max()))),
                "size": len(among),
                "regret": regrets[chosen],
                "true_regret": truth.max() - truth[chosen],
                "within": statements.probability_within(found.draws, 0.005)[chosen],
                "truly_within": truth[chosen] >= truth.max() - 0.005,
                "covered": apart.low <= truth[0] - truth[5] <= apart.high,
                "squared_error": np.mean((found.mean - found.mean.mean() - truth + truth.mean()) ** 2),
            }
        )
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
