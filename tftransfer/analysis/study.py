"""A study's folder: which records it holds, which cannot be read, which networks are not finished."""

import dataclasses
import pathlib

from tftransfer import records
from tftransfer.records import Record
from tftransfer.treatments import Treatment

_IDENTITY = ("protocol", "split", "seed", "images_per_class")


@dataclasses.dataclass(frozen=True)
class Study:
    """What lies in a study's folder.

    Attributes:
        folder: The folder.
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
    if (folder / records.RECORD).is_file():
        raise ValueError(
            f"This is the folder of one network; its study is the folder above. Use {folder.resolve().parent}. "
            f"Received: {folder}"
        )
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found, unreadable, unfinished = [], [], []
    for path in inside:
        try:
            record = records.read(path)
        except (ValueError, OSError) as error:
            unreadable.append(str(error))
            continue
        if record:
            fault = _fault(record)
            unreadable += [f"The record {path / records.RECORD} cannot be used: {fault}."] if fault else []
            found += [] if fault else [record]
        elif any(path.glob("events.out.tfevents.*")) and not any(path.glob(f"*/{records.RECORD}")):
            unfinished.append(path.name)
    if not (found or unreadable or unfinished):
        raise ValueError(_no_study(folder, inside))
    return Study(folder, tuple(found), tuple(unreadable), tuple(unfinished))


def _fault(record: Record) -> str | None:
    """Returns what a report needs and a record lacks: identities of other versions have other parts."""
    identity = record.identity
    try:
        Treatment(**identity["treatment"])
        lacking = [name for name in _IDENTITY if name not in identity]
        lacking += [name for name in ("dataset", "model") if name not in identity["recipe"]]
        lacking += [] if "fingerprint" in identity["data"] else ["fingerprint"]
        scored = record.status != records.DONE or isinstance(record.result["top1"], float)
    except (KeyError, TypeError) as error:
        return f"it was written by another version of tftransfer ({type(error).__name__}: {error})"
    if lacking:
        return f"it was written by another version of tftransfer, without {', '.join(lacking)}"
    return None if scored else f"its top1 is no number: {record.result['top1']!r}"


def _no_study(folder: pathlib.Path, inside: list[pathlib.Path]) -> str:
    """Returns why a folder is no study, and which of its folders are."""
    studies = [path.name for path in inside if any(path.glob(f"*/{records.RECORD}"))]
    if studies:
        return (
            f"This folder holds studies and is none itself. Use one of {', '.join(studies)} in it. Received: {folder}"
        )
    return (
        f"No network of a study lies here. Expected folders with a {records.RECORD} each, as "
        f"`python -m tftransfer.run` writes them. Received: {folder}"
    )
