"""The statistics of advice: which candidate is best, with which doubt, and what to train next. Pure functions.

    scores (candidate, fold, seed) -> posterior -> draws -> regret, sets, differences -> next runs, or the end

A candidate is one policy of what to keep, tune, re-initialise and drop. Nothing here trains or loads TensorFlow.
"""

__all__ = [
    "confidence",
    "held_out",
    "paired_scores",
    "racing",
    "statements",
    "stopping",
]
