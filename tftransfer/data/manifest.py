"""`store.json`, the manifest of a store: its content and checksums. Written last; without it a store is unfinished."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tftransfer.data.datasets.dataset import SUBSETS
from tftransfer.data.duplicates import THUMBNAIL_BYTES
from tftransfer.data.shards import ENCODINGS, ENDINGS, INDEX_DTYPE, SHARD_EXAMPLES, file_sha256
from tftransfer.system import atomic, limits, untrusted_files

FORMAT_VERSION = 3
FILE_NAME = "store.json"
NEAR_FILE = "near-copies.npy"
TOO_ALIKE = "images_are_so_alike_that_near_copies_were_not_looked_for"
# ImageNet's manifest has a megabyte.
_MOST_BYTES = 2**28
_MOST_PIXELS = 2**14  # on a side


class StoreError(RuntimeError):
    """A store cannot be made or must not be read; the message says what to do.

    Attributes:
        in_lines: Whether the message has several lines; then all foreign names in it are escaped.
    """

    def __init__(self, message: str, in_lines: bool = False) -> None:
        super().__init__(message)
        self.in_lines = in_lines


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The content of `store.json`.

    Attributes:
        dataset: Name of the data set.
        identity: SHA-256 over the data set's identity, size, encoding and format version.
        fingerprint: SHA-256 over the class names and, per image in the order of the data set, subset, label, key and
            original bytes. It identifies the data, whatever their size, encoding and place.
        size: Side of the images in pixels.
        encoding: "raw" or "jpeg".
        class_names: Names of the classes by label.
        class_kinds: "manmade", "natural" or None for each class.
        shards: Number of images in each shard, by subset.
        files: Bytes and SHA-256 of every file, by path below the store.
        notes: Counts of what users should know: originals by mode, ignored files; `TOO_ALIKE`.
        left_out: Reasons why images were left out, by path; the first `preparation.MOST_NAMED`.
        format_version: Version of this layout.
    """

    dataset: str
    identity: str
    fingerprint: str
    size: int
    encoding: str
    class_names: tuple[str, ...]
    class_kinds: tuple[str | None, ...]
    shards: dict[str, list[int]]
    files: dict[str, tuple[int, str]]
    notes: dict[str, int]
    left_out: dict[str, str]
    format_version: int = FORMAT_VERSION

    def write(self, store: str) -> None:
        """Writes it into the folder `store`, with a checksum of its own."""
        content = dataclasses.asdict(self)
        text = json.dumps(content | {"checksum": _checksum(content)}, indent=1, sort_keys=True)
        atomic.write(os.path.join(store, FILE_NAME), text.encode())

    @classmethod
    def read(cls, store: str) -> "Manifest":
        """Reads it from the folder `store`.

        Raises:
            StoreError: If it is not there, damaged, or of another format version.
        """
        path = os.path.join(store, FILE_NAME)
        try:
            content = untrusted_files.read_json(path, _MOST_BYTES)
            checksum = content.pop("checksum")
            version = content["format_version"]
        except FileNotFoundError as error:
            raise StoreError(
                f"No finished store at {store}: {FILE_NAME} is missing. Prepare the data set first."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            limits.reraise_if_exhausted(error)
            raise StoreError(f"{path} is damaged ({error}). Prepare the data set again.") from error
        if version != FORMAT_VERSION:
            raise StoreError(
                f"The store {store} has format version {version}, expected {FORMAT_VERSION}. Prepare the data set "
                "again."
            )
        if checksum != _checksum(content):
            raise StoreError(f"{path} is damaged: its checksum does not match. Prepare the data set again.")
        fault = _fault(content)
        if fault:
            raise StoreError(f"{path} is damaged: {fault}. Prepare the data set again.")
        content["files"] = {name: tuple(entry) for name, entry in content["files"].items()}
        for name in ("class_names", "class_kinds"):
            content[name] = tuple(content[name])
        return cls(**content)

    def check_files(self, store: str, verify: bool) -> None:
        """Raises `StoreError` unless every file is there with its size and SHA-256.

        The SHA-256 of shards, which are nearly all of a store, is only compared if `verify`, and where a shard was
        written to after this manifest.
        """
        finished = os.stat(os.path.join(store, FILE_NAME)).st_mtime_ns
        for name, (size, sha256) in self.files.items():
            path = os.path.join(store, name)
            is_own = os.path.isfile(path) and not os.path.islink(path)
            present = os.path.getsize(path) if is_own else None
            if present is None:
                problem = "is missing"
            elif present != size:
                problem = f"has {present} bytes, expected {size}"
            elif (verify or not name.startswith("shards/") or os.stat(path).st_mtime_ns > finished) and file_sha256(
                path
            ) != sha256:
                problem = "does not have its recorded SHA-256"
            else:
                continue
            raise StoreError(
                f"{path} {problem}: the store is damaged. Prepare the data set again; what is whole is kept."
            )

    def index(self, store: str, subset: str) -> np.ndarray:
        """Returns label, length, content and hash of every image of a subset, `INDEX_DTYPE` `(images,)`.

        Raises:
            StoreError: If they do not fit the manifest: no image may be read from another place than its own.
        """
        name = os.path.join(store, f"{subset}-index.npy")
        try:
            index = np.array(np.load(name, mmap_mode="r", allow_pickle=False))  # a map has no more than the file
        except (OSError, ValueError, EOFError, OverflowError) as error:
            limits.reraise_if_exhausted(error)
            raise StoreError(f"{name} is damaged ({error}). Prepare the data set again.") from error
        counts = np.array(self.shards[subset], np.int64)
        if index.dtype != INDEX_DTYPE or index.shape != (counts.sum(),):
            raise StoreError(f"{name} is damaged: it does not list {counts.sum()} images. Prepare the data set again.")
        labels, lengths = index["label"], index["length"].astype(np.int64)
        raw = self.size**2 * 3
        fits = labels.size == 0 or (0 <= labels.min() <= labels.max() < len(self.class_names) and lengths.min() >= 0)
        fits = fits and (self.encoding != "raw" or bool(np.all(lengths == raw)))
        ends = np.concatenate([[0], np.cumsum(lengths)])[np.concatenate([[0], np.cumsum(counts)])]
        for number, held in enumerate(np.diff(ends)):
            file = f"shards/{subset}-{number:05d}.bin"
            thumbnails = self.files[f"shards/{subset}-{number:05d}.grey"][0]
            fits = fits and (not counts[number] or self.files[file][0] == held)
            fits = fits and thumbnails == counts[number] * THUMBNAIL_BYTES
        if not fits:
            raise StoreError(f"{name} is damaged: its images do not fit the store. Prepare the data set again.")
        return index

    def near_copies(self, store: str) -> np.ndarray | None:
        """Returns the contents of near copies, uint64 `(pairs, 2)`; None if they were not looked for.

        Raises:
            StoreError: If the file is damaged.
        """
        if TOO_ALIKE in self.notes:
            return None
        name = os.path.join(store, NEAR_FILE)
        try:
            pairs = np.array(np.load(name, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError, OverflowError) as error:
            limits.reraise_if_exhausted(error)
            raise StoreError(f"{name} is damaged ({error}). Prepare the data set again.") from error
        if pairs.dtype != np.uint64 or pairs.ndim != 2 or pairs.shape[1] != 2:
            raise StoreError(f"{name} is damaged: it holds no pairs. Prepare the data set again.")
        return pairs


def _fault(content: Mapping[str, Any]) -> str | None:
    """Returns the fault of a manifest whose checksum fits, or None: anybody can compute a checksum."""
    expected = {field.name for field in dataclasses.fields(Manifest)}
    if set(content) != expected:
        return f"expected {', '.join(sorted(expected))}; received {', '.join(sorted(content))[:300]}"
    names, kinds = content["class_names"], content["class_kinds"]
    shards, files = content["shards"], content["files"]
    fits = {
        "text": all(isinstance(content[name], str) for name in ("dataset", "identity", "fingerprint")),
        "size": _is_count(content["size"], 1) and content["size"] <= _MOST_PIXELS,
        "encoding": content["encoding"] in ENCODINGS,
        "class_names": isinstance(names, list) and all(isinstance(name, str) for name in names),
        "class_kinds": isinstance(names, list) and isinstance(kinds, list) and len(kinds) == len(names),
        "shards": isinstance(shards, dict) and set(shards) == set(SUBSETS) and all(map(_are_shards, shards.values())),
        "files": isinstance(files, dict) and all(_is_own_file(*item) for item in files.items()),
        "notes": isinstance(content["notes"], dict) and all(map(_is_count, content["notes"].values())),
        "left_out": isinstance(content["left_out"], dict)
        and all(isinstance(r, str) for r in content["left_out"].values()),
    }
    wrong = [name for name, is_right in fits.items() if not is_right]
    if wrong:
        return f"{', '.join(wrong)} cannot be"
    needed = {f"{subset}-index.npy" for subset in SUBSETS} | {NEAR_FILE}
    needed |= {
        f"shards/{subset}-{n:05d}{end}" for subset in SUBSETS for n in range(len(shards[subset])) for end in ENDINGS
    }
    return f"it does not list {sorted(needed - set(files))[0]}" if needed - set(files) else None


def _is_count(value: Any, low: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < 2**62


def _are_shards(value: Any) -> bool:
    return isinstance(value, list) and all(_is_count(count) and count <= SHARD_EXAMPLES for count in value)


def _is_own_file(name: str, entry: Any) -> bool:
    """Whether this is a path inside the store with its bytes and SHA-256."""
    inside = not os.path.isabs(name) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))
    return inside and isinstance(entry, list) and len(entry) == 2 and _is_count(entry[0]) and isinstance(entry[1], str)


def _checksum(content: dict) -> str:
    """Returns the SHA-256 of `content` without regard to the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
