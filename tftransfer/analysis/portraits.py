"""The small arrays kept beside a record: first-layer filters and similarity of features, written by training."""

import hashlib
import io
import pathlib
import zipfile

import numpy as np

from tftransfer.records import Record

NAMES = ("filters", "blocks", "images", "with_base", "source_with_base")


def read(record: Record) -> dict[str, np.ndarray]:
    """Returns a network's portrait, empty if none was kept.

    Raises:
        ValueError: If the file is missing, damaged or another than the record's.
    """
    said = record.content.get("portrait")
    if not isinstance(said, dict):
        return {}
    path = record.folder / pathlib.PurePath(str(said.get("file"))).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"The portrait of {record.name} cannot be read: {error}.") from error
    if hashlib.sha256(content).hexdigest() != said.get("sha256"):
        raise ValueError(f"The portrait of {record.name} is not the one of its record (another SHA-256): {path}.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in NAMES if name in arrays}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"The portrait of {record.name} is damaged: {error}.") from error
