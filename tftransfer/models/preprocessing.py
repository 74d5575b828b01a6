"""Preprocessing as pretrained weights know it: one affine map per channel and an order of channels, as plain values."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from tftransfer.models.catalog import APPLICATIONS

RGB, BGR = "rgb", "bgr"
PIXELS = "pixels"
"""Input of networks that are trained here: pixels less the mean image of the target, times --pixel_scale."""

_MOST = 1e6  # largest mean and factor; pixels go to 255
_NUMBER = r"-?\d{1,20}(?:\.\d{1,20})?(?:e[+-]?\d{1,3})?"
_TRIPLE = rf"{_NUMBER},{_NUMBER},{_NUMBER}"
_TEXT = re.compile(rf"(rgb|bgr):({_TRIPLE}):({_TRIPLE})")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """An input of networks, `(pixels[..., order] - mean) * scale`, of RGB pixels from 0 to 255.

    Computed in float32 in this order, within one unit in the last place (of the largest input) of the exact value.
    `preprocess_input` of keras.applications takes other steps: with caffe and none both agree bit by bit, with tf to
    one unit, with torch to two, since three roundings of Keras make 1.5.

    Attributes:
        mean: Subtracted from each channel, in the network's order of channels.
        scale: Factor on each channel after that, above 0.
        order: Order of the network's channels, `rgb` or `bgr`.

    Raises:
        ValueError: If a number is not finite or out of range, or the order is another one.
    """

    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    order: str = RGB

    def __post_init__(self) -> None:
        for name in ("mean", "scale"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        means = len(self.mean) == 3 and all(math.isfinite(value) and abs(value) <= _MOST for value in self.mean)
        scales = len(self.scale) == 3 and all(0 < value <= _MOST for value in self.scale)
        if not (means and scales and self.order in (RGB, BGR)):
            raise ValueError(
                f"Expected three finite means, three factors above 0, and the order {RGB} or {BGR}. "
                f"Received: {self.mean}, {self.scale}, {self.order!a}"
            )

    @property
    def text(self) -> str:
        """The map as text, which `parse` reads: the name of its mode, or `rgb:MEAN,MEAN,MEAN:SCALE,SCALE,SCALE`."""
        return next((name for name, mode in MODES.items() if mode == self), self.numbers)

    @property
    def numbers(self) -> str:
        """The map as text without a mode's name."""
        rows = (",".join(f"{value!r}".removesuffix(".0") for value in row) for row in (self.mean, self.scale))
        return ":".join([self.order, *rows])


_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB, of pixels from 0 to 1

MODES: dict[str, Preprocessing] = {
    "caffe": Preprocessing((103.939, 116.779, 123.68), (1, 1, 1), BGR),
    "tf": Preprocessing((127.5,) * 3, (1 / 127.5,) * 3),
    "torch": Preprocessing(
        tuple(255 * mean for mean in _IMAGENET_MEAN), tuple(1 / (255 * each) for each in _IMAGENET_DEVIATION)
    ),
    "none": Preprocessing((0, 0, 0), (1, 1, 1)),
}
"""The modes of keras.applications.imagenet_utils.preprocess_input, and none at all."""

EXPECTED = f"{', '.join(MODES)}, {PIXELS}, or rgb:MEAN,MEAN,MEAN:FACTOR,FACTOR,FACTOR (also bgr:...)"

# Models of keras.applications by the beginning of their names, longer ones first, with the mode of their own
# `preprocess_input`.
_APPLICATION_MODES = {
    "ConvNeXt": "none", "DenseNet": "torch", "EfficientNet": "none", "Inception": "tf", "MobileNetV3": "none",
    "MobileNet": "tf", "NASNet": "tf", "ResNet50V2": "tf", "ResNet101V2": "tf", "ResNet152V2": "tf", "ResNet": "caffe",
    "VGG": "caffe", "Xception": "tf",
}  # fmt: skip

_HALF_BYTE = Preprocessing((128,) * 3, (1 / 128,) * 3)
# Normalization in EfficientNetB0 to B7 divides by the root of the deviation. With weights="imagenet" Keras adds a layer
# that divides by it once more, after the mean was subtracted; untrained models do not have it.
_ONCE_MORE = tuple(1 / math.sqrt(deviation) for deviation in _IMAGENET_DEVIATION)
_EFFICIENTNET = Preprocessing(
    tuple(255 * mean * (1 - 1 / factor) for mean, factor in zip(_IMAGENET_MEAN, _ONCE_MORE, strict=True)), _ONCE_MORE
)
# What models with the mode none do in layers of their own, which are left out where they are built untrained.
_LEFT_OUT = {
    "ConvNeXt": MODES["torch"], "EfficientNetV2B": MODES["torch"], "EfficientNetV2": _HALF_BYTE,
    "EfficientNetB": _EFFICIENTNET, "MobileNetV3": MODES["tf"],
}  # fmt: skip
# Built with include_preprocessing=False here (`architectures`), and with True by whoever trained them.
_RESCALED_INSIDE = ("ConvNeXt", "EfficientNetV2", "MobileNetV3")


def _by_beginning(table: Mapping[str, Any], model: str) -> Any:
    """Returns the value of the first key with which a model's name begins; None if there is none."""
    return next((value for beginning, value in table.items() if model.startswith(beginning)), None)


def application_mode(model: str) -> str:
    """Returns the mode of the `preprocess_input` of a model of keras.applications."""
    return _by_beginning(_APPLICATION_MODES, model)


def of_application(model: str) -> Preprocessing:
    """Returns the input that the ImageNet weights of a model of keras.applications know, as models are built here.

    Models that rescale in layers of their own are built without these layers: the map does it in their place.
    """
    return _by_beginning(_LEFT_OUT, model) or MODES[application_mode(model)]


def expected(text: str) -> str | None:
    """Returns the expected values if `text` is no preprocessing; None if it is one, or empty."""
    try:
        parse(text)
    except ValueError:
        return EXPECTED
    return None


def parse(text: str, model: str = "") -> Preprocessing | None:
    """Returns the map of a text; None for an empty one and `pixels`.

    Args:
        text: The name of a mode, or as `Preprocessing.text` writes it.
        model: Value of --model: with `none`, what a model of keras.applications does to pixels in layers that are left
            out here is done all the same.

    Raises:
        ValueError: If it is neither.
    """
    if text in ("", PIXELS):
        return None
    if text == "none" and model in APPLICATIONS and model.startswith(_RESCALED_INSIDE):
        return of_application(model)
    if text in MODES:
        return MODES[text]
    match = _TEXT.fullmatch(text)
    if not match:
        raise ValueError(f"Expected {EXPECTED}. Received: {text[:100]!a}")
    order, *triples = match.groups()
    return Preprocessing(*(tuple(map(float, triple.split(","))) for triple in triples), order)
