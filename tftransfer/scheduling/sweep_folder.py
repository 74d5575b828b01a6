"""What a sweep leaves in its study's folder so that others, and it itself later, know how far it is.

<study>/.sweep/plan.json               the networks that the last sweep wanted
               jobs/<job>.json         what a process was asked for
               jobs/<job>.heartbeat.json    how far it is, written every few seconds while it lives
               jobs/<job>.end.json     how it ended
               jobs/<job>.log          what it said
               failed/<network>.json   networks that could not be trained, and why

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
    """How far a job is.

    Attributes:
        networks: Its networks, and the newest validation top-1 of each, None before the first evaluation.
        step: Steps done at the last evaluation.
        steps: Steps in all.
        images_per_second: Since the start, of each network; None before the first evaluation.
        time: When this was written, seconds since 1970.
        started: When the job started.
        where: Host and process.
        stage: What it does while no evaluation tells how far it is; empty while it trains.
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
        """Says which networks are wanted."""
        wanted = {
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
        atomic.write_text(self.folder / "plan.json", json.dumps(wanted, indent=1) + "\n")

    def plan(self) -> dict[str, dict[str, Any]]:
        """Returns what the last sweep wanted, by network name; empty if there was none or it cannot be read."""
        content = _read(self.folder / "plan.json")
        return {name: cell for name, cell in content.items() if _is_planned(cell)}

    def write_heartbeat(self, job: str, heartbeat: Heartbeat) -> None:
        """Says how far a job is."""
        content = dataclasses.asdict(heartbeat) | {"sign": liveness.sign()}
        atomic.write_text(self.jobs / f"{job}.heartbeat.json", json.dumps(content) + "\n")

    def beats(self, now: float | None = None) -> dict[str, Heartbeat]:
        """Returns how far the jobs are that gave a sign of life in the last minute, by name.

        Args:
            now: The time of day, seconds since 1970; it counts only where nothing better is known.
        """
        return {job: heartbeat for job, (heartbeat, why) in self._all_beats(now).items() if not why}

    def silent(self, now: float | None = None) -> dict[str, tuple[Heartbeat, str]]:
        """Returns the jobs that may still be there and gave no sign of life, or are stopped, and what is known of them.

        A process of this machine that has gone is not one of them.
        """
        return {job: (heartbeat, why) for job, (heartbeat, why) in self._all_beats(now).items() if why}

    def _all_beats(self, now: float | None) -> dict[str, tuple[Heartbeat, str]]:
        """Returns all that may be at work, each with what is wrong with it, or nothing."""
        now, found = time.time() if now is None else now, {}
        for path in sorted(self.jobs.glob("*.heartbeat.json")):
            content = _read(path)
            sign = content.pop("sign", None)
            heartbeat = heartbeat_of(content)
            state = liveness.state(sign)
            if heartbeat is None or state == liveness.GONE:
                continue
            age = liveness.age(sign, path, heartbeat.time, now)
            why = f"no sign of life for {age:.0f} s" if not age < _SILENT_SECONDS else ""
            if state == liveness.STOPPED:
                why = f"{liveness.STOPPED}; {_way_on(sign, heartbeat)}"
            if not why or state != liveness.UNKNOWN or _SILENT_SECONDS <= age < _LONGEST_SILENCE:
                found[path.name.removesuffix(".heartbeat.json")] = heartbeat, why
        return found

    def end_beat(self, job: str) -> None:
        """Says no longer how far a job is: it has ended."""
        with contextlib.suppress(OSError):  # on a disk that cannot be written it falls silent by itself
            (self.jobs / f"{job}.heartbeat.json").unlink()

    def clear(self, job: str) -> None:
        """Removes what a job that has ended well left; its log stays if it did not end well."""
        for path in self.jobs.glob(f"{job}.*"):
            path.unlink(missing_ok=True)

    def write_failure(self, cell: Cell, reason: str, word: str = "failed") -> None:
        """Keeps why a network could not be trained, in a sentence and in a word."""
        content = {"reason": reason, "word": word, "time": time.time(), "recipe": cell.config.recipe()}
        atomic.write_text(self.folder / "failed" / f"{cell.name}.json", json.dumps(content) + "\n")

    def failure(self, cell: Cell) -> str | None:
        """Returns why a network could not be trained in an earlier sweep with the same recipe."""
        content = _read(self.folder / "failed" / f"{cell.name}.json")
        reason = content.get("reason")
        return reason if isinstance(reason, str) and content.get("recipe") == cell.config.recipe() else None

    def failures(self) -> dict[str, str]:
        """Returns the networks that could not be trained, and why."""
        found = {path.stem: _read(path).get("reason") for path in sorted(self.folder.glob("failed/*.json"))}
        return {name: str(reason) for name, reason in found.items() if reason}

    def failure_word(self, name: str) -> str:
        """Returns in one word why a network could not be trained."""
        word = _read(self.folder / "failed" / f"{name}.json").get("word")
        return word if word in FAILURE_WORDS.values() else FAILURE_WORDS[FAILED]

    def forget_failure(self, name: str) -> None:
        """Forgets that a network could not be trained."""
        (self.folder / "failed" / f"{name}.json").unlink(missing_ok=True)


def _way_on(sign: Mapping[str, Any], heartbeat: Heartbeat) -> str:
    """Returns what becomes of a stopped process, which is a sweep's own where a heartbeat names no other."""
    wake = f"`kill -CONT {sign['process']}`"
    if heartbeat.where and liveness.is_orphan(sign):
        return f"its sweep has gone, so that {wake} ends it: give the sweep's command again after that"
    return f"{wake} lets it go on"


def _is_planned(cell: Any) -> bool:
    """Returns True if a line of a plan says what is done to a network."""
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
    """Returns what a file says of how far a job is; None if it says nothing that can be used."""
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
    """Returns a JSON object, an empty one if there is none: what stands here is no result."""
    try:
        content = untrusted_files.read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
