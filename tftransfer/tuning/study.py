"""The folder of a search: its settings, and one file per trial, each written atomically.

runs/tune-<study>/study.json               settings of the search
                  trials/<number>/trial.json   a trial that ended: recipe, score, cost, or why it failed
                                  log.txt      output of its process
                  best.flags               the best recipe, written when a search ends
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import filelock

from tftransfer.records import record_files
from tftransfer.system import atomic, untrusted_files

FORMAT = 1
STUDY, TRIALS, TRIAL = "study.json", "trials", "trial.json"
OK, FAILED, DIVERGED = "ok", "failed", "diverged"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a training.

    Attributes:
        status: "ok", "diverged" or "failed".
        seconds: Time from the start of its process to its end.
        top1: Top-1 on the held-out images at the last evaluation, 0 to 1; None unless "ok".
        cross_entropy: Cross-entropy on the same images, in nats.
        train_images: Steps times batch size.
        images_per_second: Speed of the median training step.
        trained_parameters: Number of trained parameters.
        peak_memory_mb: Peak memory of its process, in 10**6 bytes.
        error: Why it failed.
    """

    status: str
    seconds: float
    top1: float | None = None
    cross_entropy: float | None = None
    train_images: int = 0
    images_per_second: float | None = None
    trained_parameters: int = 0
    peak_memory_mb: float | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial(Result):
    """A recipe that was trained, or could not be.

    Attributes:
        number: From 1, which is the recipe that the search starts from.
        asked: The tuned options as they were proposed.
        recipe: The tuned options that were trained: `asked`, with fewer epochs if the time did not allow more.
    """

    number: int
    asked: Mapping[str, Any]
    recipe: Mapping[str, Any]


def winner(trials: Iterable[Trial]) -> Trial | None:
    """Returns the trial with the highest score; of equal ones the cheapest, then the first. None if none ended well."""
    ended = [trial for trial in trials if trial.status == OK]
    return min(ended, key=lambda trial: (-trial.top1, trial.seconds, trial.number), default=None)


class Study:
    """A search on disk.

    Args:
        root: Its folder, made if need be.
        settings: All that decides the results of trials, and the search space.

    Raises:
        ValueError: If the folder holds a search with other settings, or cannot be understood.
    """

    def __init__(self, root: pathlib.Path, settings: Mapping[str, Any]) -> None:
        self.root = root
        self._settings = json.loads(json.dumps(settings))  # as it reads back: tuples are lists there
        found = _read(root / STUDY)
        if found is None:
            self._bracket, self._lost = None, 0.0
            self._write()
            return
        there = found.get("settings")
        if found.get("format") != FORMAT or not isinstance(there, dict):
            raise ValueError(f"{root / STUDY} is not a study of format {FORMAT}. Use another --study=NAME.")
        if other := record_files.differences(there, self._settings):
            raise ValueError(
                f"{root} holds a search with other settings; nothing was overwritten. What differs: "
                f"{'; '.join(other)}. Give this search another name with --study=NAME."
            )
        self._bracket, self._lost = found.get("bracket"), found.get("lost_seconds", 0.0)
        if not (_is_bracket(self._bracket) and _is_number(self._lost)):
            raise ValueError(f"{root / STUDY} is damaged: bracket or lost_seconds. Use another --study=NAME.")

    def _write(self) -> None:
        content = {
            "format": FORMAT,
            "settings": self._settings,
            "bracket": self._bracket,
            "lost_seconds": self._lost,
        }
        atomic.write_text(self.root / STUDY, json.dumps(content, indent=1) + "\n")

    @property
    def bracket(self) -> Mapping[str, Any] | None:
        """Lengths of Hyperband's trials (`oracles.Bracket`), once they were chosen from the speed of this machine."""
        return self._bracket

    @bracket.setter
    def bracket(self, bracket: Mapping[str, Any]) -> None:
        self._bracket = dict(bracket)
        self._write()

    @property
    def lost_seconds(self) -> float:
        """Time of trials that were ended because the time was spent."""
        return self._lost

    def lose(self, seconds: float) -> None:
        """Counts the time of a trial that was ended before it had a score."""
        self._lost += round(seconds, 2)
        self._write()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder against other searches."""
        lock = filelock.FileLock(self.root / ".lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise ValueError(
                f"Another search is at work in {self.root}. Wait for its end, or use another --study=NAME."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def folder(self, number: int) -> pathlib.Path:
        """Returns the folder of a trial."""
        return self.root / TRIALS / f"{number:03d}"

    def trials(self) -> list[Trial]:
        """Returns the trials that ended, in order."""
        found = []
        for path in sorted(self.root.glob(f"{TRIALS}/*/{TRIAL}")):
            try:
                trial = Trial(**_read(path))
            except TypeError as error:
                raise ValueError(f"{path} is not a trial: {error}. Move its folder away to go on.") from error
            if not _is_sound(trial):
                raise ValueError(f"{path} is not a trial: a value is of the wrong kind. Move its folder away to go on.")
            found.append(trial)
        return sorted(found, key=lambda trial: trial.number)

    def next_number(self) -> int:
        """Returns the number of the next trial; one that was interrupted gives its number to the next."""
        return max((trial.number for trial in self.trials()), default=0) + 1

    def write(self, trial: Trial) -> None:
        """Writes the file of a trial that ended."""
        text = json.dumps(dataclasses.asdict(trial), indent=1, allow_nan=False) + "\n"
        atomic.write_text(self.folder(trial.number) / TRIAL, text)


def _is_sound(trial: Trial) -> bool:
    """Whether the fields of a trial are of the right types; its file may come from anybody."""
    optional = (trial.top1, trial.cross_entropy, trial.images_per_second, trial.peak_memory_mb)
    numbers = [trial.seconds, trial.train_images, trial.trained_parameters, *(v for v in optional if v is not None)]
    scored = trial.status != OK or trial.top1 is not None
    return (
        scored
        and all(map(_is_number, numbers))
        and isinstance(trial.number, int)
        and trial.status in (OK, FAILED, DIVERGED)
        and isinstance(trial.error, str)
        and isinstance(trial.asked, dict)
        and isinstance(trial.recipe, dict)
    )


def _is_bracket(value: Any) -> bool:
    """Whether `value` has the fields of an `oracles.Bracket`, or is None."""
    if value is None:
        return True
    fine = (
        isinstance(value, dict) and set(value) == {"longest_epochs", "rounds"} and all(map(_is_number, value.values()))
    )
    return fine and value["longest_epochs"] > 0 and value["rounds"] in range(1, 10)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    """Returns the JSON object in a file, None if there is no file."""
    try:
        content = untrusted_files.read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Move its folder away to search again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it is not a JSON object. Move its folder away to search again.")
    return content
