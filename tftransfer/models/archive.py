"""Description and weights in a `.keras` file, read without trust: limits on bytes, compression ratio and depth."""

import contextlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from tftransfer.system import untrusted_files

_NAME = "config.json"
_WEIGHTS = "model.weights.h5"
_MOST_DIRECTORY_BYTES = 2**20  # of the list of its files; Keras writes three
_MOST_TIMES = 250  # ratio of compression; descriptions of keras.applications reach 50
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


def configuration(path: str | os.PathLike) -> Any:
    """Returns the JSON value of `config.json`; nothing else in the archive is read.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no such archive, or holds more than the description of a network can need.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:
        content = _content(file, _NAME, untrusted_files.MOST_BYTES)
    return untrusted_files.parsed(content, infinite=True)


def weights(origin: str | os.PathLike | bytes) -> bytes:
    """Returns the bytes of `model.weights.h5`, which Keras stores as they are; nothing else in the archive is read.

    Args:
        origin: Path of the archive, or its bytes.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no such archive, or its weights are packed or larger than itself.
    """
    with io.BytesIO(origin) if isinstance(origin, bytes) else open(origin, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return _content(file, _WEIGHTS, size, (zipfile.ZIP_STORED,))


def _content(file: BinaryIO, name: str, most: int, packings: tuple[int, ...] = _PACKINGS) -> bytes:
    """Returns the bytes of one file in an archive."""
    limited = _Limited(file, _MOST_DIRECTORY_BYTES)
    with _damage_is_a_value_error(), zipfile.ZipFile(limited) as archive:
        entry = _only(archive, name, most, packings)
        limited.most = most
        with archive.open(entry) as packed:
            return packed.read(most + 1)


@contextlib.contextmanager
def _damage_is_a_value_error() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zipfile.zlib.error) as error:
        raise ValueError(str(error)) from error


def _only(archive: zipfile.ZipFile, name: str, most: int, packings: tuple[int, ...]) -> zipfile.ZipInfo:
    """Returns the only entry of a name, after checks of the sizes that the archive claims."""
    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise ValueError(f"it holds {len(entries)} files {name}; expected one")
    (entry,) = entries
    if entry.compress_type not in packings or entry.flag_bits & _ENCRYPTED:
        allowed = "deflate" if zipfile.ZIP_DEFLATED in packings else "none, as Keras writes it"
        raise ValueError(f"its {name} is encrypted, or packed by another method than {allowed}")
    if entry.file_size > most:
        raise ValueError(f"its {name} has {entry.file_size:,} bytes; {most:,} are read at most")
    if entry.file_size > _MOST_TIMES * max(1, entry.compress_size):
        raise ValueError(
            f"its {name} has {entry.file_size:,} bytes packed into {entry.compress_size:,}; descriptions of networks "
            f"shrink by less than {_MOST_TIMES} times"
        )
    return entry


class _Limited:
    """A file of which no more than `most` bytes are read at once.

    Attributes:
        most: Largest number of bytes; a read of more raises ValueError.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self.most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(content) > self.most:
            raise ValueError(f"its list of files has more than {self.most:,} bytes")
        return content
