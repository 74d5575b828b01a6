"""Checkpoints of a training: which of them it goes on from, and when the next is due.

A training goes on from its own only. Nothing but its own progress removes them: those of another training are set
aside, and come back when that training is wanted again.
"""

import contextlib
import json
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer.records import record_files
from tftransfer.training import checkpoint_files
from tftransfer.training.checkpoint_files import Checkpoint, DamagedError

FORMAT = 3
EXACT, ANY, NO = "exact", "any", "no"
_EVALUATIONS = "evaluations"  # where rounds end: part of the history, not of the weights
_REPLACED, _LAYOUT = "replaces", "variables"
_SAVES_IN_ALL = 50  # training lasts this many times as long as saving, which takes less than 2 % of the time
_SHORTEST_SECONDS = 5.0  # between two saves: less work than that is not worth keeping
_EXPECTED_BYTES_PER_SECOND = 100e6  # of a slow disk, until a save was measured


class CannotResumeError(ValueError):
    """A checkpoint that this process cannot resume from, and that is kept."""


class Checkpoints:
    """The checkpoints of one training; only one process may use a folder at a time.

    Args:
        folder: Where they lie; made with the first of them.
        about: What the training is, as far as the caller alone knows it, as JSON has it.
        say: Takes lines for the user.
        minutes: Between two of them; None: so that saving takes less than 2 % of the time.
        resume: `any`: go on though what rounds differs, and say so; `exact`: only if nothing differs; `no`: begin anew.

    Attributes:
        told_until: Step of the last evaluation that the training knows from a checkpoint; 0 if it began anew.
        resumed: Where the training went on though something was not as before: `step`, `differences` (one line each)
            and `inexact` (whether bits of the weights may differ), in order.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        about: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = print,
        minutes: float | None = None,
        resume: str = ANY,
    ) -> None:
        self.told_until = 0
        self.resumed: list[dict[str, Any]] = []
        self._folder = folder
        self._about = dict(about or {})
        self._say = say
        self._minutes = minutes
        self._resume = resume
        self._identity: dict[str, Any] = {}
        self._circumstances: dict[str, Any] = {}
        self._save_seconds: float | None = None
        self._last = time.monotonic()
        self._failed = False

    def restore(self, identity: Mapping[str, Any], circumstances: Mapping[str, Any] | None = None) -> Checkpoint | None:
        """Returns the newest checkpoint that is whole and of this training, and None if there is none.

        Args:
            identity: What the training is, as far as the caller of `about` does not know it. Checkpoints with another
                identity are set aside.
            circumstances: What else decides its bits, or where it is evaluated. Where a checkpoint's are others, it
                depends on `resume` whether training goes on.

        Raises:
            CannotResumeError: If there is a checkpoint of this training that cannot be resumed from here. It stays.
        """
        self._identity = json.loads(json.dumps({"format": FORMAT, **self._about, **identity}))
        self._circumstances = json.loads(json.dumps(dict(circumstances or {})))
        self._last = time.monotonic()
        checkpoint_files.remove_partial(self._folder)
        if self._resume == NO:
            if checkpoint_files.listed(self._folder):
                self._say(f"begins anew (--resume=no); its checkpoints {self._set_aside()}")
            return None
        checkpoint = self._newest(self._folder)
        if checkpoint is None or self._differences(checkpoint):
            checkpoint = self._fetched() or checkpoint
        if checkpoint is None:
            return None
        if differences := self._differences(checkpoint):
            self._give_way(checkpoint, differences)
            return None
        self._accept(checkpoint)
        return checkpoint

    def _accept(self, checkpoint: Checkpoint) -> None:
        """Says how training goes on from a checkpoint; raises CannotResumeError if it may not."""
        self.resumed = list(checkpoint.notes["resumed"])
        differences = record_files.differences(checkpoint.notes["circumstances"], self._circumstances)
        inexact = [line for line in differences if not line.startswith(f"{_EVALUATIONS}:")]
        earlier = [line for before in self.resumed for line in before["differences"]]
        if self._resume == EXACT and (differences or earlier):
            raise CannotResumeError(
                f"The checkpoint at step {checkpoint.step} cannot be gone on from exactly: "
                f"{'; '.join(differences) or 'it was itself gone on with inexactly (' + '; '.join(earlier) + ')'}. It "
                f"is kept. Make these agree, or use --resume=any to go on all the same, or --resume=no to begin anew."
            )
        if differences:
            self.resumed.append({"step": checkpoint.step, "differences": differences, "inexact": bool(inexact)})
        text = f"goes on from its checkpoint at step {checkpoint.step}"
        if inexact:
            text += f", inexactly: {'; '.join(differences)}; bits may differ from those of an uninterrupted training"
        elif differences:
            text += f"; {'; '.join(differences)}: its weights stay the same, its history has other steps"
        self._say(text)

    def _differences(self, checkpoint: Checkpoint) -> list[str]:
        """Returns the differences that make a checkpoint one of another training, one line each."""
        return record_files.differences(checkpoint.notes["identity"], self._identity)

    def _give_way(self, checkpoint: Checkpoint, differences: Sequence[str]) -> None:
        """Leaves the folder of a network to this training; what is there belongs to another."""
        names = {line.partition(":")[0].partition(".")[0].partition("[")[0] for line in differences}
        if names == {_LAYOUT}:
            why = record_files.differences(checkpoint.notes["circumstances"], self._circumstances) or differences
            raise CannotResumeError(
                f"The checkpoint at step {checkpoint.step} is of this training, but its variables are not laid out as "
                f"here: {'; '.join(why)}. It is kept; --resume=no begins anew and sets it aside."
            )
        if names == {_REPLACED} and any(self._identity[_REPLACED]):
            self._say("its checkpoints are of a training that has ended since, and are removed")
            shutil.rmtree(self._folder)
            return
        why = "; ".join(differences)
        self._say(f"its checkpoints are of another training ({why}) and {self._set_aside()}")

    def _set_aside(self) -> str:
        """Sets the folder aside; returns that in words."""
        goal = checkpoint_files.set_aside(self._folder)
        if goal is None:
            names = ", ".join(path.name for path in checkpoint_files.asides(self._folder))
            raise CannotResumeError(
                f"Checkpoints of {checkpoint_files.MOST_ASIDE} other trainings of this network are set aside already: "
                f"{names} in {self._folder.parent}. Remove those that you do not need. Nothing was changed."
            )
        return f"are set aside in {goal.parent.name}/{goal.name}"

    def _fetched(self) -> Checkpoint | None:
        """Returns the newest checkpoint of this training that was set aside, back in its place, if there is one."""
        for path in checkpoint_files.asides(self._folder):
            with contextlib.suppress(CannotResumeError):  # one that cannot be read stays where it is
                checkpoint = self._newest(path)
                if checkpoint and not self._differences(checkpoint):
                    if checkpoint_files.bring_back(path, self._folder):
                        self._say("checkpoints of another training change places with those of this one")
                    return checkpoint
        return None

    def _newest(self, folder: pathlib.Path) -> Checkpoint | None:
        """Returns the newest whole checkpoint in a folder, of whatever training; removes damaged ones, with a message.

        Raises:
            CannotResumeError: If there are some and none can be read: they may be as good as ever.
        """
        files, unread = checkpoint_files.listed(folder), []
        for path in reversed(files):
            try:
                return checkpoint_files.read(path)
            except DamagedError as error:
                self._say(f"a checkpoint is damaged and was removed: {error}")
                path.unlink()
            except OSError as error:
                self._say(f"a checkpoint cannot be read: {error}")
                unread.append(error)
        if unread:
            raise CannotResumeError(f"No checkpoint can be read: {unread[0]}. They are kept; --resume=no begins anew.")
        if files:
            self._say("no whole checkpoint is left; training starts anew")
        return None

    def due(self, size: int) -> bool:
        """Whether it is time for the next checkpoint.

        Args:
            size: Its bytes, from which the time of a first save is guessed.
        """
        waited = time.monotonic() - self._last
        if self._minutes is not None:
            return waited >= 60 * self._minutes
        expected = size / _EXPECTED_BYTES_PER_SECOND if self._save_seconds is None else self._save_seconds
        return waited >= max(_SHORTEST_SECONDS, _SAVES_IN_ALL * expected)

    def save(self, step: int, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> bool:
        """Writes a checkpoint; if the disk does not take it, a message says so once and training goes on without.

        Args:
            step: Steps done.
            arrays: Values of variables by name.
            notes: All else, as JSON has it.

        Returns:
            Whether it was written.
        """
        started = time.monotonic()
        try:
            self._write(step, arrays, notes)
        except OSError as error:
            with contextlib.suppress(OSError):
                checkpoint_files.remove_partial(self._folder)
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
        """Removes them all: the training has ended and its result is kept elsewhere."""
        try:
            shutil.rmtree(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._say(f"its checkpoints could not be removed: {error}")
        with contextlib.suppress(OSError):  # other trainings have checkpoints there
            self._folder.parent.rmdir()

    def _write(self, step: int, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
        about = {"identity": self._identity, "circumstances": self._circumstances, "resumed": self.resumed}
        checkpoint_files.write(self._folder, Checkpoint(step, arrays, {**notes, **about}))
