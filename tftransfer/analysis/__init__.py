"""From records to numbers: data frames of networks, paired differences, intervals and what to be careful about.

    from tftransfer import analysis

    frame = analysis.networks(pathlib.Path("runs/my_study"))   # or "paper"
    analysis.effects(frame)

Needs the extra `report` (pandas, scipy); never loads TensorFlow.
"""

from tftransfer.analysis.differences import effects, pairs
from tftransfer.analysis.frames import networks

__all__ = ["effects", "networks", "pairs"]
