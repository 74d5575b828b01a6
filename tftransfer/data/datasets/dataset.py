"""The interface of every data set: its classes, and its images in a fixed order."""

import collections
import dataclasses
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from tftransfer.system import escaping

SUBSETS = ("train", "val")
# An uncompressed file of the largest image that is decoded (`decode.MAX_BYTES`).
MOST_BYTES = 2**28


class DataSetError(ValueError):
    """A data set that cannot be used as it is; the message names the remedy."""


class Example(Protocol):
    """One labelled image, not yet read. Small and picklable, so that it can be sent to another process."""

    label: int
    key: str

    def load(self):
        """Returns the encoded file as `bytes`, or the pixels as uint8 `(height, width, 3)`."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileExample:
    """An image in a file of its own."""

    label: int
    key: str
    path: str

    def load(self) -> bytes:
        """Reads the file."""
        # Without O_NONBLOCK, opening a pipe in the place of the file would wait for ever.
        with open(os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"more than {MOST_BYTES:,} bytes, which no image has that can be decoded")
        return content


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedExample:
    """An image whose encoded bytes are in memory."""

    label: int
    key: str
    encoded: bytes

    def load(self) -> bytes:
        """Returns the bytes."""
        return self.encoded


class Examples(Sequence):
    """The examples of one subset in the order of the data set. Reading in order, `between(start, stop)`, is fastest."""

    def __init__(
        self, count: int, between: Callable[[int, int], Iterator[Example]], labels: Sequence[int] | None = None
    ):
        """Takes the number of examples, a function that yields those from `start` to before `stop`, and their labels.

        Without labels, `labels` reads them from the examples.
        """
        self._count = count
        self._between = between
        self._labels = labels

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, step = index.indices(self._count)
            return (
                list(self.between(start, max(start, stop)))
                if step == 1
                else [self[i] for i in range(start, stop, step)]
            )
        if not -self._count <= index < self._count:
            raise IndexError(f"Example {index} of {self._count}.")
        index %= self._count
        return next(iter(self.between(index, index + 1)))

    def __iter__(self) -> Iterator[Example]:
        return self.between(0, self._count)

    def labels(self) -> Sequence[int]:
        """Returns the label of each example in order, if possible without making the examples."""
        return [example.label for example in self] if self._labels is None else self._labels

    def between(self, start: int, stop: int) -> Iterator[Example]:
        """Yields the examples from `start` to before `stop`."""
        return self._between(start, stop)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set as it is stored: nothing decoded, nothing resized.

    Attributes:
        name: The data set as the user names it.
        class_names: Names of the classes; the position is the label.
        class_kinds: "manmade", "natural" or None (not known to the data set) for each class.
        native_size: Side of the images in pixels if all are square and of one known size, else None.
        identity: SHA-256 of all that is known without reading an image: names, labels, file sizes, versions. It does
            not depend on the place of the data.
        subsets: The examples of "train" and "val". Their order is the order of "the first k images" of a class.
        side: Median side of the images in pixels, the root of their area, if that is known without reading them.
        notes: Counts of what users should know, such as ignored files.
        left_out: Reasons why files or folders that look like images are not used, by path.
        skip_broken: Whether preparation leaves out images that cannot be decoded; else they are errors.
    """

    name: str
    class_names: tuple[str, ...]
    class_kinds: tuple[str | None, ...]
    native_size: int | None
    identity: str
    subsets: Mapping[str, Examples]
    notes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    side: float | None = None
    skip_broken: bool = False

    def without_broken(self) -> "Dataset":
        """Returns the data set without the images that cannot be decoded; it gets a store of its own."""
        identity = Digest(self.identity, "without broken images").hexdigest()
        return dataclasses.replace(self, identity=identity, skip_broken=True)

    def examples(self, subset: str) -> Examples:
        """Returns the examples of "train" or "val"."""
        if subset not in SUBSETS:
            raise ValueError(f"Unknown subset; expected one of {SUBSETS}. Received: subset={subset!r}")
        return self.subsets[subset]


class Digest:
    """A SHA-256 over values of mixed types, unambiguous about where each ends."""

    def __init__(self, *values):
        """Starts with `values`."""
        self._hash = hashlib.sha256()
        self.add(*values)

    def add(self, *values) -> None:
        """Adds `values` (text, numbers, tuples of them)."""
        self._hash.update(repr(values).encode("utf-8", "surrogateescape") + b"\n")

    def hexdigest(self) -> str:
        """Returns the digest so far."""
        return self._hash.hexdigest()


def existing_folder(data_dir: str | None, dataset: str, layout: str) -> str:
    """Returns `data_dir` as an absolute path.

    Raises:
        DataSetError: If it is missing, no folder, or empty; the message gives the expected `layout`.
    """
    if not data_dir:
        raise DataSetError(f"The data set {dataset!r} needs --data_dir: {layout}. Received: data_dir={data_dir!r}")
    path = os.path.abspath(os.path.expanduser(data_dir))
    if not os.path.isdir(path):
        present = "a file" if os.path.exists(path) else "nothing"
        raise DataSetError(
            f"The data set {dataset!r} expects a folder at {path}, but there is {present}. Expected: {layout}. "
            f"Received: data_dir={data_dir!r}"
        )
    if all(name.startswith(".") for name in os.listdir(path)):
        raise DataSetError(f"The folder of the data set {dataset!r} is empty: {path}. Expected: {layout}.")
    return path


def refuse_equal_names(dataset: str, class_names: Sequence[str]) -> None:
    """Raises DataSetError if two classes have one name: splits and descriptions refer to classes by name."""
    twice = [name for name, count in collections.Counter(class_names).items() if count > 1]
    if twice:
        raise DataSetError(
            f"{len(twice)} name(s) of classes of {dataset!r} stand for several classes: {escaping.first(twice)}. "
            "Expected different ones; get the data set again, or rename them."
        )
