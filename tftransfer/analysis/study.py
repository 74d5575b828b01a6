"""A study's folder: its records, those that cannot be read, and networks that are not finished."""

import dataclasses
import pathlib

from tftransfer.records import record_files
from tftransfer.records.record_files import Record


@dataclasses.dataclass(frozen=True)
class Study:
    """The content of a study's folder.

    Attributes:
        folder: Its folder.
        records: Its finished networks, by name.
        unreadable: Records that cannot be used, a sentence each: damaged, or of another format.
        unfinished: Names of networks that were begun and have no record.
    """

    folder: pathlib.Path
    records: tuple[Record, ...]
    unreadable: tuple[str, ...]
    unfinished: tuple[str, ...]


def read(folder: pathlib.Path) -> Study:
    """Reads a study; one damaged record does not hide the others.

    Raises:
        ValueError: If there is no such folder, or nothing in it looks like a network of a study.
    """
    if not folder.is_dir():
        raise ValueError(
            f"There is no such study. Expected --study=FOLDER with the folder that a run wrote (runs/<study>), or "
            f"--study=paper. Received: {folder}"
        )
    if (folder / record_files.RECORD).is_file():
        raise ValueError(
            f"This is the folder of one network; its study is the folder above. Use {folder.resolve().parent}. "
            f"Received: {folder}"
        )
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found, unreadable, unfinished = [], [], []
    for path in inside:
        try:
            record = record_files.read(path)
        except (ValueError, OSError) as error:
            unreadable.append(str(error))
            continue
        if record:
            found.append(record)
        elif any(path.glob("events.out.tfevents.*")) and not any(path.glob(f"*/{record_files.RECORD}")):
            unfinished.append(path.name)
    if not (found or unreadable or unfinished):
        raise ValueError(_no_study(folder, inside))
    return Study(folder, tuple(found), tuple(unreadable), tuple(unfinished))


def _no_study(folder: pathlib.Path, inside: list[pathlib.Path]) -> str:
    """Returns an error message for a folder that is no study, with the studies in it."""
    studies = [path.name for path in inside if any(path.glob(f"*/{record_files.RECORD}"))]
    if studies:
        return (
            f"This folder holds studies and is none itself. Use one of {', '.join(studies)} in it. Received: {folder}"
        )
    return (
        f"No network of a study lies here. Expected folders with a {record_files.RECORD} each, as "
        f"`python -m tftransfer.run` writes them. Received: {folder}"
    )
