"""Runs a plan: looks up what is done, trains what is missing, writes the records."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import filelock

from tftransfer import plan, records, results, tensorboard_view
from tftransfer.config import Config
from tftransfer.data.store import Store
from tftransfer.plan import Cell
from tftransfer.records import Record
from tftransfer.training import strategies, trainer, weights
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.training.group import Network
from tftransfer.transfer import Weights


class SourceError(ValueError):
    """A base that others need cannot serve as their source."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished network of a plan, and whether this call trained it."""

    record: Record
    now: bool


class Study:
    """The networks of one study on this machine.

    Args:
        root: Folder of the study.
        store: Its prepared images.
        say: Takes lines for the user.
        progress_bar: True shows Keras' progress bar in place of lines while a network trains.
    """

    def __init__(
        self, root: pathlib.Path, store: Store, say: Callable[[str], None] = print, progress_bar: bool = False
    ) -> None:
        self.root = root
        self._store = store
        self._say = say
        self._progress_bar = progress_bar
        self._weights: dict[str, Weights] = {}
        self._tasks: dict[tuple[Any, ...], trainer.Task] = {}
        self._trained_now: set[str] = set()

    def check(self, steps: Sequence[plan.Step], force: bool) -> None:
        """Refuses, before anything is trained, what cannot end well: the recipe on these halves, foreign records.

        Raises:
            ValueError: If a batch does not fit a half, or a record of another configuration is in the way.
        """
        per_class = self._store.counts("train")
        for step in steps:
            config = step.cell.config
            strategies.check_batch(config.batch_size, strategies.make(config.strategy, config.replicas))
            plan.check_recipe(step.cell, per_class)
            source = self._record_of(step.cell.source)
            if step.cell.source is None or source is not None:
                self.find(step.cell, source, replace=force and step.role == plan.ASKED)

    def find(self, cell: Cell, source: Record | None, replace: bool = False) -> Record | None:
        """Returns the record of a cell, or None if it is still to be trained.

        Args:
            cell: The network.
            source: Record of its source's base, if it has one.
            replace: True if a record of the same network, from another training of its source, may be replaced.

        Raises:
            ValueError: If the folder holds a network of another configuration.
        """
        record = self._record_of(cell)
        if record is None:
            return None
        plan.refuse_another(record, cell)
        if record.key == records.key(self._identity(cell, source)):
            return record
        if record.identity["data"]["fingerprint"] != self._store.fingerprint:
            raise ValueError(
                f"{record.folder} holds a network of another version of the data set; nothing was overwritten. Give "
                f"this study another name with --study=NAME."
            )
        if replace:
            return None
        raise ValueError(
            f"{record.folder} was made from another training of {cell.source.treatment.label}, whose weights were not "
            f"the same. --force trains it again."
        )

    def ensure(self, cell: Cell, force: bool = False) -> Trained:
        """Returns the record of a cell, after training it and what it waits for where they are missing.

        Args:
            cell: The network.
            force: True trains it again though it is done; its bases are used as they are.

        Raises:
            SourceError: If its source diverged.
        """
        source = self._record_of(cell.source)
        if not force and (source or not cell.source):
            record = self.find(cell, source)
            if record:
                return Trained(record, now=cell.name in self._trained_now)
        if cell.source:
            source = self.ensure_source(cell.source)
        reference = None if cell.treatment.is_reference else self.ensure(cell.reference).record
        with self._only_one(cell):
            record = self.find(cell, source, replace=force)  # another process may have trained it meanwhile
            if record and not force:
                return Trained(record, now=False)
            return Trained(self._train(cell, source, reference), now=True)

    def ensure_source(self, base: Cell) -> Record:
        """Returns the record of a base whose weights are there, after training it again if they are gone."""
        record = self.ensure(base).record
        if record.status != records.DONE:
            raise SourceError(
                f"{base.treatment.label} {record.status} and cannot be copied from. Use another recipe, for example a "
                f"lower --learning_rate."
            )
        if base.name in self._weights or self._load_weights(base, record) is not None:
            return record
        with self._only_one(base):
            record = self._record_of(base) or record
            if self._load_weights(base, record) is None:
                self._say(f"{base.treatment.label}: its weights are gone or damaged; training it again")
                record = self._train(base, None, None)
        return record

    def finished(self, cell: Cell) -> Trained:
        """Returns a network of this study that is done."""
        return Trained(self._record_of(cell), cell.name in self._trained_now)

    def _record_of(self, cell: Cell | None) -> Record | None:
        """Returns the record of a cell if it is done."""
        return records.read(self.root / cell.name) if cell else None

    @contextlib.contextmanager
    def _only_one(self, cell: Cell) -> Iterator[None]:
        """Holds a cell's lock: of several processes that want the same network, one trains it and the others wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.root / f".{cell.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            self._say(f"{cell.treatment.label}: another process trains it; waiting")
            lock.acquire()
        try:
            records.restore(self.root / cell.name)  # a process that was killed may have left a replacement half done
            yield
        finally:
            lock.release()

    def _identity(self, cell: Cell, source: Record | None) -> dict[str, Any]:
        """Returns what a cell is, given the training of its source."""
        origin = {"key": source.key, "weights": source.weights_digest} if source else None
        return cell.identity(self._store.fingerprint, origin)

    def _load_weights(self, cell: Cell, record: Record) -> Weights | None:
        """Returns the kept weights of a network if they are the recorded ones."""
        found = weights.read(record, cell.config, len(cell.classes))
        if found is not None:
            self._weights[cell.name] = found
        return found

    def _train(self, cell: Cell, source: Record | None, reference: Record | None) -> Record:
        """Trains one network and writes its record; what was there before is kept until then."""
        folder = self.root / cell.name
        checkpoints = self._checkpoints(cell, source)
        with records.replacing(folder):
            tensorboard_view.write_experiment(self.root, time.time())
            task = self._task(cell)
            outcome, events = self._fit(cell, task, folder, checkpoints)
            with contextlib.closing(events):
                content = results.content(cell, self._identity(cell, source), task, outcome, source, reference)
                tensorboard_view.write_result(events, self.root.name, content, time.time())
            if content["weights"]["kept"]:
                weights.save(folder / records.WEIGHTS, cell.config, task.classes, outcome.weights)
            record = records.write(folder, content)
        if checkpoints:
            checkpoints.clear()
        if cell.treatment.is_reference:
            self._weights[cell.name] = outcome.weights
        self._trained_now.add(cell.name)
        return record

    def _fit(
        self, cell: Cell, task: trainer.Task, folder: pathlib.Path, checkpoints: Checkpoints | None
    ) -> tuple[trainer.Outcome, tensorboard_view.EventFile]:
        """Trains one network, telling the user and TensorBoard how it goes."""
        label, config, sources = cell.treatment.label, self._training_config(cell), self._sources(cell)
        steps = config.train_steps(len(task.training))
        self._say(
            f"{label}: training on {task.classes} classes, {len(task.training)} images, {steps} updates "
            f"of {config.batch_size}"
        )
        events = tensorboard_view.EventFile(folder)

        def report(step: int, rows: Mapping[str, Mapping[str, float]]) -> None:
            for row in rows.values():
                events.scalars(step, tensorboard_view.row(row), time.time())
                if not self._progress_bar and not (checkpoints and step <= checkpoints.told_until):
                    self._say(f"{label}: {_progress(step, steps, row)}")

        network = Network(
            name=cell.treatment.slug,
            source=next(iter(sources), None),
            copied=cell.treatment.copied,
            frozen=cell.treatment.frozen_blocks,
            release_step=cell.treatment.release_step,
        )
        try:
            (outcome,) = trainer.train(config, task, [network], sources, report, self._progress_bar, checkpoints)
        except BaseException:
            events.close()
            raise
        return outcome, events

    def _checkpoints(self, cell: Cell, source: Record | None) -> Checkpoints | None:
        """Returns where checkpoints of a cell's training are kept, None if none are wanted."""
        minutes = cell.config.minutes_between_checkpoints
        if minutes == 0:
            return None
        before = self._record_of(cell)
        about = {
            "cell": self._identity(cell, source),
            # Checkpoints that outlived their record, by a kill at the last moment, are of no use to --force.
            "replaces": before.content["finished"] if before else None,
        }
        label = cell.treatment.label
        folder = self.root / ".checkpoints" / cell.name
        return Checkpoints(folder, about, lambda line: self._say(f"{label}: {line}"), minutes)

    def _training_config(self, cell: Cell) -> Config:
        """Returns the options that a cell trains with."""
        return cell.training_config(self._store.counts("train"))

    def _sources(self, cell: Cell) -> dict[str, Weights]:
        """Returns the weights that a cell copies from, under the name of where they come from."""
        treatment = cell.treatment
        if treatment.source == "R":
            return {"random": trainer.random_weights(cell.config, treatment.target)}
        if cell.source is None:
            return {}
        trained = self._weights[cell.source.name]
        if treatment.source == "S":
            return {"statistics": trainer.weights_like(trained, cell.config.seed, treatment.target)}
        return {cell.source.name: trained}

    def _task(self, cell: Cell) -> trainer.Task:
        """Returns the images of a cell's target, which networks of one call share."""
        config = cell.config
        key = (cell.classes, config.images_per_class, config.input_size, config.augment, config.pixel_scale)
        if key not in self._tasks:
            training = self._store.select("train", cell.classes, config.images_per_class or None)
            self._tasks[key] = trainer.Task(
                target=cell.treatment.target,
                classes=len(cell.classes),
                training=training,
                validation=self._store.select("val", cell.classes, None),
                view=trainer.view_of(config, training),
            )
        return self._tasks[key]


def _progress(step: int, steps: int, row: Mapping[str, float]) -> str:
    """Returns one plain line of progress."""
    loss = "nan" if row["loss"] is None else f"{row['loss']:.3f}"
    top1 = "" if row["val_top1"] is None else f", validation top-1 {100 * row['val_top1']:.1f} %"
    return f"step {step}/{steps}, epoch {row['epoch']:.3g}, loss {loss}{top1}, {row['seconds']:.0f} s"
