"""Reports of a group's training while it runs: to the user, to TensorBoard and to a sweep."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence

from tftransfer.experiment.plan import Cell
from tftransfer.records import event_files
from tftransfer.training.checkpoints import Checkpoints

OnProgress = Callable[[int, int, Mapping[str, Mapping[str, float]]], None]


@dataclasses.dataclass(frozen=True)
class Listeners:
    """Receivers of the progress of training runs.

    Attributes:
        say: Takes lines for the user.
        progress_bar: True shows Keras' progress bar in place of lines while a network trains.
        on_evaluation: Called after every evaluation with the step, all steps, and a row of history by network name.
        stage: Called with a short text when a slow stage begins.
    """

    say: Callable[[str], None] = print
    progress_bar: bool = False
    on_evaluation: OnProgress | None = None
    stage: Callable[[str], None] | None = None


class TrainingReports:
    """Reports of one group's training.

    Args:
        listeners: Whom they go to.
        cells: The networks of the group.
        classes: Classes of their target.
        steps: Steps in all.
        events: Event files by `treatment.slug`.
        checkpoints: Those of this training; what they have from an earlier process is not said again.
    """

    def __init__(
        self,
        listeners: Listeners,
        cells: Sequence[Cell],
        classes: int,
        steps: int,
        events: Mapping[str, event_files.EventFile],
        checkpoints: Checkpoints | None,
    ) -> None:
        labels = [cell.treatment.label for cell in cells]
        self.who = labels[0] if len(labels) == 1 else f"{len(labels)} networks in lockstep ({', '.join(labels)})"
        self._listeners = listeners
        self._names = {cell.treatment.slug: cell.name for cell in cells}
        self._classes, self._steps = classes, steps
        self._events = events
        self._checkpoints = checkpoints

    def begin(self, images: int, batch_size: int) -> None:
        """Says what is about to be trained."""
        self._listeners.say(
            f"{self.who}: training on {self._classes} classes, {images} images, {self._steps} steps of {batch_size}"
        )

    def evaluated(self, step: int, rows: Mapping[str, Mapping[str, float]]) -> None:
        """Reports an evaluation after `step` steps: a row of history by `treatment.slug`."""
        for name, row in rows.items():
            self._events[name].scalars(step, event_files.row(row, self._classes), time.time())
        if self._listeners.on_evaluation:
            named = {name: rows[slug] for slug, name in self._names.items() if slug in rows}
            self._listeners.on_evaluation(step, self._steps, named)
        said_before = self._checkpoints and step <= self._checkpoints.told_until
        if not self._listeners.progress_bar and not said_before:
            self._listeners.say(f"{self.who}: {_progress(step, self._steps, list(rows.values()))}")

    def stage(self, text: str) -> None:
        """Reports in a few words what is done where that can take long."""
        if self._listeners.stage:
            self._listeners.stage(text)
        if not self._listeners.progress_bar:
            self._listeners.say(f"{self.who}: {text}")


def _progress(step: int, steps: int, rows: Sequence[Mapping[str, float]]) -> str:
    """Returns one plain line of progress, of a group its means."""
    losses, scores = ([row[column] for row in rows if math.isfinite(row[column])] for column in ("loss", "val_top1"))
    loss = f"{sum(losses) / len(losses):.3f}" if losses else "nan"
    top1 = f", validation top-1 {100 * sum(scores) / len(scores):.1f} %" if scores else ""
    seconds = rows[0]["seconds"]
    return f"step {step}/{steps}, epoch {rows[0]['epoch']:.3g}, loss {loss}{top1}, {seconds:.0f} s"
