"""A trial in a process of its own, which frees its memory and contains its failures."""

import dataclasses
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from tftransfer.experiment.config import Config
from tftransfer.system import processes
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Result

MODULE = "tftransfer.tuning.trial"


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
        answer = processes.ask(MODULE, request, folder, limit_seconds=limit_seconds, grace_seconds=0)
        if answer.code is None:
            return None
        seconds = round(time.perf_counter() - started, 2)
        if answer.content is None:
            return Result(status=FAILED, seconds=seconds, error=answer.reason)
        outcome: dict[str, Any] = answer.content
        return Result(status=DIVERGED if outcome["top1"] is None else OK, seconds=seconds, **outcome)
