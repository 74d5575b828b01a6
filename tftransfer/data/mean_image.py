"""The mean image of a half, which is subtracted from its images; cached in the store."""

import concurrent.futures
import contextlib
import hashlib
import logging
import os
from collections.abc import Callable

import filelock
import numpy as np

from tftransfer.data.datasets.dataset import Digest
from tftransfer.data.decode import decode
from tftransfer.data.shards import refuse_packed
from tftransfer.data.store import Half
from tftransfer.system import atomic

# Images read at a time for a mean: 100 MB at 128 pixels a side.
_MEAN_CHUNK = 2048


def mean_image(half: Half) -> np.ndarray:
    """Returns the mean of all images of `half`, float32 `(size, size, 3)`, 0-255; cached in the store."""
    store = half.store
    name = Digest(half.subset, half.ids.tobytes()).hexdigest()[:32]
    path = os.path.join(store.path, "means", f"{name}.npz")
    if (mean := _read_mean(path, store.size)) is not None:
        return mean
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            if (mean := _read_mean(path, store.size)) is None:
                mean = _compute_mean(half)
                atomic.write(path, lambda file: np.savez(file, mean=mean, sha256=_digest(mean)))
    except OSError as error:  # the store of another user may be read-only
        logging.getLogger(__name__).warning("The mean image cannot be kept (%s); it is computed each time.", error)
        mean = _compute_mean(half)
    return mean


def _read_mean(path: str, size: int) -> np.ndarray | None:
    """Returns the mean image at `path`, float32 `(size, size, 3)`; None if it is missing or damaged."""
    with contextlib.suppress(Exception):  # a damaged archive makes its reader raise nearly anything
        refuse_packed(path)
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            mean, digest = archive["mean"], str(archive["sha256"])
        if mean.shape == (size, size, 3) and mean.dtype == np.float32 and digest == _digest(mean):
            return mean
    return None


def _digest(mean: np.ndarray) -> str:
    """Returns the SHA-256 of a mean image: a damaged one would silently shift every input."""
    return hashlib.sha256(mean.tobytes()).hexdigest()


def _compute_mean(half: Half) -> np.ndarray:
    """Returns the mean image, from sums of integers, so that the order of adding does not matter."""
    if not len(half):
        raise ValueError("A half without images has no mean image.")
    size = half.store.size
    total = np.zeros((size, size, 3), np.uint64)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        for start in range(0, len(half), _MEAN_CHUNK):
            total += _pixels(half, np.arange(start, min(start + _MEAN_CHUNK, len(half))), threads.map).sum(0, np.uint64)
    return (total / len(half)).astype(np.float32)


def _pixels(half: Half, positions: np.ndarray, map_in_threads: Callable) -> np.ndarray:
    """Returns the pixels of some images, uint8 `(images, size, size, 3)`, whatever their encoding."""
    if half.store.encoding == "raw":
        return half.read(positions)
    return np.stack(list(map_in_threads(decode, half.read_encoded(positions))))
