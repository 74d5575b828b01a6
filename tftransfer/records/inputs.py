"""Inputs and outputs of a finished network: the preprocessing of images, and the classes of its logits.

model = tftransfer.load(folder)
inputs = tftransfer.preprocessing(folder)
inputs.decode_predictions(model.predict(inputs(["photograph.jpg"])))
"""

import dataclasses
import hashlib
import io
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer.data import decode
from tftransfer.models.preprocessing import BGR
from tftransfer.records import record_files
from tftransfer.records.record_files import Record
from tftransfer.system import atomic, untrusted_files

MEAN = "mean.npy"
FIELD = "inputs"
_MOST_BYTES = 2**28  # of a file; as a mean image 4,700 pixels a side
_MOST_TIMES = 4  # the input's side: the largest `stored_size`


@dataclasses.dataclass(frozen=True, eq=False)
class Preprocessing:
    """The preprocessing of a network's images, as in its validation, and the classes of its outputs.

    An image is warped to a square of `stored_size` pixels and its centre is cropped; the input is
    `(pixels - mean) * scale`, or with `reverse` `(pixels[..., ::-1] - mean) * scale`.

    Attributes:
        class_names: Names of the classes, in the order of the network's outputs.
        input_size: Height and width of the input in pixels.
        stored_size: Height and width in pixels to which images are warped before the centre is cropped.
        mean: Mean of its training images, 0 to 255, or mean of each channel that its pretrained source knows, float32
            `(input_size, input_size, 3)`.
        scale: Factor on pixels after the mean is subtracted; one for all channels or one for each.
        reverse: Whether its channels are BGR.
    """

    class_names: tuple[str, ...]
    input_size: int
    stored_size: int
    mean: np.ndarray
    scale: float | tuple[float, ...]
    reverse: bool = False

    def __call__(self, images: Sequence[str | os.PathLike | np.ndarray]) -> np.ndarray:
        """Returns the network's input, float32 `(images, input_size, input_size, 3)`.

        Args:
            images: Paths of image files, or arrays of pixels, 0 to 255, `(height, width, 3)` of any size.

        Raises:
            ValueError: If an image cannot be decoded, or pixels have another shape or range.
        """
        if isinstance(images, str | os.PathLike):
            raise ValueError(f"Expected a list of images. Received one: {images!r}. Write [image].")
        margin = (self.stored_size - self.input_size) // 2
        window = slice(margin, margin + self.input_size)
        batch = np.empty((len(images), self.input_size, self.input_size, 3), np.float32)
        for place, image in enumerate(images):
            pixels = decode.resize(self._pixels(image), self.stored_size)[window, window]
            pixels = pixels[..., ::-1] if self.reverse else pixels
            batch[place] = np.subtract(pixels, self.mean, dtype=np.float32)
        batch *= np.float32(self.scale)
        return batch

    def _pixels(self, image: Any) -> np.ndarray:
        """Returns the pixels of an image, uint8 `(height, width, 3)`."""
        if isinstance(image, str | os.PathLike):
            try:
                content = untrusted_files.content(image, _MOST_BYTES)
                return decode.decode(content, at_least=self.stored_size)
            except ValueError as error:  # of `decode`, too
                raise ValueError(f"Cannot read the image {image}: {error}") from error
        pixels = np.asarray(image)
        if pixels.dtype.kind not in "uif":
            raise ValueError(f"Expected pixels from 0 to 255, whole numbers or floats. Received: {pixels.dtype}.")
        fits = pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.size and 0 <= pixels.min() <= pixels.max() <= 255
        if not fits:
            raise ValueError(
                f"Expected pixels from 0 to 255 of shape (height, width, 3). Received: shape {pixels.shape}, "
                f"{pixels.min() if pixels.size else 'none'} to {pixels.max() if pixels.size else 'none'}."
            )
        return np.rint(pixels).astype(np.uint8)

    def decode_predictions(self, logits: np.ndarray, top: int = 5) -> list[list[tuple[str, float]]]:
        """Returns the most probable classes of each image with their probabilities, the most probable first.

        Args:
            logits: Outputs of the network, `(images, classes)`.
            top: Number of classes for each image; all if there are fewer.

        Raises:
            ValueError: If the number of outputs is not that of the classes.
        """
        logits = np.asarray(logits, np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.class_names):
            raise ValueError(f"Expected logits of {len(self.class_names)} classes. Received: shape {logits.shape}.")
        softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax /= softmax.sum(axis=1, keepdims=True)
        order = np.argsort(-softmax, axis=1, kind="stable")[:, :top]
        return [[(self.class_names[i], float(row[i])) for i in best] for row, best in zip(softmax, order, strict=True)]


def preprocessing(folder: str | os.PathLike) -> Preprocessing:
    """Returns the preprocessing of a finished network, with its classes in the order of its outputs.

    Args:
        folder: The network's folder, `runs/<study>/<network>`.

    Raises:
        ValueError: If there is no record, or the preprocessing was not kept with it or is damaged.
    """
    record = record_files.read(pathlib.Path(folder))
    if record is None:
        raise ValueError(f"No finished network in {folder}. Expected a folder with {record_files.RECORD}.")
    kept = of_record(record)
    if kept is None:
        raise ValueError(
            f"The preprocessing of {record.name} was not kept with it, or is damaged: only networks whose "
            f"weights were kept have {MEAN}. Train it again with --keep_weights --force."
        )
    return kept


def of_record(record: Record) -> Preprocessing | None:
    """Returns the preprocessing of a network; None if it was not kept with it or is damaged."""
    described = record.content.get(FIELD, {})
    try:
        content = untrusted_files.content(record.folder / MEAN, _MOST_BYTES)
        if hashlib.sha256(content).hexdigest() != described["mean_sha256"]:
            return None
        mean = np.load(io.BytesIO(content), allow_pickle=False)
        sizes = int(described["input_size"]), int(described["stored_size"])
        if mean.shape != (sizes[0], sizes[0], 3) or mean.dtype != np.float32 or not np.isfinite(mean).all():
            return None
        names, scale, reverse = tuple(described["class_names"]), _scale(described["scale"]), "channels" in described
        fine = sizes[0] <= sizes[1] <= _MOST_TIMES * sizes[0] and described.get("channels", BGR) == BGR
        fine &= all(isinstance(name, str) for name in names)
        if not fine or len(set(names)) != len(names) or len(names) != record.identity["data"]["class_count"]:
            return None
        return Preprocessing(names, *sizes, mean, scale, reverse)
    except (OSError, EOFError, KeyError, TypeError, ValueError, OverflowError, MemoryError):
        return None


def _scale(value: Any) -> float | tuple[float, ...]:
    """Returns the factor on pixels, or on those of each channel; raises ValueError if it is none."""
    factors = [float(each) for each in value] if isinstance(value, list) else [float(value)]
    if len(factors) not in (1, 3) or not all(math.isfinite(each) and each > 0 for each in factors):
        raise ValueError(f"no factor: {value}")
    return tuple(factors) if isinstance(value, list) else factors[0]


def describe(
    class_names: Sequence[str], size: int, mean: np.ndarray, scale: float | tuple[float, ...], reverse: bool = False
) -> dict[str, Any]:
    """Returns the description of a network's inputs and outputs for its record, as JSON.

    Args:
        class_names: Names of the classes, in the order of its outputs.
        size: Height and width of the input in pixels.
        mean: Mean image, 0 to 255, `(stored_size, stored_size, 3)`.
        scale: Factor on pixels after the mean is subtracted; one for all channels or one for each.
        reverse: Whether channels are BGR.
    """
    return {
        "class_names": list(class_names),
        "input_size": size,
        "stored_size": mean.shape[0],
        "mean_pixel": [round(float(value), 3) for value in mean.mean(axis=(0, 1))],
        "scale": list(scale) if isinstance(scale, tuple) else scale,
        **({"channels": BGR} if reverse else {}),
    }


def save(folder: pathlib.Path, described: Mapping[str, Any], mean: np.ndarray) -> dict[str, str]:
    """Writes the centre of a mean image beside the record, atomically; returns its SHA-256 for the description."""
    size = described["input_size"]
    margin = (described["stored_size"] - size) // 2
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(mean[margin : margin + size, margin : margin + size], np.float32))
    atomic.write(folder / MEAN, buffer.getvalue())
    return {"mean_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
