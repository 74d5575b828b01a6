"""Files of features: what leaves the frozen blocks of a network, computed once for all images of a half.

    <cache folder>/features/<32 digits of the key's SHA-256>.bin    numbers, (images, ...), in the order of the half
    <cache folder>/features/<the same>.json                         key, shape, type, SHA-256 of the numbers

A key names all that decides the numbers, and it is compared as a whole: other features never stand in for those asked
for. Files that are damaged or partial count as missing. All of them together keep to a limit: those that were used
least recently go first, and never one that a process uses.
"""

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import logging
import math
import os
import pathlib
import secrets
import shutil
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from tftransfer.system import atomic, untrusted_files

FOLDER = "features"
FORMAT = 1
_TYPES = ("float32", "float64")
_MOST_SIDES = 8  # of a shape; more are damage


class NoRoomError(OSError):
    """Features that the limit or the disk has no room for."""


class Features:
    """Features of all images of a half, mapped into memory. While it lives, no process removes its file.

    Args:
        array: As the attribute.
        file: The file, open and locked.

    Attributes:
        array: `(images, ...)`, read-only.
    """

    def __init__(self, array: np.ndarray, file: BinaryIO) -> None:
        self.array = array
        # Whoever reads the features may end with an error: the lock goes with them, without anybody's help.
        weakref.finalize(self, file.close)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of features, as a list shows it.

    Attributes:
        name: Name of its files without extension.
        key: What it is; empty if its manifest cannot be read.
        shape: `(images, ...)`; empty if its manifest cannot be read.
        bytes: Size on disk.
        used: When it was used last, in seconds since 1970.
        in_use: Whether a process uses it now.
    """

    name: str
    key: Mapping[str, Any]
    shape: tuple[int, ...]
    bytes: int
    used: float
    in_use: bool


def name_of(key: Mapping[str, Any]) -> str:
    """Returns the name of the files of a key, without extension."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def find(folder: pathlib.Path, key: Mapping[str, Any]) -> Features | None:
    """Returns features, or None if they are missing, damaged or of another key. They count as used now.

    Args:
        folder: Folder of all features.
        key: What they are, as JSON has it.
    """
    path = folder / name_of(key)
    with contextlib.ExitStack() as stack:
        try:
            manifest = _manifest(path)
            if manifest is None or manifest["key"] != json.loads(json.dumps(key)):
                return None
            file = stack.enter_context(path.with_suffix(".bin").open("rb"))
            with contextlib.suppress(OSError):  # without locks it is removed while it is used, which does no harm
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if not _is_whole(file, manifest):
                return None
            os.utime(path.with_suffix(".json"))
            array = np.memmap(file, manifest["dtype"], "r", shape=tuple(manifest["shape"]))
        except OSError:
            return None
        stack.pop_all()
        return Features(np.asarray(array), file)  # as a plain array, whose rows are quicker to take


def _manifest(path: pathlib.Path) -> dict[str, Any] | None:
    """Returns a manifest of which every part is as it must be; None if there is none."""
    try:
        content = untrusted_files.read_json(path.with_suffix(".json"))
    except (OSError, ValueError):
        return None
    shape = content.get("shape") if isinstance(content, dict) else None
    fine = isinstance(shape, list) and 1 <= len(shape) <= _MOST_SIDES
    fine = fine and all(isinstance(side, int) and 0 < side < 2**40 for side in shape)
    fine = fine and content.get("format") == FORMAT and content.get("dtype") in _TYPES
    return content if fine and isinstance(content.get("key"), dict) else None


def _is_whole(file: BinaryIO, manifest: Mapping[str, Any]) -> bool:
    """Whether an open file holds what its manifest says, bit by bit."""
    size = math.prod(manifest["shape"]) * np.dtype(manifest["dtype"]).itemsize
    if os.fstat(file.fileno()).st_size != size:
        return False
    return hashlib.file_digest(file, "sha256").hexdigest() == manifest.get("sha256")


class Writer:
    """Writes features image by image; they are there once `finish` was called, and not before.

    Args:
        folder: Folder of all features.
        key: What they are, as JSON has it.
        shape: `(images, ...)`.
        dtype: "float32" or "float64".
    """

    def __init__(self, folder: pathlib.Path, key: Mapping[str, Any], shape: Sequence[int], dtype: str) -> None:
        self._path, self._key = folder / name_of(key), dict(key)
        self._shape, self._dtype = tuple(shape), dtype
        self._left, self._digest = shape[0], hashlib.sha256()
        self._beside = folder / f".{self._path.name}.{secrets.token_hex(4)}.tmp"
        self._file = self._beside.open("xb")
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, features: np.ndarray) -> None:
        """Appends features of the next images, `(batch, ...)`; what is beyond the last image fills a batch."""
        rows = np.ascontiguousarray(features[: self._left], self._dtype)
        if rows.shape[1:] != self._shape[1:]:
            raise ValueError(f"Expected features of shape {self._shape[1:]}. Received: {rows.shape[1:]}")
        self._left -= len(rows)
        content = rows.tobytes()
        self._digest.update(content)
        self._file.write(content)

    def finish(self) -> None:
        """Brings the file to the disk, and writes its manifest last; raises ValueError if images are missing."""
        if self._left:
            raise ValueError(f"Features of {self._left} images are missing.")
        self._file.flush()
        os.fsync(self._file.fileno())
        manifest = {
            "format": FORMAT,
            "key": self._key,
            "shape": list(self._shape),
            "dtype": self._dtype,
            "sha256": self._digest.hexdigest(),
        }
        os.replace(self._beside, self._path.with_suffix(".bin"))
        atomic.write(self._path.with_suffix(".json"), json.dumps(manifest, indent=1).encode())
        self._file.close()

    def close(self) -> None:
        """Removes what was not finished."""
        self._file.close()
        self._beside.unlink(missing_ok=True)


def make_room(folder: pathlib.Path, needed: int, limit: float) -> None:
    """Removes features that were used least recently until others have room. Call it before they are written.

    Args:
        folder: Folder of all features; made if it is missing.
        needed: Bytes of the others.
        limit: Bytes that all features may take.

    Raises:
        NoRoomError: If the limit is too small, what is in use stays in the way, or the disk is full.
    """
    if needed > limit:
        raise NoRoomError(errno.ENOSPC, f"they take {needed / 1e9:.2g} GB, --cache_limit allows {limit / 1e9:g} GB")
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    there = listed(folder)
    total = sum(entry.bytes for entry in there)
    for entry in sorted(there, key=lambda entry: entry.used):
        if total + needed <= limit:
            break
        if remove(folder, entry.name):
            total -= entry.bytes
    if total + needed > limit:
        in_use = f"features in use take {total / 1e9:.2g} of the {limit / 1e9:g} GB of --cache_limit"
        raise NoRoomError(errno.ENOSPC, in_use)
    if (free := shutil.disk_usage(folder).free) < needed:
        raise NoRoomError(
            errno.ENOSPC, f"they take {needed / 1e9:.2g} GB, and {free / 1e9:.2g} GB of the disk are free"
        )


def remove(folder: pathlib.Path, name: str) -> bool:
    """Removes features unless a process uses them; returns whether they are gone."""
    data = folder / f"{name}.bin"
    if _in_use(data):
        return False
    data.with_suffix(".json").unlink(missing_ok=True)  # first: numbers without it count for nothing
    data.unlink(missing_ok=True)
    return True


def _in_use(path: pathlib.Path) -> bool:
    """Whether a process has locked a file; False if it is gone or files cannot be locked here."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _remove_leftovers(folder: pathlib.Path) -> None:
    """Removes half-written files of processes that were killed, and numbers without a manifest."""
    for path in [*folder.glob(".*.tmp"), *(p for p in folder.glob("*.bin") if not p.with_suffix(".json").exists())]:
        young = path.suffix == ".bin" and time.time() - path.stat().st_mtime < 60  # its manifest may just be written
        if not young and not _in_use(path):
            path.unlink(missing_ok=True)


def listed(folder: pathlib.Path) -> list[Entry]:
    """Returns all features in a folder, the most recently used first."""
    return sorted(_entries(folder), key=lambda entry: -entry.used)


def _entries(folder: pathlib.Path) -> Iterator[Entry]:
    for path in sorted(folder.glob("*.bin")):
        with contextlib.suppress(FileNotFoundError):  # another process may just remove it
            manifest = _manifest(path) or {"key": {}, "shape": ()}
            beside = path.with_suffix(".json")
            used = (beside if beside.exists() else path).stat().st_mtime
            shape = tuple(manifest["shape"])
            yield Entry(path.stem, manifest["key"], shape, path.stat().st_size, used, _in_use(path))


def warn(reason: object) -> None:
    """Says in one line why features are not kept."""
    logging.getLogger(__name__).warning("Trains from images: features are not kept (%s).", reason)
