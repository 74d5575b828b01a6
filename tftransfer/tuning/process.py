"""A trial in a process of its own, which frees its memory and contains its failures."""

import dataclasses
import json
import pathlib
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from tftransfer.experiment.config import Config
from tftransfer.system import atomic, processes, untrusted_files
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Result

REQUEST, OUTCOME, LOG = "request.json", "outcome.json", "log.txt"


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains recipes on the images of one half, each in a process of its own.

    Attributes:
        store: Folder of the prepared images.
        split: Name of the split.
        target: The half to train on.
        classes: Its class indices.
    """

    store: str
    split: str
    target: str
    classes: Sequence[int]

    def train(self, folder: pathlib.Path, config: Config, limit_seconds: float | None) -> Result | None:
        """Trains one recipe.

        Args:
            folder: Folder of the trial.
            config: The options of the recipe.
            limit_seconds: Time after which it is ended; None for no limit.

        Returns:
            Its result; None if it was ended at the limit.
        """
        started = time.perf_counter()
        request = {
            "store": self.store,
            "split": self.split,
            "target": self.target,
            "classes": list(self.classes),
            "config": config.shared(),
        }
        atomic.write_text(folder / REQUEST, json.dumps(request, indent=1) + "\n")
        (folder / OUTCOME).unlink(missing_ok=True)
        code = run(folder, limit_seconds)
        if code is None:
            return None
        seconds = round(time.perf_counter() - started, 2)
        if code != 0 or not (folder / OUTCOME).is_file():
            return Result(status=FAILED, seconds=seconds, error=processes.reason(code, folder / LOG))
        outcome: dict[str, Any] = untrusted_files.read_json(folder / OUTCOME)
        return Result(status=DIVERGED if outcome["top1"] is None else OK, seconds=seconds, **outcome)


def run(folder: pathlib.Path, limit_seconds: float | None) -> int | None:
    """Runs the process of a trial to its end; returns its exit code, None if it was ended at the limit."""
    words = processes.words("tftransfer.tuning.trial", str(folder.resolve()))
    process = processes.start(words, folder / LOG)
    try:
        return process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:  # also after Ctrl-C
        if process.poll() is None:
            process.kill()
            process.wait()
