"""Finished networks as bytes, on their way from one machine to another."""

import os
import pathlib
import shutil
from collections.abc import Callable, Mapping

from tftransfer.records import record_files
from tftransfer.records.record_files import Record
from tftransfer.scheduling.ray.messages import RefusedError, is_plain

_MOST_FILES = 100
_MOST_BYTES = 8_000_000_000  # of one network: a billion parameters take half of it
# The files of one network's folder by name.
Payload = Mapping[str, bytes]


def pack(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns the files of a finished network: its record and those beside it; empty if it is not done."""
    if not (folder / record_files.RECORD).exists():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if is_plain(path.name) and path.is_file()}


def unpack(payload: Payload, folder: pathlib.Path) -> None:
    """Writes a network's files into a new folder, its record last.

    Raises:
        RefusedError: If it is no payload, or a name is not a plain file name.
    """
    _check(payload)
    folder.mkdir(parents=True)
    for name in sorted(payload, key=lambda name: (name == record_files.RECORD, name)):
        with (folder / name).open("xb") as file:
            file.write(payload[name])
            file.flush()
            os.fsync(file.fileno())


def deliver(
    payload: Payload, study: pathlib.Path, name: str, check: Callable[[Record], None] = lambda record: None
) -> None:
    """Makes a payload the folder of a network, all of it or nothing; an older result is replaced.

    Args:
        payload: The network's files, as a node sent them.
        study: Folder of the study.
        name: The network, whose lock the caller holds.
        check: Raises ValueError if a record is not the expected one.

    Raises:
        RefusedError: If the payload does not hold the record of that network and the files that the record names.
    """
    arriving = study / f".arriving-{name}"
    shutil.rmtree(arriving, ignore_errors=True)  # of a sweep that was killed
    try:
        unpack(payload, arriving)
        _check_record(arriving, name, check)
        with record_files.replacing(study / name):
            os.rename(arriving, study / name)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _check(payload: Payload) -> None:
    """Raises RefusedError unless a payload is a mapping of plain names to bytes, within the limits."""
    if not isinstance(payload, Mapping) or not all(isinstance(content, bytes) for content in payload.values()):
        raise RefusedError(f"A network is sent as its files. Received: {type(payload).__name__}")
    wrong = [name for name in payload if not is_plain(name)]
    if wrong:
        raise RefusedError(f"A network's files have plain names. Received: {ascii(wrong[0])[:200]}")
    size = sum(map(len, payload.values()))
    if len(payload) > _MOST_FILES or size > _MOST_BYTES:
        raise RefusedError(
            f"A network has at most {_MOST_FILES} files and {_MOST_BYTES:,} bytes. Received: {len(payload)} files, "
            f"{size:,} bytes"
        )


def _check_record(folder: pathlib.Path, name: str, check: Callable[[Record], None]) -> None:
    """Raises RefusedError unless a folder holds the record of a network and the files that the record names."""
    try:
        record = record_files.read(folder)
        if record is None or record.name != name:
            raise ValueError(f"Expected the record of {name}. Received: {ascii(record.name) if record else 'none'}")
        check(record)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    digests = {record_files.WEIGHTS: "file_sha256", record_files.ARCHITECTURE: "architecture_sha256"}
    if record.content["weights"]["kept"] and not (folder / record_files.WEIGHTS).is_file():
        raise RefusedError(f"The record of {name} says that its weights were kept; they were not sent.")
    for file, digest in digests.items():
        expected = record.content["weights"].get(digest)
        if expected and (folder / file).is_file() and record_files.file_digest(folder / file) != expected:
            raise RefusedError(f"{file} of {name} is not the one of its record: another SHA-256.")
