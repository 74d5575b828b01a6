"""Checkpoints of a training: files that count only if they are whole and of the very same training.

    <study>/.checkpoints/<network>/000017-step310-<SHA-256 of the file>.npz

A file is written under another name, brought to the disk and then renamed, so that a kill, a power loss or a full disk
leaves the ones before it as they were. The last two are kept.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tftransfer import records

FORMAT = 1
KEPT = 2
_NAME = re.compile(r"(\d{6,})-step(\d+)-([0-9a-f]{64})\.npz")
_PARTIAL = ".partial.npz"
_NOTES = "notes"
_SAVES_IN_ALL = 50  # training lasts so many times as long as saving: less than 2 % of the time
_SHORTEST_SECONDS = 5.0  # between two saves: less work than that is not worth keeping
_EXPECTED_BYTES_PER_SECOND = 100e6  # of a slow disk, until a save was measured


class KeptError(ValueError):
    """A checkpoint that this process cannot go on from, and that is too good to be thrown away."""


class DamagedError(ValueError):
    """A checkpoint file whose content is not what was written."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A training at one moment.

    Attributes:
        step: Updates done.
        arrays: Values of variables by name.
        notes: All else, as JSON has it.
    """

    step: int
    arrays: Mapping[str, np.ndarray]
    notes: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one training; only one process may use a folder at a time.

    Args:
        folder: Where they lie; made with the first of them.
        about: What the training is, as far as the caller alone knows it, as JSON has it.
        say: Takes lines for the user.
        minutes: Between two of them; None: so that saving takes less than 2 % of the time.

    Attributes:
        told_until: Step of the last evaluation that the training knows from a checkpoint; 0 if it began anew.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        about: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = print,
        minutes: float | None = None,
    ) -> None:
        self.told_until = 0
        self._folder = folder
        self._about = dict(about or {})
        self._say = say
        self._minutes = minutes
        self._identity: dict[str, Any] = {}
        self._save_seconds: float | None = None
        self._last = time.monotonic()
        self._failed = False

    def restore(
        self,
        identity: Mapping[str, Any],
        worth_keeping: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] = lambda there, here: None,
    ) -> Checkpoint | None:
        """Returns the newest checkpoint that is whole and of this training, and None if there is none.

        Args:
            identity: All that decides the course of the training bit by bit, as far as the caller of `about` does not
                know it. Checkpoints with another identity are not used.
            worth_keeping: Takes a checkpoint's identity and the one wanted, which differ; returns why training must
                not begin anew, since the checkpoint can be used otherwise, or None.

        Raises:
            KeptError: With that reason. The checkpoint stays.
        """
        self._identity = json.loads(json.dumps({"format": FORMAT, **self._about, **identity}))
        self._last = time.monotonic()
        (self._folder / _PARTIAL).unlink(missing_ok=True)
        files = self._files()
        for path in reversed(files):
            try:
                checkpoint = _read(path)
            except DamagedError as error:
                self._say(f"a checkpoint is damaged and was removed: {error}")
                path.unlink()
                continue
            except OSError as error:
                self._say(f"a checkpoint cannot be read: {error}")
                continue
            differences = records.differences(checkpoint.notes["identity"], self._identity)
            reason = worth_keeping(checkpoint.notes["identity"], self._identity) if differences else None
            if reason:
                raise KeptError(
                    f"The checkpoint at step {checkpoint.step} {reason} Removing "
                    f"{self._folder.parent.name}/{self._folder.name} in the study's folder begins anew."
                )
            if differences:
                self._say(f"its checkpoints are of another training and are not used: {'; '.join(differences)}")
                return None
            self._say(f"goes on from its checkpoint at step {checkpoint.step}")
            return checkpoint
        if files:
            self._say("no whole checkpoint is left; training starts anew")
        return None

    def due(self, size: int) -> bool:
        """Returns True if it is time for the next checkpoint.

        Args:
            size: Its bytes, from which the time of a first save is guessed.
        """
        waited = time.monotonic() - self._last
        if self._minutes is not None:
            return waited >= 60 * self._minutes
        expected = size / _EXPECTED_BYTES_PER_SECOND if self._save_seconds is None else self._save_seconds
        return waited >= max(_SHORTEST_SECONDS, _SAVES_IN_ALL * expected)

    def save(self, step: int, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> bool:
        """Writes a checkpoint; a disk that does not take it is said once, and training goes on without.

        Args:
            step: Updates done.
            arrays: Values of variables by name.
            notes: All else, as JSON has it.

        Returns:
            True if it was written.
        """
        started = time.monotonic()
        try:
            self._write(step, arrays, notes)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self._folder / _PARTIAL).unlink(missing_ok=True)
            if not self._failed:
                self._say(f"no checkpoint could be written at step {step}: {error}")
            self._failed = True
            return False
        finally:
            self._last = time.monotonic()
            self._save_seconds = self._last - started
        self._failed = False
        return True

    def clear(self) -> None:
        """Removes them all: the training has ended and what it found is kept elsewhere."""
        try:
            shutil.rmtree(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._say(f"its checkpoints could not be removed: {error}")
        with contextlib.suppress(OSError):  # other trainings have checkpoints there
            self._folder.parent.rmdir()

    def _write(self, step: int, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
        """Writes one file so that it is there as a whole or not at all, then removes old ones."""
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            _sync(self._folder.parent)
        files = self._files()
        serial = int(files[-1].name.partition("-")[0]) + 1 if files else 1
        text = json.dumps({**notes, "identity": self._identity}).encode()
        partial = self._folder / _PARTIAL
        with partial.open("w+b") as file:
            np.savez(file, **{_NOTES: np.frombuffer(text, np.uint8)}, **arrays)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = self._folder / f"{serial:06}-step{step}-{digest}.npz"
        os.replace(partial, path)
        _sync(self._folder)
        for old in [*files, path][:-KEPT]:
            old.unlink()

    def _files(self) -> list[pathlib.Path]:
        """Returns the files by age, the newest last."""
        found = [path for path in self._folder.glob("*.npz") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def _read(path: pathlib.Path) -> Checkpoint:
    """Returns the content of a file, its digest checked before anything else is made of it."""
    _, step, digest = _NAME.fullmatch(path.name).groups()
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"{path.name} has not the SHA-256 that its name says")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
        notes = json.loads(arrays.pop(_NOTES).tobytes())
        notes["identity"] = dict(notes["identity"])
    except Exception as error:  # a damaged archive makes its reader raise nearly anything
        raise DamagedError(f"{path.name} is no checkpoint: {error}") from error
    return Checkpoint(int(step), arrays, notes)


def _sync(folder: pathlib.Path) -> None:
    """Brings the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
