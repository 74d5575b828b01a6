"""Advice on which blocks to keep, tune, re-initialise or drop: candidates, their race, and its statistics.

    scores (candidate, fold, seed) -> posterior -> draws -> regret, sets, differences -> next runs, or the end

A candidate is one policy of what to keep, tune, re-initialise and drop. Only `live`, which trains candidates,
`advisor`, which runs the phases, and `document` load TensorFlow.
"""

__all__ = [
    "advisor",
    "candidates",
    "document",
    "export",
    "folds",
    "held_out",
    "live",
    "page",
    "schedule",
    "sentences",
    "state",
]
