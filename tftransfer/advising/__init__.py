"""Advice: what to keep, tune and drop of a network; its candidates, phases and statistics.

    scores (candidate, fold, seed) -> posterior -> draws -> regret, sets, differences -> next runs, or the end

A candidate is one policy of what to keep, tune, re-initialise and drop. Only `advisor`, `document` and `live` load
TensorFlow; the statistics are pure functions.
"""

__all__ = [
    "advisor",
    "candidates",
    "confidence",
    "document",
    "folds",
    "held_out",
    "paired_scores",
    "racing",
    "schedule",
    "sentences",
    "state",
    "statements",
    "stopping",
]
