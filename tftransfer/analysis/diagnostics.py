"""Diagnostics: small arrays beside a record, written by training. First-layer filters and similarity of features."""

import hashlib
import io
import pathlib
import zipfile

import numpy as np

from tftransfer.records.record_files import Record
from tftransfer.system import untrusted_files

NAMES = ("filters", "blocks", "images", "with_base", "source_with_base")

_MOST_BYTES = 50_000_000  # filters of the first layer, and a matrix of blocks by blocks


def read(record: Record) -> dict[str, np.ndarray]:
    """Returns a network's diagnostics, empty if none was kept.

    Raises:
        ValueError: If the file is missing, damaged or another than the record's.
    """
    described = record.content.get("diagnostics")
    if not isinstance(described, dict):
        return {}
    path = record.folder / pathlib.PurePath(str(described.get("file"))).name
    try:
        if not untrusted_files.inside(path, record.folder):
            raise ValueError("it is a link that leads elsewhere")
        content = untrusted_files.content(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"The diagnostics file of {record.name} cannot be read: {error}.") from error
    if hashlib.sha256(content).hexdigest() != described.get("sha256"):
        raise ValueError(
            f"The diagnostics file of {record.name} is not the one of its record (another SHA-256): {path}."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MOST_BYTES:
                raise ValueError(f"it unpacks to more than {_MOST_BYTES:,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in NAMES if name in arrays}
    except (ValueError, OSError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"The diagnostics file of {record.name} is damaged: {error}.") from error
