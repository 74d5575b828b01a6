"""The folder `.sweep` of a study, from which other processes, and later sweeps, read the progress.

<study>/.sweep/plan.json               the networks of the last sweep
               jobs/<job>.json         the request to its process
               jobs/<job>.heartbeat.json    its progress, written every few seconds while it lives
               jobs/<job>.end.json     how it ended
               jobs/<job>.log          its output
               failed/<network>.json   the reason why a network could not be trained

None of this is a result: the records are. The folder may be deleted when no sweep runs.
"""

import contextlib
import dataclasses
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.experiment import treatments
from tftransfer.experiment.plan import Cell
from tftransfer.experiment.treatments import Treatment
from tftransfer.scheduling import liveness
from tftransfer.scheduling.jobs import FAILED, FAILURE_WORDS
from tftransfer.system import atomic, untrusted_files

FOLDER = ".sweep"
_PLAIN = ("label", "seed", "split", "images_per_class", "source")
_LARGEST = 1e15  # of any number here; more is damage
_LONGEST_SILENCE = 86400.0  # of another machine; then it is taken for gone
_SILENT_SECONDS = 60.0  # a process writes every few seconds, and more rarely while it compiles


@dataclasses.dataclass(frozen=True)
class Heartbeat:
    """The progress of a job.

    Attributes:
        networks: Its networks, and the newest validation top-1 of each, None before the first evaluation.
        step: Steps done at the last evaluation.
        steps: Steps in all.
        images_per_second: Since the start, of each network; None before the first evaluation.
        time: When this was written, seconds since 1970.
        started: When the job started.
        where: Host and process.
        stage: Its present work before the first evaluation, as in "compiling"; empty while it trains.
    """

    networks: Mapping[str, float | None]
    step: int
    steps: int
    images_per_second: float | None
    time: float
    started: float
    where: str
    stage: str = ""


class SweepFolder:
    """The folder of a study's sweeps.

    Args:
        study: Folder of the study.
    """

    def __init__(self, study: pathlib.Path) -> None:
        self.folder = study / FOLDER
        self.jobs = self.folder / "jobs"

    def write_plan(self, cells: Sequence[Cell]) -> None:
        """Writes the plan: the networks of the sweep."""
        planned = {
            cell.name: {
                "label": cell.treatment.label,
                "treatment": dataclasses.asdict(cell.treatment),
                "seed": cell.config.seed,
                "split": cell.split.name,
                "images_per_class": cell.images_per_class,
                "source": cell.source.name if cell.source else None,
            }
            for cell in cells
        }
        atomic.write_text(self.folder / "plan.json", json.dumps(planned, indent=1) + "\n")

    def plan(self) -> dict[str, dict[str, Any]]:
        """Returns the plan of the last sweep by network name; empty if there is none or it cannot be read."""
        content = _read(self.folder / "plan.json")
        return {name: cell for name, cell in content.items() if _is_planned(cell)}

    def write_heartbeat(self, job: str, heartbeat: Heartbeat) -> None:
        """Writes the progress of a job."""
        content = dataclasses.asdict(heartbeat) | {"stamp": liveness.stamp_now()}
        atomic.write_text(self.jobs / f"{job}.heartbeat.json", json.dumps(content) + "\n")

    def heartbeats(self, now: float | None = None) -> dict[str, Heartbeat]:
        """Returns the progress, by name, of the jobs that gave a sign of life in the last minute.

        Args:
            now: The time of day, seconds since 1970; it counts only where nothing better is known.
        """
        return {job: heartbeat for job, (heartbeat, why) in self._all_heartbeats(now).items() if not why}

    def silent(self, now: float | None = None) -> dict[str, tuple[Heartbeat, str]]:
        """Returns the jobs, by name, that gave no sign of life or are stopped: their last heartbeat and the reason.

        Processes of this machine that have ended are left out.
        """
        return {job: (heartbeat, why) for job, (heartbeat, why) in self._all_heartbeats(now).items() if why}

    def _all_heartbeats(self, now: float | None) -> dict[str, tuple[Heartbeat, str]]:
        """Returns the heartbeats of all jobs that may be running, by name, each with a complaint or an empty text."""
        now, heartbeats = time.time() if now is None else now, {}
        for path in sorted(self.jobs.glob("*.heartbeat.json")):
            content = _read(path)
            stamp = content.pop("stamp", None)
            heartbeat = heartbeat_of(content)
            state = liveness.state(stamp)
            if heartbeat is None or state == liveness.GONE:
                continue
            age = liveness.age(stamp, path, heartbeat.time, now)
            why = f"no sign of life for {age:.0f} s" if not age < _SILENT_SECONDS else ""
            if state == liveness.STOPPED:
                why = f"{liveness.STOPPED}; {_how_to_continue(stamp, heartbeat)}"
            if not why or state != liveness.UNKNOWN or _SILENT_SECONDS <= age < _LONGEST_SILENCE:
                heartbeats[path.name.removesuffix(".heartbeat.json")] = heartbeat, why
        return heartbeats

    def end_heartbeat(self, job: str) -> None:
        """Removes the heartbeat of a job that has ended."""
        with contextlib.suppress(OSError):  # on a disk that cannot be written it falls silent by itself
            (self.jobs / f"{job}.heartbeat.json").unlink()

    def clear(self, job: str) -> None:
        """Removes the files of a job."""
        for path in self.jobs.glob(f"{job}.*"):
            path.unlink(missing_ok=True)

    def write_failure(self, cell: Cell, reason: str, word: str = "failed") -> None:
        """Writes the failure of a network: its reason as a sentence and as a word."""
        content = {"reason": reason, "word": word, "time": time.time(), "recipe": cell.config.recipe()}
        atomic.write_text(self.folder / "failed" / f"{cell.name}.json", json.dumps(content) + "\n")

    def failure(self, cell: Cell) -> str | None:
        """Returns the reason of a failure in an earlier sweep with the same recipe, None if there was none."""
        content = _read(self.folder / "failed" / f"{cell.name}.json")
        reason = content.get("reason")
        return reason if isinstance(reason, str) and content.get("recipe") == cell.config.recipe() else None

    def failures(self) -> dict[str, str]:
        """Returns the reasons of failures by network name."""
        reasons = {path.stem: _read(path).get("reason") for path in sorted(self.folder.glob("failed/*.json"))}
        return {name: str(reason) for name, reason in reasons.items() if reason}

    def failure_word(self, name: str) -> str:
        """Returns the word for the failure of a network, one of `FAILURE_WORDS`."""
        word = _read(self.folder / "failed" / f"{name}.json").get("word")
        return word if word in FAILURE_WORDS.values() else FAILURE_WORDS[FAILED]

    def forget_failure(self, name: str) -> None:
        """Removes the failure of a network."""
        (self.folder / "failed" / f"{name}.json").unlink(missing_ok=True)


def _how_to_continue(stamp: Mapping[str, Any], heartbeat: Heartbeat) -> str:
    """Returns the command that continues or ends a stopped process: a sweep's own, or a worker."""
    wake = f"`kill -CONT {stamp['process']}`"
    if heartbeat.where and liveness.is_orphan(stamp):
        return f"its sweep has gone, so that {wake} ends it: give the sweep's command again after that"
    return f"{wake} lets it go on"


def _is_planned(cell: Any) -> bool:
    """Whether an entry of a plan holds a valid treatment, seed, split, number of images and source."""
    try:
        treatment = Treatment(**cell["treatment"])
        # Whoever shows a plan sorts and compares these.
        plain = all(
            isinstance(part, str | int | None) for part in (*cell["treatment"].values(), *map(cell.get, _PLAIN))
        )
        counts = (treatment.n, treatment.preserve, treatment.release_step)
        plain &= all(isinstance(count, int) for count in counts)
        return plain and bool(treatment.label and treatments.role(treatment))
    except (TypeError, KeyError, AttributeError, ValueError):
        return False


def heartbeat_of(content: Mapping[str, Any]) -> Heartbeat | None:
    """Returns the heartbeat in a file's content, None if it is damaged."""
    try:
        heartbeat = Heartbeat(**content)
    except TypeError:
        return None
    optional = [heartbeat.images_per_second]
    optional += list(heartbeat.networks.values()) if isinstance(heartbeat.networks, dict) else ["no networks"]
    numbers = [
        heartbeat.step,
        heartbeat.steps,
        heartbeat.time,
        heartbeat.started,
        *(value for value in optional if value is not None),
    ]
    fine = all(isinstance(number, int | float) and abs(number) < _LARGEST for number in numbers)
    return heartbeat if fine and isinstance(heartbeat.stage, str) else None


def _read(path: pathlib.Path) -> dict[str, Any]:
    """Returns a JSON object, an empty one if there is none: nothing here is a result."""
    try:
        content = untrusted_files.read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
