"""The embedded data set: 40 kinds of small pictures, drawn on demand, so that a study runs without a download.

20 kinds are man-made and 20 natural, each with 200 training and 50 validation images of 32 x 32 RGB. Colour, pose,
scale, background, light and noise vary; a picture depends on its class, subset and index only.

Names are resolved on first use: NumPy is loaded by what draws, not by what asks for the names of the classes.
"""

import importlib
from typing import Any

from tftransfer.data.motifs.class_names import CLASS_NAMES, MOTIFS

__all__ = ["CLASS_NAMES", "IMAGE_SIZE", "MOTIFS", "TRAIN_PER_CLASS", "VAL_PER_CLASS", "VERSION", "draw"]

_DRAWING = frozenset(__all__) - {"CLASS_NAMES", "MOTIFS"}


def __getattr__(name: str) -> Any:
    """Returns an object of `drawing`."""
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.drawing"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
