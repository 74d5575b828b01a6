"""tf.data pipelines from a prepared half to batches for training and evaluation.

A batch is a function of (seed, half, step): its images, their order and their augmentation. Training can therefore
start at any step, and networks of one half and seed see the same images whatever their treatment.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tftransfer import seeds


class ImageSource(Protocol):
    """The interface of labelled images, as pipelines read them; `store.Half` has it.

    Attributes:
        labels: int32 `(images,)`.
        ids: Stable numbers of the images, from which augmentation derives, int64 `(images,)`.
        size: Side of the stored images in pixels.
        encoding: "raw": `read` gives pixels, uint8 `(positions, size, size, 3)`; "jpeg": `read_encoded` gives files.
    """

    labels: np.ndarray
    ids: np.ndarray
    size: int
    encoding: str

    def __len__(self) -> int: ...
    def read(self, positions: np.ndarray) -> np.ndarray: ...
    def read_encoded(self, positions: np.ndarray) -> list[bytes]: ...


@dataclasses.dataclass(frozen=True)
class View:
    """The way from a stored image to the network's input: a crop, minus the mean image, times a factor.

    Attributes:
        size: Side of the crop in pixels.
        mean: Mean image of the training half, or the mean of pretrained weights in each channel, in the network's order
            of channels, `(stored size, stored size, channels)`, 0-255.
        scale: Factor after the mean was subtracted, one for all or one for each channel.
        padding: Pixels reflected at each side before a random crop, for images stored without slack.
        reverse: Whether the network's channels are those of the stored images from last to first, BGR.
    """

    size: int
    mean: np.ndarray
    scale: float | tuple[float, ...]
    padding: int = 0
    reverse: bool = False

    @classmethod
    def of_channels(
        cls, size: int, stored: int, mean: Sequence[float], scale: Sequence[float], reverse: bool, padding: int = 0
    ) -> "View":
        """Returns a view with one mean and factor for each channel, `(pixels[..., order] - mean) * scale`.

        Args:
            size: Side of the crop in pixels.
            stored: Side of the stored images in pixels.
            mean: Subtracted from each channel, in the network's order of channels.
            scale: Factor on each channel.
            reverse: Whether that order is that of the stored images from last to first.
            padding: Pixels reflected at each side before a random crop.
        """
        image = np.broadcast_to(np.float32(mean), (stored, stored, len(mean)))
        return cls(size, np.ascontiguousarray(image), tuple(scale), padding, reverse)

    @property
    def slack(self) -> int:
        """Pixels by which the images exceed the crop in each direction."""
        return self.mean.shape[0] + 2 * self.padding - self.size


@dataclasses.dataclass(frozen=True)
class Sampling:
    """The order of the training images, and their augmentation.

    Attributes:
        seed: Seed of the network.
        target: Letter of the half; all seeds are derived from names with it.
        batch_size: Images in a step, over all replicas.
        crop: True for random crops, else the centre.
        mirror: True to mirror half of the images.
    """

    seed: int
    target: str
    batch_size: int
    crop: bool = True
    mirror: bool = True

    def positions(self, half: ImageSource, step: int) -> tuple[np.ndarray, int]:
        """Returns the positions of a step's images in the half, int64 `(batch,)`, and the step's epoch."""
        epoch, batch = divmod(step, len(half) // self.batch_size)
        return _order(self, half, epoch)[batch * self.batch_size : (batch + 1) * self.batch_size], epoch

    def augmentation(self, ids: np.ndarray, epoch: int, slack: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns top and left of each image in pixels, int64 `(batch,)`, and whether it is mirrored, bool `(batch,)`.

        Random crops lie evenly around the centre crop, which evaluation takes: an odd slack leaves the last position
        out, so that the paper's slack of 29 pixels has Caffe's 29 offsets, 0 to 28 (`Rand() % (height - crop_size)`).
        """
        bits = seeds.hashed(seeds.derive(self.seed, "augment", self.target, epoch), ids)
        if self.crop:
            top, left = (
                (bits >> shift) % np.uint64(1 << 24) % np.uint64(slack // 2 * 2 + 1)
                for shift in (np.uint64(0), np.uint64(24))
            )
        else:
            top = left = np.full(len(ids), slack // 2)
        mirror = (bits >> np.uint64(63)).astype(bool) if self.mirror else np.zeros(len(ids), bool)
        return top.astype(np.int64), left.astype(np.int64), mirror


@functools.lru_cache(maxsize=4)  # this epoch's order, and at its end the next one's
def _order(sampling: Sampling, half: ImageSource, epoch: int) -> np.ndarray:
    """Returns all positions in the half in the order of an epoch, int64 `(images,)`."""
    bits = seeds.hashed(seeds.derive(sampling.seed, "order", sampling.target, epoch), half.ids)
    return np.argsort(bits, kind="stable")


def training_batches(half: ImageSource, view: View, sampling: Sampling, first_step: int, steps: int) -> tf.data.Dataset:
    """Returns the batches of `steps` training steps from `first_step` on.

    Args:
        half: Training images of a task.
        view: Crop, mean and scale.
        sampling: Order and augmentation.
        first_step: Number of steps done before.
        steps: Number of steps to come.

    Returns:
        Dataset of images `(batch, size, size, channels)` float32 and labels `(batch,)` int32.
    """

    def chosen(step: np.int64) -> tuple[np.ndarray, ...]:
        positions, epoch = sampling.positions(half, int(step))
        return positions, *sampling.augmentation(half.ids[positions], epoch, view.slack)

    numbers = tf.data.Dataset.range(first_step, first_step + steps)
    return _with_labels(numbers, half, view, sampling.batch_size, chosen)


def evaluation_batches(half: ImageSource, view: View, batch_size: int) -> tf.data.Dataset:
    """Returns all images of a half once, cropped at the centre, in batches of equal size.

    The last batch is filled up with images of weight 0, so that any number of images is exact on any number of
    replicas.

    Returns:
        Dataset of images `(batch, size, size, channels)` float32, labels `(batch,)` int32, weights `(batch,)` float32.
    """
    view = dataclasses.replace(view, padding=0)
    batches = -(-len(half) // batch_size)

    def chosen(step: np.int64) -> tuple[np.ndarray, ...]:
        positions = np.minimum(np.arange(step * batch_size, (step + 1) * batch_size), len(half) - 1)
        centre = np.full(batch_size, view.slack // 2)
        return positions, centre, centre, np.zeros(batch_size, bool)

    def weighted(images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        real = tf.range(step * batch_size, (step + 1) * batch_size) < len(half)
        return images, labels, tf.cast(real, tf.float32)

    steps = tf.data.Dataset.range(batches)
    return tf.data.Dataset.zip(_with_labels(steps, half, view, batch_size, chosen), steps).map(
        lambda batch, step: weighted(*batch, step)
    )


def _with_labels(steps: tf.data.Dataset, half: ImageSource, view: View, batch_size: int, chosen) -> tf.data.Dataset:
    """Reads, crops and centres the images that `chosen` names for each step."""
    shape = (batch_size, view.size, view.size, view.mean.shape[-1])  # of the images: (batch, height, width, channels)
    if half.encoding == "jpeg":
        images = _jpeg_batches(steps, half, view, batch_size, chosen)
    else:

        def batch(step: np.int64) -> tuple[np.ndarray, np.ndarray]:
            positions, *crops = chosen(step)
            return crop(half.read(positions), view, *crops), half.labels[positions].astype(np.int32)

        images = steps.map(
            lambda step: tf.numpy_function(batch, [step], (tf.float32, tf.int32)),
            num_parallel_calls=2,
            deterministic=True,
        )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # The thread of tf.data's autotune sleeps for up to a minute, and the iterator's end waits for it.
    options.autotune.enabled = False
    return (
        images.map(lambda x, y: (tf.ensure_shape(x, shape), tf.ensure_shape(y, shape[:1])))
        .prefetch(4)
        .with_options(options)
    )


def crop(images: np.ndarray, view: View, top: np.ndarray, left: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Returns crops of the images, less the mean of the same window, times the scale.

    Args:
        images: `(batch, stored size, stored size, channels)` uint8.
        view: Crop, mean, scale and order of channels.
        top: First row of each crop in the padded image, pixels.
        left: First column of each crop.
        mirror: True where the crop is mirrored.

    Returns:
        `(batch, size, size, channels)` float32.
    """
    mean, pad = view.mean, view.padding
    if view.reverse:
        images = images[..., ::-1]
    if pad:
        images = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
        mean = np.pad(mean, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    result = np.empty((len(images), view.size, view.size, images.shape[-1]), np.float32)
    for i, (row, column, mirrored) in enumerate(zip(top, left, mirror, strict=True)):
        window = slice(row, row + view.size), slice(column, column + view.size)
        centred = np.subtract(images[i][window], mean[window], dtype=np.float32)
        result[i] = centred[:, ::-1] if mirrored else centred
    result *= np.float32(view.scale)
    return result


def _jpeg_batches(steps: tf.data.Dataset, half: ImageSource, view: View, batch_size: int, chosen) -> tf.data.Dataset:
    """Decodes only the crop of each image, several at a time."""
    mean, scale = tf.constant(view.mean), tf.constant(view.scale, tf.float32)

    def encoded(step: np.int64) -> tuple[np.ndarray, ...]:
        positions, top, left, mirror = chosen(step)
        files = np.array(half.read_encoded(positions), dtype=object)
        return files, top.astype(np.int32), left.astype(np.int32), mirror, half.labels[positions].astype(np.int32)

    def decode(file: tf.Tensor, top: tf.Tensor, left: tf.Tensor, mirror: tf.Tensor, label: tf.Tensor):
        window = tf.stack([top, left, view.size, view.size])
        image = tf.cast(tf.io.decode_and_crop_jpeg(file, window, channels=view.mean.shape[-1]), tf.float32)
        if view.reverse:
            image = tf.reverse(image, [2])
        image -= tf.image.crop_to_bounding_box(mean, top, left, view.size, view.size)
        image = tf.cond(mirror, lambda: tf.reverse(image, [1]), lambda: image)
        return image * scale, label

    def shaped(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(tf.ensure_shape(part, (batch_size,)) for part in parts)

    types = (tf.string, tf.int32, tf.int32, tf.bool, tf.int32)
    return (
        steps.map(lambda step: shaped(*tf.numpy_function(encoded, [step], types)), num_parallel_calls=1)
        .unbatch()
        .map(decode, num_parallel_calls=os.cpu_count(), deterministic=True)
        .batch(batch_size, drop_remainder=True)
    )
