"""Checkpoint files: written as a whole or not at all, with their SHA-256 in their names.

    <study>/.checkpoints/<network>/000017-step310-<SHA-256 of the file>.npz
                         <network>.aside-1/             of another training, or of one that was begun anew

A file is written under another name, brought to the disk and then renamed, so that a kill, a power loss or a full disk
leaves the ones before it as they were. The last two are kept. A folder that is set aside is never written to.

Not with `system.atomic`: the name holds the digest of the content, which is known only when all of it is on the disk,
and a file that a kill leaves half written needs a name under which the next process removes it.
"""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

KEPT = 2
MOST_ASIDE = 3  # of one network; then the user must say which are not needed
_NAME = re.compile(r"(\d{6,})-step(\d+)-([0-9a-f]{64})\.npz")
_PARTIAL = ".partial.npz"
_NOTES = "notes"


class DamagedError(ValueError):
    """A checkpoint file whose content is not what was written."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A training at one moment.

    Attributes:
        step: Steps done.
        arrays: Values of variables by name.
        notes: All else, as JSON has it.
    """

    step: int
    arrays: Mapping[str, np.ndarray]
    notes: Mapping[str, Any]


def listed(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the checkpoints in a folder by age, the newest last; a pipe, which may never end, is none."""
    files = [path for path in folder.glob("*.npz") if _NAME.fullmatch(path.name) and path.is_file()]
    return sorted(files, key=lambda path: int(path.name.partition("-")[0]))


def read(path: pathlib.Path) -> Checkpoint:
    """Returns the checkpoint in a file, whose digest is checked before it is parsed.

    Raises:
        DamagedError: If its content is not what was written.
        OSError: If it cannot be read.
    """
    _, step, digest = _NAME.fullmatch(path.name).groups()
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"{path.name} has not the SHA-256 that its name says")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
        notes = json.loads(arrays.pop(_NOTES).tobytes())
        notes["identity"], notes["circumstances"] = dict(notes["identity"]), dict(notes.get("circumstances", {}))
        notes["resumed"] = [
            {**before, "differences": list(before["differences"])} for before in notes.get("resumed", ())
        ]
    except Exception as error:  # a damaged archive makes its reader raise nearly anything
        raise DamagedError(f"{path.name} is no checkpoint: {error}") from error
    return Checkpoint(int(step), arrays, notes)


def write(folder: pathlib.Path, checkpoint: Checkpoint) -> None:
    """Writes one file so that it is there as a whole or not at all, then removes old ones."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)
    files = listed(folder)
    serial = int(files[-1].name.partition("-")[0]) + 1 if files else 1
    text = json.dumps(checkpoint.notes).encode()
    partial = folder / _PARTIAL
    with partial.open("w+b") as file:
        np.savez(file, **{_NOTES: np.frombuffer(text, np.uint8)}, **checkpoint.arrays)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = folder / f"{serial:06}-step{checkpoint.step}-{digest}.npz"
    os.replace(partial, path)
    _sync(folder)
    for old in [*files, path][:-KEPT]:
        old.unlink()


def remove_partial(folder: pathlib.Path) -> None:
    """Removes what a process that was killed, or met a full disk, had half written."""
    (folder / _PARTIAL).unlink(missing_ok=True)


def asides(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders that were set aside to make room for `folder`."""
    return [path for path in (_between(folder), *_places(folder)) if path.is_dir()]


def set_aside(folder: pathlib.Path) -> pathlib.Path | None:
    """Renames a folder, so that nothing in it is overwritten; returns where it is now, None if there are too many."""
    goal = next((path for path in _places(folder) if not path.exists()), None)
    if goal:
        os.rename(folder, goal)
    return goal


def bring_back(aside: pathlib.Path, folder: pathlib.Path) -> bool:
    """Renames a folder that was set aside back to `folder`; returns whether it changed places with another.

    A kill in between loses nothing: every name on the way is one of those that `asides` looks at.
    """
    waits = folder.exists()
    if waits:
        between = _between(folder)
        if aside != between:  # where a kill has left it
            os.rename(aside, between)
        set_aside(folder)
        aside = between
    os.rename(aside, folder)
    return waits


def _between(folder: pathlib.Path) -> pathlib.Path:
    """Returns the name that a folder has for a moment when two change places."""
    return folder.with_name(f"{folder.name}.aside-0")


def _places(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the places to which a folder may be set aside."""
    return [folder.with_name(f"{folder.name}.aside-{number}") for number in range(1, MOST_ASIDE + 1)]


def _sync(folder: pathlib.Path) -> None:
    """Brings the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
