"""Trains groups of networks, proves what stayed and what moved, and keeps what is needed to go on.

`group` makes one model of many networks, `trainer` trains it, `outcomes` says what each network is in the end.
"""

__all__ = [
    "checkpoints",
    "compilation",
    "diagnostics",
    "evaluation",
    "features",
    "group",
    "memory",
    "optimizers",
    "outcomes",
    "plain_model",
    "strategies",
    "trainer",
    "untrained_sources",
    "weights",
]
