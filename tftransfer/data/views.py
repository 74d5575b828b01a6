"""Views of images: a stated number of them for training, and all images of one view in the order of their half.

A view is a window, mirrored or not. Without `--views` an image has another one in every epoch.
"""

import dataclasses
import hashlib

import numpy as np

from tftransfer.data.pipeline import ImageSource, Sampling, View


@dataclasses.dataclass(frozen=True)
class StatedViews(Sampling):
    """The order of the training images, of which epoch e shows view e modulo `views`.

    Attributes:
        views: Number of views of each image, at least 1.
    """

    views: int = 1

    def augmentation(self, ids: np.ndarray, epoch: int, slack: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns top, left and mirrored of each image, as `Sampling.augmentation` does."""
        return super().augmentation(ids, epoch % self.views, slack)


@dataclasses.dataclass(frozen=True)
class InOrder(Sampling):
    """All images of a half once, in its order, in one view; the last batch is filled up with the last image.

    Attributes:
        number: The view: that of this epoch.
    """

    number: int = 0

    def positions(self, half: ImageSource, step: int) -> tuple[np.ndarray, int]:
        """Returns the positions of a step's images in the half, int64 `(batch,)`, and the view's number."""
        batch = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        return np.minimum(batch, len(half) - 1), self.number


def in_order(sampling: Sampling, number: int, batch_size: int) -> InOrder:
    """Returns all images once, in the view that `sampling` shows in epoch `number`."""
    return InOrder(sampling.seed, sampling.target, batch_size, sampling.crop, sampling.mirror, number)


def count(sampling: Sampling, epochs: int) -> int:
    """Returns the number of views of each image that some epochs show: 1 without crops and mirror images."""
    if not (sampling.crop or sampling.mirror):
        return 1
    return min(sampling.views, epochs) if isinstance(sampling, StatedViews) else epochs


def digest(view: View, sampling: Sampling, number: int, ids: np.ndarray) -> str:
    """Returns the SHA-256 of all that makes inputs of stored images: preprocessing and the window of each image.

    Windows count by their places, so that a view which does not depend on the seed is the same for all seeds.

    Args:
        view: Crop and preprocessing.
        sampling: Augmentation.
        number: The epoch whose view it is.
        ids: Those of the images, int64 `(images,)`.
    """
    result = hashlib.sha256(type(view).__name__.encode())
    named = [(field.name, getattr(view, field.name)) for field in dataclasses.fields(view)]
    windows = zip(("top", "left", "mirror"), sampling.augmentation(ids, number, view.slack), strict=True)
    for name, value in [*named, *windows]:
        is_array = isinstance(value, np.ndarray)
        result.update(f"{name} {f'{value.dtype} {value.shape}' if is_array else repr(value)} ".encode())
        result.update(np.ascontiguousarray(value).tobytes() if is_array else b"")
    return result.hexdigest()
