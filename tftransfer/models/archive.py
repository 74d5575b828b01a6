"""The description in a `.keras` file, read without trust: with limits on bytes, compression ratio and depth."""

import os
import stat
import zipfile
from typing import Any, BinaryIO

from tftransfer.system import untrusted_files

_NAME = "config.json"
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
    try:
        with open(path, "rb") as file:
            limited = _Limited(file, _MOST_DIRECTORY_BYTES)
            with zipfile.ZipFile(limited) as archive:
                entry = _only(archive)
                limited.most = untrusted_files.MOST_BYTES
                with archive.open(entry) as packed:
                    content = packed.read(untrusted_files.MOST_BYTES + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zipfile.zlib.error) as error:
        raise ValueError(str(error)) from error
    return untrusted_files.parsed(content, infinite=True)


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Returns the entry of the description, after checks of the sizes that the archive claims."""
    entries = [entry for entry in archive.infolist() if entry.filename == _NAME]
    if len(entries) != 1:
        raise ValueError(f"it holds {len(entries)} files {_NAME}; expected one")
    (entry,) = entries
    if entry.compress_type not in _PACKINGS or entry.flag_bits & _ENCRYPTED:
        raise ValueError(f"its {_NAME} is encrypted, or packed by another method than deflate")
    if entry.file_size > untrusted_files.MOST_BYTES:
        raise ValueError(f"its {_NAME} has {entry.file_size:,} bytes; {untrusted_files.MOST_BYTES:,} are read at most")
    if entry.file_size > _MOST_TIMES * max(1, entry.compress_size):
        raise ValueError(
            f"its {_NAME} has {entry.file_size:,} bytes packed into {entry.compress_size:,}; descriptions of networks "
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
