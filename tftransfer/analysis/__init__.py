"""From records to numbers: data frames of networks, paired differences, intervals and warnings.

    from tftransfer import analysis

    frame = analysis.networks(pathlib.Path("runs/my_study"))   # or "paper"
    analysis.effects(frame)
    analysis.data_size(frame)                                  # effects against images per class

Needs the extra `report` (pandas, scipy); never loads TensorFlow.
"""

from tftransfer.analysis.data_sizes import data_size
from tftransfer.analysis.differences import effects, pairs
from tftransfer.analysis.frames import networks

__all__ = [
    # modules for reports and the tab of TensorBoard
    "best",
    "boosts",
    "checks",
    # the interface of users
    "data_size",
    "decomposition",
    "diagnostics",
    "differences",
    "effects",
    "families",
    "frames",
    "intervals",
    "networks",
    "pairs",
    "paper",
    "study",
]  # fmt: skip
