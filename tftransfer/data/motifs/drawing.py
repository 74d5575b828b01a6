"""The images of the embedded data set: one picture per class, subset and index."""

import numpy as np

from tftransfer import seeds
from tftransfer.data.motifs import inanimate, living, manmade, scene
from tftransfer.data.motifs.class_names import CLASS_NAMES, MOTIFS

VERSION = "1.0.0"
"""Grows whenever a pixel changes: it is part of what identifies prepared data."""

IMAGE_SIZE = scene.SIZE
"""Height and width in pixels."""

TRAIN_PER_CLASS = 200
VAL_PER_CLASS = 50

_IMAGES_PER_CLASS = {"train": TRAIN_PER_CLASS, "validation": VAL_PER_CLASS}
_KINDS = {**manmade.KINDS, **living.KINDS, **inanimate.KINDS}


def draw(class_name: str, subset: str, index: int) -> np.ndarray:
    """Draws one image of the data set.

    Args:
        class_name: One of `CLASS_NAMES`.
        subset: `"train"` or `"validation"`.
        index: From 0 to `TRAIN_PER_CLASS - 1` or `VAL_PER_CLASS - 1`.

    Returns:
        uint8 pixels `(32, 32, 3)`; equal arguments give equal pixels.

    Raises:
        ValueError: If there is no such class, subset or image.

    Example:
        >>> draw("gear", "train", 0).shape
        (32, 32, 3)
    """
    if class_name not in _KINDS:
        raise ValueError(f"Unknown class of motifs. Expected one of {', '.join(CLASS_NAMES)}. Received: {class_name!r}")
    if subset not in _IMAGES_PER_CLASS:
        raise ValueError(
            f"Unknown subset of motifs. Expected one of {', '.join(_IMAGES_PER_CLASS)}. Received: {subset!r}"
        )
    count = _IMAGES_PER_CLASS[subset]
    if not 0 <= index < count:
        raise ValueError(
            f"No such image in subset {subset!r} of motifs. Expected 0 <= index < {count}. Received: {index}"
        )
    # Seeds are derived from the spelling of their names, so NumPy's strings and integers must not get there.
    seed = seeds.derive(0, "motifs", str(class_name), str(subset), int(index))
    rng = np.random.Generator(np.random.PCG64(seed))
    return scene.render(_KINDS[class_name], MOTIFS[class_name] == "natural", rng)
