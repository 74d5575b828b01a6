"""Finished networks as bytes, on their way from one machine to another."""

import os
import pathlib
import shutil
from collections.abc import Mapping

from tftransfer import records

# The files of one network's folder by name.
Parcel = Mapping[str, bytes]


def pack(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns the files of a finished network: its record and all that stands beside it; nothing if it is not done."""
    if not (folder / records.RECORD).exists():
        return {}
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if _is_plain(path.name) and path.is_file()
    }


def unpack(parcel: Parcel, folder: pathlib.Path) -> None:
    """Writes a network's files into a folder that is not there yet, its record last.

    Raises:
        ValueError: If a name is more than the name of a file.
    """
    folder.mkdir(parents=True)
    for name in sorted(parcel, key=lambda name: (name == records.RECORD, name)):
        if not _is_plain(name):
            raise ValueError(f"A network's files have plain names. Received: {name!r}")
        with (folder / name).open("xb") as file:
            file.write(parcel[name])
            file.flush()
            os.fsync(file.fileno())


def deliver(parcel: Parcel, study: pathlib.Path, name: str) -> None:
    """Makes a parcel the folder of a network, all of it or nothing; what was finished there before is replaced.

    Args:
        parcel: The network's files.
        study: Folder of the study.
        name: The network, whose lock the caller holds.

    Raises:
        ValueError: If the parcel holds no record of that network.
    """
    arriving = study / f".arriving-{name}"
    shutil.rmtree(arriving, ignore_errors=True)  # of a sweep that was killed
    try:
        unpack(parcel, arriving)
        record = records.read(arriving)
        if record is None or record.name != name:
            raise ValueError(f"Expected the record of {name}. Received: {record.name if record else 'none'}")
        with records.replacing(study / name):
            os.rename(arriving, study / name)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _is_plain(name: str) -> bool:
    """Returns True for the name of a file that belongs to a network: no path, nothing hidden or half written."""
    return pathlib.PurePath(name).name == name and not name.startswith(".")
