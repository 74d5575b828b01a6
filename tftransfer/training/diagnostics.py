"""Diagnostics of a network for its report: pictures of first-layer filters, and similarity of features.

They are computed at the end of training, when weights and images are at hand, and kept as small arrays beside the
record.
"""

import dataclasses
import functools
import hashlib
import io
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from tftransfer import seeds, similarity, transfer
from tftransfer.data import pipeline
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.models.blocks import Block, blocks
from tftransfer.system import atomic
from tftransfer.training import trainer
from tftransfer.transfer import Weights

FILE = "diagnostics.npz"
IMAGES = 256
# Images in a batch of the estimate; as Nguyen et al. 2021 found, its size hardly matters.
BATCH = 64
_MOST_FILTERS = 128
# Fraction of the first layer's weights that the grey scale spans; the few beyond it are shown black or white.
_SPANNED = 0.995


def compute(
    config: Config,
    classes: int,
    network: Weights,
    images: np.ndarray | None = None,
    source: Weights | None = None,
    base: Weights | None = None,
) -> dict[str, np.ndarray]:
    """Returns the diagnostics of a trained network.

    Args:
        config: Its architecture and precision.
        classes: Classes of its target.
        network: Its trained weights by layer name.
        images: Inputs of the network, `(images, height, width, channels)` float32, from `inputs`; needed for
            similarity.
        source: Weights of the base whose blocks it copied; its head may have another number of classes.
        base: Weights of its own target's base. A base itself has neither, and only its filters are kept.

    Returns:
        Arrays by name: `filters` (see `filters`); `blocks`, names of the blocks below the head; and, where `base` is
        given, float32 arrays with one linear CKA a block, over `images`: `with_base`, of the network and its target's
        base; and where `source` is given too, `source_with_base`, of the two bases. `images` counts them.
    """
    return DiagnosticsMaker(config, classes, images).compute(network, source, base)


class DiagnosticsMaker:
    """Makes diagnostics of networks of one target, computing the features of bases that they share once.

    Args:
        config: Their architecture and precision.
        classes: Classes of their target.
        images: As for `compute`.
    """

    def __init__(self, config: Config, classes: int, images: np.ndarray | None = None) -> None:
        self._config, self._classes, self._images = config, classes, images
        self._known: list[tuple[Weights, dict[str, list[np.ndarray]]]] = []

    def compute(
        self, network: Weights, source: Weights | None = None, base: Weights | None = None
    ) -> dict[str, np.ndarray]:
        """Returns the diagnostics of a network; the arguments are those of `compute`."""
        arrays = {"filters": filters(network)}
        if base is None or self._images is None:
            return arrays
        with trainer.dtype_policy(self._config.precision):
            own, others = self._shared(base), {"with_base": self._own(network)}
            others |= {} if source is None else {"source_with_base": self._shared(source)}
        left = list(others["with_base"])
        arrays |= {"blocks": np.array(left), "images": np.array(len(self._images), np.int32)}
        for name, grams in others.items():
            arrays[name] = np.array([similarity.linear_cka(grams[block], own[block]) for block in left], np.float32)
        return arrays

    def _own(self, network: Weights) -> dict[str, list[np.ndarray]]:
        """Returns the inner products of a network's features; blocks that it has dropped are left out."""
        weighted = {layer.name for layer in self._model.layers if layer.weights}
        layers = {block.name: weighted & set(block.layers) for block in self._below}
        grams = _grams(self._model, network, self._images)
        return {name: values for name, values in grams.items() if not layers[name] or layers[name] & network.keys()}

    @functools.cached_property
    def _whole(self) -> keras.Model:
        return trainer.build_model(self._config, self._classes)

    @functools.cached_property
    def _below(self) -> tuple[Block, ...]:
        """Returns the blocks below the head."""
        return blocks(self._whole, architectures.block_names(self._config.architecture))[:-1]

    @functools.cached_property
    def _model(self) -> keras.Model:
        """Returns the architecture with the output of every block below the head, by block name."""
        return keras.Model(self._whole.input, {block.name: block.output for block in self._below})

    def _shared(self, weights: Weights) -> dict[str, list[np.ndarray]]:
        """Returns the inner products of features that several networks of a group are compared with."""
        for known, grams in self._known:
            if known is weights:
                return grams
        self._known.append((weights, _grams(self._model, weights, self._images)))
        return self._known[-1][1]


def filters(weights: Weights) -> np.ndarray:
    """Returns the kernels of the first convolution as pictures.

    Args:
        weights: By layer name, in the order of the network.

    Returns:
        `(filters, height, width, channels)` uint8: 128 is a weight of zero, 255 and 1 the largest of the layer. At most
        128 filters.

    Raises:
        ValueError: If there is no convolution.
    """
    kernels = [array for arrays in weights.values() for array in arrays if array.ndim == 4]
    if not kernels:
        raise ValueError(f"The network has no convolution to show. Its layers are {', '.join(weights)}.")
    kernel = np.moveaxis(np.asarray(kernels[0], np.float64), -1, 0)[:_MOST_FILTERS]
    largest = np.quantile(np.abs(kernel), _SPANNED)
    scaled = np.clip(kernel / largest, -1, 1) if largest > 0 else np.zeros_like(kernel)  # -1 to 1
    return np.rint(128 + 127 * scaled).astype(np.uint8)


def inputs(task: trainer.Task, count: int = IMAGES) -> np.ndarray:
    """Returns inputs from a task's validation images: always the same ones, drawn at random, in random order.

    Sets of images lie class by class, so that images in their order would make batches of a few classes each: their
    features would be like each other, and unlike in the batch, by class.

    Args:
        task: Images of the target.
        count: How many; all if there are fewer.

    Returns:
        `(images, size, size, channels)` float32, cropped at the centre, as in evaluation.
    """
    half, count = task.validation, min(count, len(task.validation))
    order = seeds.hashed(
        seeds.derive(0, "diagnostics"), half.ids
    )  # of no network's seed: all are shown the same images
    chosen = _Chosen(half, np.argsort(order, kind="stable")[:count])
    batch, _, _ = next(iter(pipeline.evaluation_batches(chosen, task.view, count)))
    return np.asarray(batch)


def save(folder: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Writes diagnostics beside the record, atomically; returns what the record says of it, under `diagnostics`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    atomic.write(folder / FILE, content)
    return {"file": FILE, "sha256": hashlib.sha256(content).hexdigest()}


@dataclasses.dataclass(frozen=True, eq=False)
class _Chosen:
    """Some images of a half, as a half."""

    half: pipeline.ImageSource
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> np.ndarray:
        return self.half.labels[self.positions]

    @property
    def ids(self) -> np.ndarray:
        return self.half.ids[self.positions]

    @property
    def size(self) -> int:
        return self.half.size

    @property
    def encoding(self) -> str:
        return self.half.encoding

    def read(self, positions: np.ndarray) -> np.ndarray:
        return self.half.read(self.positions[positions])

    def read_encoded(self, positions: np.ndarray) -> list[bytes]:
        return self.half.read_encoded(self.positions[positions])


def _grams(model: keras.Model, weights: Weights, images: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Returns the inner products of the images' features at every block, batch by batch."""
    transfer.copy_layers(_present(weights, model), model)
    grams: dict[str, list[np.ndarray]] = {}  # each (batch, batch)
    for batch in _batches(images):
        features = model(batch, training=False)
        for block, values in features.items():
            grams.setdefault(block, []).append(similarity.gram(keras.ops.convert_to_numpy(values)))
    return grams


def _batches(images: np.ndarray) -> list[np.ndarray]:
    """Returns the images in batches of equal size, so that each counts alike."""
    return np.array_split(images, max(1, len(images) // BATCH))


def _present(weights: Weights, model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Returns the weights of the layers that a model has: a head is left out."""
    names = {layer.name for layer in model.layers}
    return {name: arrays for name, arrays in weights.items() if name in names}
