"""The folder of a data set of arrays: written whole or not at all, and read without trust.

arrays.json     class names, encoding, and the SHA-256 of the other files
images.bin      all images, one after the other: pixels, `(n, height, width, channels)`, or files such as PNG
labels.npy      class of each image, int32 `(n,)`
validation.npy  whether it is a validation image, bool `(n,)`
ends.npy        of files alone: the byte after each, int64 `(n,)`
"""

import contextlib
import dataclasses
import errno
import hashlib
import io
import json
import math
import os
import pathlib
import re
import secrets
import shutil
import stat
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from tftransfer.data.datasets.array_values import MOST_CLASSES, refuse_bad_names
from tftransfer.data.datasets.dataset import MOST_BYTES, DataSetError, Digest
from tftransfer.system import untrusted_files

DESCRIPTION, IMAGES, LABELS, VALIDATION, ENDS = "arrays.json", "images.bin", "labels.npy", "validation.npy", "ends.npy"
FORMAT = 1
PIXELS, FILES = "pixels", "files"
VERIFIED_BYTES = 1_000_000_000
"""Size up to which images are compared with their SHA-256 whenever they are opened, which takes a second or so."""
MOST_IMAGES = 20_000_000
_MOST_SHAPE = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SECONDS_OF_LEFTOVERS = 7 * 86_400
_NAME_DIGITS = 16
_IN_CACHE = re.compile(rf"arrays-[0-9a-f]{{{_NAME_DIGITS}}}")


@dataclasses.dataclass(frozen=True)
class Description:
    """The content of `arrays.json`.

    Attributes:
        class_names: Names of the classes by label.
        images: Number of all images.
        encoding: `PIXELS` or `FILES`.
        shape: Height, width and channels of all images; None for files, which may differ.
        side: Median side of the images in pixels, the root of their area.
        held_out: Whether the validation images were held out of one set.
        small_classes: Number of classes so small that other images may be held out when some are added.
        files: Bytes and SHA-256 of each other file by name.
    """

    class_names: tuple[str, ...]
    images: int
    encoding: str
    shape: tuple[int, int, int] | None
    side: float
    held_out: bool
    small_classes: int
    files: dict[str, tuple[int, str]]

    @property
    def identity(self) -> str:
        """SHA-256 of the content: class names, images, labels and subsets."""
        digests = tuple(sorted((name, digest) for name, (_, digest) in self.files.items()))
        return Digest("arrays", self.class_names, self.encoding, self.shape, digests).hexdigest()

    @property
    def cache_name(self) -> str:
        """Name of a folder in a cache."""
        return f"arrays-{self.identity[:_NAME_DIGITS]}"


def is_in_cache(folder: str) -> bool:
    """Whether a folder is named by its content, from its name alone."""
    return bool(_IN_CACHE.fullmatch(os.path.basename(os.path.normpath(folder))))


class Writer:
    """Writes images into a hidden folder, which then gets its name at once. A context, which leaves nothing behind.

    Args:
        parent: Folder in which the data set's folder will lie; it is made if it is not there.
        encoding: `PIXELS`, for images of one shape, or `FILES`.
    """

    def __init__(self, parent: str, encoding: str):
        self._parent = pathlib.Path(parent)
        self._encoding = encoding
        self._parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self._parent)
        self._folder = self._parent / f".arrays-{secrets.token_hex(8)}.tmp"
        self._folder.mkdir()
        self._file = (self._folder / IMAGES).open("xb")
        self._hash, self._bytes, self._shape = hashlib.sha256(), 0, None
        self._ends: list[int] = []
        self._areas: list[int] = []
        self.digests: list[bytes] = []  # SHA-256 of each image's pixels, or of its file

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self.digests)

    def add(self, image: np.ndarray) -> None:
        """Adds an image, uint8 `(height, width, channels)`."""
        content = np.ascontiguousarray(image).tobytes()
        self.digests.append(hashlib.sha256(repr(image.shape).encode() + content).digest())
        if self._encoding == PIXELS:
            self._shape = image.shape
        else:
            content = _png(image)
        self._append(content, image.shape[0] * image.shape[1])

    def add_file(self, content: bytes) -> None:
        """Adds an encoded image as it is."""
        if not 0 < len(content) <= MOST_BYTES:
            raise DataSetError(f"Image {len(self)} has {len(content):,} bytes. Expected 1 to {MOST_BYTES:,}.")
        try:
            with Image.open(io.BytesIO(content)) as image:
                area = image.width * image.height
        except Exception as error:  # damaged files make Pillow raise nearly anything
            raise DataSetError(f"Image {len(self)} is no image file: {type(error).__name__}. Leave it out.") from error
        self.digests.append(hashlib.sha256(content).digest())
        self._append(content, area)

    def _append(self, content: bytes, area: int) -> None:
        if len(self) > MOST_IMAGES:
            raise DataSetError(f"There are more than {MOST_IMAGES:,} images. Does the data set repeat without an end?")
        self._file.write(content)
        self._hash.update(content)
        self._bytes += len(content)
        self._ends.append(self._bytes)
        self._areas.append(area)

    def publish(
        self,
        class_names: Sequence[str],
        labels: np.ndarray,
        validation: np.ndarray,
        held_out: bool,
        small_classes: int,
        goal: str | None,
    ) -> str:
        """Writes the other files, and gives the folder its name.

        Args:
            class_names: Names of the classes.
            labels: Class of each image, int32 `(n,)`.
            validation: Whether it is a validation image, bool `(n,)`.
            held_out: Whether validation images were held out.
            small_classes: As in `Description`.
            goal: The folder; None for one in the parent that is named by its content.

        Returns:
            The path of the folder. A folder of the same content that is there already is kept.

        Raises:
            DataSetError: If something else is there.
        """
        refuse_bad_names(class_names)
        files = {IMAGES: (self._bytes, self._hash.hexdigest())}
        _sync_and_close(self._file)
        arrays = {LABELS: labels.astype(np.int32), VALIDATION: validation.astype(bool)}
        if self._encoding == FILES:
            arrays[ENDS] = np.array(self._ends, np.int64)
        for name, array in arrays.items():
            files[name] = self._write(name, _npy(array))
        side = float(np.median(np.sqrt(self._areas)))
        about = Description(
            tuple(class_names), len(self), self._encoding, self._shape, side, held_out, small_classes, files
        )
        content = {"format": FORMAT, **dataclasses.asdict(about)}
        self._write(DESCRIPTION, (json.dumps(content, indent=1) + "\n").encode())
        path = pathlib.Path(goal) if goal else self._parent / about.cache_name
        _rename(self._folder, path, about, is_cache=goal is None)
        return str(path)

    def _write(self, name: str, content: bytes) -> tuple[int, str]:
        with (self._folder / name).open("xb") as file:
            file.write(content)
            _sync_and_close(file)
        return len(content), hashlib.sha256(content).hexdigest()


def _sync_and_close(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _remove_leftovers(parent: pathlib.Path) -> None:
    """Removes half-written folders of killed processes that nobody can still be writing."""
    for path in parent.glob(".arrays-*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _SECONDS_OF_LEFTOVERS:
                shutil.rmtree(path, ignore_errors=True)


def _rename(made: pathlib.Path, goal: pathlib.Path, about: Description, is_cache: bool) -> None:
    """Renames a folder; one of the same content may be there, and in a cache a damaged one is replaced."""
    for _ in range(2):
        try:
            os.rename(made, goal)  # onto an empty folder, too
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        try:
            is_same = Contents(str(goal)).about.identity == about.identity
        except (DataSetError, OSError):
            is_same = False
        if is_same:
            return
        if not is_cache:
            break
        shutil.rmtree(goal, ignore_errors=True)
    raise DataSetError(
        f"There are other files in {goal}; nothing was overwritten. Expected a new or an empty folder, or the same "
        "data set. Name another folder, or remove that one."
    )


def _png(image: np.ndarray) -> bytes:
    """Returns an image as PNG; a little compression takes a tenth of the time that much takes."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read_description(folder: str) -> Description:
    """Returns the description in a folder, checked by itself.

    Raises:
        DataSetError: If it is missing, damaged, or of another format.
    """
    path = os.path.join(folder, DESCRIPTION)
    try:
        return _parsed(untrusted_files.read_json(path))
    except FileNotFoundError as error:
        raise DataSetError(
            f"No {DESCRIPTION} in {folder}. Expected a folder that tftransfer.data.datasets.arrays.write made. Images "
            "in files are read with --dataset=folder."
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _damaged(path: str, why: str) -> DataSetError:
    return DataSetError(f"{path} is damaged: {why}. Write the data set again with tftransfer.data.datasets.arrays.")


def _parsed(content: Any) -> Description:
    """Returns a description from JSON; raises ValueError, TypeError or KeyError if it cannot be one."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"it is no description of format {FORMAT}")
    names = content["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its class_names are no list of texts")
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise ValueError(f"it has {len(names)} class_names; expected 2 to {MOST_CLASSES:,}, all different")
    refuse_bad_names(names)
    images = _whole(content["images"], 2, MOST_IMAGES)
    encoding, shape = content["encoding"], content["shape"]
    if encoding == PIXELS:
        height, width, channels = (_whole(value, 1, _MOST_SHAPE) for value in shape)
        if height * width * channels > MOST_BYTES or channels not in (1, 3):
            raise ValueError(f"its images have the shape {shape}")
        shape = (height, width, channels)
    elif encoding != FILES or shape is not None:
        raise ValueError("its encoding is not known")
    side = content["side"]
    if not isinstance(side, float) or not (math.isfinite(side) and side > 0):
        raise ValueError("its side is no number of pixels")
    files = {}
    for name in (IMAGES, LABELS, VALIDATION, *([ENDS] if encoding == FILES else [])):
        size, digest = content["files"][name]
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise ValueError(f"it has no SHA-256 of {name}")
        files[name] = _whole(size, 1, 2**62), digest
    if shape and files[IMAGES][0] != images * math.prod(shape):
        raise ValueError(f"{images} images of shape {shape} do not take {files[IMAGES][0]} bytes")
    if not isinstance(content["held_out"], bool):
        raise ValueError("its held_out is neither true nor false")
    small = _whole(content["small_classes"], 0, MOST_CLASSES)
    return Description(tuple(names), images, encoding, shape, side, content["held_out"], small, files)


def _whole(value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"it has {str(value)[:30]} where {least} to {most:,} is expected")
    return value


class Contents:
    """The files of a folder, opened and compared with their description.

    Attributes:
        about: The description.
        path: Path of the file with the images.
        labels: Class of each image, int32 `(n,)`.
        validation: Whether it is a validation image, bool `(n,)`.
    """

    def __init__(self, folder: str):
        """Opens a folder.

        Raises:
            DataSetError: If a file is missing, or is not what the description says.
        """
        self.about = about = read_description(folder)
        self.path = os.path.join(folder, IMAGES)
        self.labels = _array(folder, LABELS, about, np.int32)
        self.validation = _array(folder, VALIDATION, about, np.bool_)
        if not ((self.labels >= 0) & (self.labels < len(about.class_names))).all():
            raise _damaged(os.path.join(folder, LABELS), "it holds labels of no class")
        for subset in (~self.validation, self.validation):
            if len(np.unique(self.labels[subset])) < len(about.class_names):
                raise _damaged(os.path.join(folder, VALIDATION), "a class has no image in a subset")
        _check_images(self.path, *about.files[IMAGES])
        if about.encoding == FILES:
            self._ends = _array(folder, ENDS, about, np.int64)
            lengths = np.diff(self._ends, prepend=0)
            if lengths.min() < 1 or lengths.max() > MOST_BYTES or self._ends[-1] != about.files[IMAGES][0]:
                raise _damaged(os.path.join(folder, ENDS), "it does not divide the images")

    def place(self, position: int) -> tuple[int, int]:
        """Returns the first byte of an image, and the number of its bytes."""
        if self.about.encoding == PIXELS:
            length = math.prod(self.about.shape)
            return position * length, length
        start = int(self._ends[position - 1]) if position else 0
        return start, int(self._ends[position]) - start


def _array(folder: str, name: str, about: Description, dtype: type) -> np.ndarray:
    """Returns the array in a file; nothing of it is believed before its header and SHA-256 were compared."""
    path, (size, digest) = os.path.join(folder, name), about.files[name]
    expected = np.dtype(dtype)
    try:
        if not 0 <= size - about.images * expected.itemsize <= 1024:  # its header
            raise ValueError(f"{size} bytes are not those of {about.images} values")
        content = untrusted_files.content(path, size)
        if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("it is not the file that was written")
        file = io.BytesIO(content)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("it is of another version of .npy")
        if np.lib.format.read_array_header_1_0(file) != ((about.images,), False, expected):
            raise ValueError("its header is that of another array")
        if dtype is np.bool_ and max(content[file.tell() :]) > 1:
            raise ValueError("it holds more than true and false")
        return np.frombuffer(content, expected, about.images, file.tell())
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _check_images(path: str, size: int, digest: str) -> None:
    """Compares the size of the images, and of up to `VERIFIED_BYTES` their SHA-256."""
    try:
        with _opened(path) as file:
            if os.fstat(file.fileno()).st_size != size:
                raise ValueError(f"it has {os.fstat(file.fileno()).st_size:,} bytes; {size:,} are expected")
            if size <= VERIFIED_BYTES and hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ValueError("it is not the file that was written")
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _opened(path: str) -> Any:
    """Opens a regular file; opening a pipe in its place would else wait for ever."""
    file = open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file")
    return file


@dataclasses.dataclass(frozen=True, slots=True)
class ArrayExample:
    """One image of `images.bin`.

    Attributes:
        label: Its class.
        key: Its number.
        path: The file.
        start: Its first byte.
        length: Its bytes.
        shape: Height, width and channels of its pixels; None if it is an encoded image.
    """

    label: int
    key: str
    path: str
    start: int
    length: int
    shape: tuple[int, int, int] | None

    def load(self) -> bytes | np.ndarray:
        """Returns the encoded image, or the pixels as uint8 `(height, width, 3)`."""
        with _opened(self.path) as file:
            file.seek(self.start)
            content = file.read(self.length)
        if len(content) != self.length:
            raise OSError(errno.EIO, "the file has been cut off")
        if self.shape is None:
            return content
        image = np.frombuffer(content, np.uint8).reshape(self.shape)
        return np.repeat(image, 3, axis=2) if self.shape[2] == 1 else image
