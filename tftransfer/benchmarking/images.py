"""Images of a benchmark: the prepared ones of the data set, or drawn ones of the same size."""

import dataclasses
import io

import numpy as np
from PIL import Image

from tftransfer.data import datasets, pipeline, store
from tftransfer.experiment import prepared_images, splits
from tftransfer.experiment.config import Config
from tftransfer.training import trainer

_CLASSES = 100
_DIFFERENT = 64


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnHalf:
    """Images of smooth noise, so that decoding their JPEG takes as long as that of photographs.

    Attributes:
        size: Height and width in pixels.
        encoding: "raw" or "jpeg".
        labels: Class of each image, int32 `(images,)`.
        ids: Numbers of the images, int64 `(images,)`.
        pixels: The distinct images, which repeat, uint8 `(n, size, size, 3)`.
        encoded: The same as JPEG; empty for raw images.
    """

    size: int
    encoding: str
    labels: np.ndarray
    ids: np.ndarray
    pixels: np.ndarray
    encoded: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Returns the pixels of some images."""
        return self.pixels[np.asarray(positions) % len(self.pixels)]

    def read_encoded(self, positions: np.ndarray) -> list[bytes]:
        """Returns some images as JPEG."""
        return [self.encoded[position % len(self.encoded)] for position in positions]


def drawn(size: int, images: int) -> DrawnHalf:
    """Returns a half of `images` drawn images of `size` pixels, encoded like a store of that size."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (_DIFFERENT, max(2, size // 8), max(2, size // 8), 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in coarse]
    pixels = np.clip(np.stack(smooth) + rng.normal(0, 6, (_DIFFERENT, size, size, 3)), 0, 255).astype(np.uint8)
    encoding = "raw" if size <= store.RAW_UP_TO else "jpeg"
    encoded = tuple(_jpeg(one) for one in pixels) if encoding == "jpeg" else ()
    labels = rng.integers(0, _CLASSES, images).astype(np.int32)
    return DrawnHalf(size, encoding, labels, np.arange(images), pixels, encoded)


def _jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=90)
    return file.getvalue()


def drawn_task(config: Config) -> trainer.Task:
    """Returns a task of drawn images at the size of the network's input."""
    half = drawn(config.input_size + config.crop_slack, max(2 * config.batch_size, 256))
    view = pipeline.View(config.input_size, half.pixels.mean(0, dtype=np.float32), config.pixel_scale)
    return trainer.Task("drawn", "B", _CLASSES, half, drawn(half.size, 64), view)


def task(config: Config) -> trainer.Task:
    """Returns half B of the prepared data set, or drawn images if it is not prepared or smaller than a batch."""
    found = _prepared(config)
    if found is None:
        return drawn_task(config)
    split = splits.make(
        config.split, found.class_names, found.class_kinds, config.split_seed, config.split_file or None
    )
    classes = split.classes("B")
    training = found.select("train", classes, config.images_per_class or None)
    if len(training) < config.batch_size:
        return drawn_task(config)
    return trainer.Task(
        split.name, "B", len(classes), training, found.select("val", classes), trainer.view_of(config, training)
    )


def _prepared(config: Config) -> store.Store | None:
    """Returns the prepared images, None if there are none. TensorFlow Datasets, which may download, is not asked."""
    if config.dataset not in datasets.OWN_DATASETS:
        return None
    source = prepared_images.dataset_of(config)
    return store.find(
        source, prepared_images.cache_folder(config), prepared_images.stored_size(config, source.native_size)
    )
