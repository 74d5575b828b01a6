"""Prepared images: decoded and resized once, shared by all networks and processes, read by position.

Images of up to `RAW_UP_TO` pixels are stored as pixels and mapped into memory, larger ones as JPEG.

    store = prepare(open_dataset("motifs"), cache_dir, size=36)
    half = store.select("train", classes=[0, 2, 5], images_per_class=None)
    images, labels = half.read(positions), half.labels[positions]
"""

import dataclasses
import errno
import logging
import os
from collections.abc import Sequence

import numpy as np

from tftransfer.data import duplicates, preparation
from tftransfer.data.datasets.dataset import SUBSETS, Dataset
from tftransfer.data.manifest import Manifest, StoreError
from tftransfer.data.preparation import BROKEN, Progress, build, only_one, shard_path, store_identity, store_path
from tftransfer.data.shards import ENCODINGS, ShardIndex
from tftransfer.system import escaping, limits

__all__ = ["BROKEN", "RAW_UP_TO", "Half", "Progress", "Store", "StoreError", "find", "prepare"]

# Tiny ImageNet takes 1.4 GB at 64 pixels, 5.4 GB at 128, which memory still holds; ImageNet at 256 would take 250 GB.
RAW_UP_TO = 128


class Store:
    """A finished store, opened for reading. Threads may share it.

    Attributes:
        path: Its folder.
        dataset: Name of the data set.
        class_names: Names of the classes by label.
        class_kinds: "manmade", "natural" or None for each class.
        fingerprint: SHA-256 of the data, whatever their size, encoding and place.
        size: Side of the images in pixels.
        encoding: "raw" or "jpeg".
        notes: Counts of what users should know: originals by Pillow mode (`mode_L`), ignored files.
        left_out: Reasons why images were left out, by path; up to 1000.
        identity: SHA-256 of the data set's identity and all options, by which `prepare` knows it.
        near_copies: Contents of images that are near copies of images of another class or subset, uint64 `(pairs, 2)`;
            None if so many images resemble each other that there was no search.
        lost: The error of the first image that could no longer be read; threads of tf.data may have hidden it.
    """

    def __init__(self, path: str, manifest: Manifest):
        """Use `Store.open`."""
        self.path = path
        self.dataset = manifest.dataset
        self.class_names = manifest.class_names
        self.class_kinds = manifest.class_kinds
        self.fingerprint = manifest.fingerprint
        self.size = manifest.size
        self.encoding = manifest.encoding
        self.notes = manifest.notes
        self.left_out = manifest.left_out
        self.identity = manifest.identity
        self.near_copies = manifest.near_copies(path)
        self.lost: StoreError | None = None
        self._manifest_shards = manifest.shards
        self._index: dict[str, np.ndarray] = {}
        self._starts: dict[str, np.ndarray] = {}
        self._firsts: dict[str, np.ndarray] = {}
        self._shards: dict[tuple[str, int], np.ndarray] = {}
        for subset in SUBSETS:
            self._index[subset] = manifest.index(path, subset)
            # Byte at which each image would start if all shards of the subset were one file.
            self._starts[subset] = np.concatenate([[0], np.cumsum(self._index[subset]["length"], dtype=np.int64)])
            # The id of each shard's first image, and one more.
            self._firsts[subset] = np.concatenate([[0], np.cumsum(manifest.shards[subset], dtype=np.int64)])

    @classmethod
    def open(cls, path: str, verify: bool = False) -> "Store":
        """Opens the store in the folder `path`.

        Args:
            path: Folder of a store.
            verify: True compares the SHA-256 of every file; False the size of every file, and the SHA-256 of those
                that are read to open the store.

        Raises:
            StoreError: If it is unfinished, damaged or of another format.
        """
        manifest = Manifest.read(path)
        manifest.check_files(path, verify)
        return cls(path, manifest)

    @property
    def stores(self) -> "tuple[Store, ...]":
        """This store alone; a `StorePair` has two."""
        return (self,)

    def labels(self, subset: str) -> np.ndarray:
        """Returns the label of every image of `subset`, int32 `(images,)`."""
        return self._rows(subset)["label"]

    def contents(self, subset: str) -> np.ndarray:
        """Returns 64 bits of the SHA-256 of the original of every image of `subset`, uint64 `(images,)`."""
        return self._rows(subset)["content"]

    def names(self, subset: str, ids: np.ndarray) -> list[str]:
        """Returns the names of some images in the data set, such as paths below its folder."""
        self._require_ids(subset, ids)
        names = []
        for position, number in zip(ids, self._numbers(subset, ids), strict=True):
            path = shard_path(self.path, subset, int(number))
            try:
                named = ShardIndex.read(path).names()
            except OSError as error:
                raise StoreError(_why_lost(self.path, error)) from error
            except Exception as error:  # a damaged archive makes its reader raise nearly anything
                raise StoreError(f"{path}.npz is damaged ({error}). Prepare the data set again.") from error
            names.append(named[position - self._firsts[subset][number]])
        return names

    def images_to_compare(self) -> duplicates.Images:
        """Returns all images, training images first, as `duplicates` compares them."""
        return preparation.images_to_compare(self.path, self._index, self._manifest_shards)

    def counts(self, subset: str) -> np.ndarray:
        """Returns the number of images of each class in `subset`, int64 `(classes,)`."""
        return np.bincount(self.labels(subset), minlength=len(self.class_names))

    def select(self, subset: str, classes: Sequence[int], images_per_class: int | None = None) -> "Half":
        """Returns the images of some classes.

        Args:
            subset: "train" or "val".
            classes: Class indices, in any order.
            images_per_class: Number of images of each class, the first in the order of the data set; None for all.
                Classes with fewer keep all of theirs.

        Returns:
            The half. Its labels are the positions in the sorted `classes`.
        """
        chosen = np.unique(np.asarray(classes, np.int64))
        if len(chosen) != len(classes) or not len(chosen) or chosen[0] < 0 or chosen[-1] >= len(self.class_names):
            raise ValueError(
                f"Expected one or more different class indices from 0 to {len(self.class_names) - 1}. "
                f"Received: classes={list(classes)}"
            )
        if images_per_class is not None and images_per_class < 1:
            raise ValueError(f"Expected 1 or more images per class, or None. Received: {images_per_class=}")
        new_label = np.full(len(self.class_names), -1, np.int32)
        new_label[chosen] = np.arange(len(chosen))
        labels = new_label[self.labels(subset)]
        ids = np.flatnonzero(labels >= 0)
        if images_per_class is not None:
            ids = np.sort(np.concatenate([np.flatnonzero(labels == c)[:images_per_class] for c in range(len(chosen))]))
        return Half(self, subset, labels[ids], ids.astype(np.int64))

    def read(self, subset: str, ids: np.ndarray) -> np.ndarray:
        """Returns the pixels of the images `ids` of a raw store, uint8 `(images, size, size, 3)`."""
        self._require("raw")
        images = np.empty((len(ids), self.size, self.size, 3), np.uint8)
        self._require_ids(subset, ids)
        numbers = self._numbers(subset, ids)
        rows = ids - self._firsts[subset][numbers]
        for position, (number, row) in enumerate(zip(numbers, rows, strict=True)):
            images[position] = self._shard(subset, int(number))[row]
        return images

    def read_encoded(self, subset: str, ids: np.ndarray) -> list[bytes]:
        """Returns the images `ids` of a JPEG store as encoded bytes."""
        self._require("jpeg")
        self._require_ids(subset, ids)
        starts, lengths = self._starts[subset], self._rows(subset)["length"]
        encoded = []
        for position, number in zip(ids, self._numbers(subset, ids), strict=True):
            start = starts[position] - starts[self._firsts[subset][number]]
            shard = self._shard(subset, int(number))
            encoded.append(shard[start : start + lengths[position]].tobytes())
        return encoded

    def _numbers(self, subset: str, ids: np.ndarray) -> np.ndarray:
        """Returns the number of each image's shard."""
        return np.searchsorted(self._firsts[subset], ids, side="right") - 1

    def _rows(self, subset: str) -> np.ndarray:
        """Returns label and length of every image of `subset`."""
        if subset not in SUBSETS:
            raise ValueError(f"Unknown subset; expected one of {SUBSETS}. Received: subset={subset!r}")
        return self._index[subset]

    def _shard(self, subset: str, number: int) -> np.ndarray:
        """Returns a shard, mapped into memory; a map keeps no file open."""
        shard = self._shards.get((subset, number))
        if shard is None:
            try:
                mapped = np.memmap(shard_path(self.path, subset, number) + ".bin", np.uint8, "r")
            except OSError as error:
                self.lost = StoreError(_why_lost(self.path, error))
                raise self.lost from error
            # As a plain array, whose rows are twice as quick to take.
            shard = np.asarray(mapped if self.encoding == "jpeg" else mapped.reshape(-1, self.size, self.size, 3))
            self._shards[subset, number] = shard
        return shard

    def _require(self, encoding: str) -> None:
        """Raises if the store has the other encoding."""
        if self.encoding != encoding:
            reader = {"raw": "read", "jpeg": "read_encoded"}[self.encoding]
            raise ValueError(f"The images of {self.path} are stored as {self.encoding}: use {reader}.")

    def _require_ids(self, subset: str, ids: np.ndarray) -> None:
        """Raises if an id is out of range: a negative one would count from the end."""
        count = len(self._rows(subset))
        if len(ids) and (np.min(ids) < 0 or np.max(ids) >= count):
            raise IndexError(
                f"Image ids of {subset!r} go from 0 to {count - 1}. Received: {np.min(ids)} to {np.max(ids)}"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Half:
    """The images of some classes of a store.

    Attributes:
        store: The store that holds them.
        subset: "train" or "val".
        labels: Position of each image's class among the chosen classes, int32 `(images,)`.
        ids: Position of each image in its subset of the store, int64 `(images,)`, ascending: a stable name of it.
    """

    store: Store
    subset: str
    labels: np.ndarray
    ids: np.ndarray

    @property
    def size(self) -> int:
        """Side of the stored images in pixels."""
        return self.store.size

    @property
    def encoding(self) -> str:
        """Encoding of the stored images, "raw" or "jpeg"."""
        return self.store.encoding

    def __len__(self) -> int:
        return len(self.ids)

    def contents(self) -> np.ndarray:
        """Returns 64 bits of the SHA-256 of each original, uint64 `(images,)`: equal for copies of one image."""
        return self.store.contents(self.subset)[self.ids]

    def copies_in(self, other: "Half") -> int:
        """Returns the number of images of this half that are, byte for byte, also in another half of the store."""
        return int(np.isin(self.contents(), other.contents()).sum())

    def names(self, positions: np.ndarray) -> list[str]:
        """Returns the names of some images of the half in the data set."""
        return self.store.names(self.subset, self.ids[positions])

    def keep(self, kept: np.ndarray) -> "Half":
        """Returns the half with some of its images, those where `kept`, bool `(images,)`, is true."""
        return dataclasses.replace(self, labels=self.labels[kept], ids=self.ids[kept])

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Returns the pixels of some images of the half, uint8 `(images, size, size, 3)`; only for raw stores."""
        return self.store.read(self.subset, self.ids[positions])

    def read_encoded(self, positions: np.ndarray) -> list[bytes]:
        """Returns some images of the half as JPEG bytes; only for JPEG stores."""
        return self.store.read_encoded(self.subset, self.ids[positions])


def prepare(
    dataset: Dataset,
    cache_dir: str,
    size: int,
    workers: int | None = None,
    progress: Progress | None = None,
    encoding: str | None = None,
    verify: bool = False,
) -> Store:
    """Returns the store of `dataset` at `size` pixels; makes it if there is none yet.

    Several processes may call it at once: one works, the others wait. Shards of an interrupted call are kept.

    Args:
        dataset: The data set.
        cache_dir: Folder of all stores.
        size: Side of the prepared images in pixels.
        workers: Processes that prepare images; as many as there are cores if None.
        progress: Called with the number of images done and of all.
        encoding: "raw" or "jpeg"; None takes "raw" up to `RAW_UP_TO` pixels.
        verify: Whether the SHA-256 of every file of an existing store is compared.

    Raises:
        StoreError: If images are broken, or `cache_dir` cannot be written.
    """
    encoding = _encoding(size, encoding)
    path = store_path(dataset, os.path.abspath(os.path.expanduser(cache_dir)), size, encoding)
    if (store := _open_if_whole(path, store_identity(dataset, size, encoding), verify)) is not None:
        return store
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with only_one(path):
            # Another process may have made it while this one waited.
            if (store := _open_if_whole(path, store_identity(dataset, size, encoding), verify)) is None:
                if older := preparation.of_older_format(dataset, os.path.dirname(path), size, encoding):
                    logging.getLogger(__name__).warning(
                        "Preparing %s anew: %s is of an older format, without what tells copies of images. It is no "
                        "longer used and may be removed.",
                        escaping.terminal(dataset.name),
                        older,
                    )
                build(dataset, path, size, encoding, workers, progress)
                store = Store.open(path)
    except OSError as error:
        if limit := limits.open_files_exhausted(error):
            raise StoreError(f"Cannot prepare images: {error}. {limit} What was finished is kept.") from error
        raise StoreError(
            f"Cannot write in {os.path.dirname(path)}: {error}. Choose a folder of yours with --cache_dir."
        ) from error
    return store


def find(dataset: Dataset, cache_dir: str, size: int, encoding: str | None = None) -> Store | None:
    """Returns the store that `prepare` would return if it exists and is whole, else None."""
    encoding = _encoding(size, encoding)
    path = store_path(dataset, os.path.abspath(os.path.expanduser(cache_dir)), size, encoding)
    return _open_if_whole(path, store_identity(dataset, size, encoding), verify=False)


def _why_lost(path: str, error: OSError) -> str:
    """Returns the reason why images of a store that was whole can no longer be read, and the remedy."""
    if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == errno.ESTALE:
        return (
            f"The prepared images in {path} are gone ({error.strerror}): somebody removed them while they were used. "
            f"The same command prepares them again and goes on from the last checkpoint."
        )
    then = "The same command then goes on from the last checkpoint."
    if limit := limits.open_files_exhausted(error):
        return f"The prepared images in {path} cannot be opened ({error.strerror}). {limit} {then}"
    return f"The prepared images in {path} cannot be read ({error.strerror}). Check that disk and its rights. {then}"


def _encoding(size: int, encoding: str | None) -> str:
    """Returns the encoding for images of `size`, after a check of both."""
    if size < 1:
        raise ValueError(f"Expected a size of 1 pixel or more. Received: size={size}")
    if encoding not in (None, *ENCODINGS):
        raise ValueError(f"Unknown encoding; expected one of {ENCODINGS} or None. Received: encoding={encoding!r}")
    return encoding or ("raw" if size <= RAW_UP_TO else "jpeg")


def _open_if_whole(path: str, identity: str, verify: bool) -> Store | None:
    """Returns the store at `path`, or None if it is missing, damaged, or of another identity."""
    try:
        store = Store.open(path, verify)
    except StoreError:
        return None
    return store if store.identity == identity else None
