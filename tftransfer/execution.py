"""Runs a plan: looks up what is done, trains what is missing, writes the records."""

import contextlib
import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import filelock
import tensorflow as tf

from tftransfer import plan, records, results, tensorboard_view, treatments
from tftransfer.config import Config
from tftransfer.data.store import Store
from tftransfer.models import architectures
from tftransfer.plan import Cell
from tftransfer.records import Record
from tftransfer.training import memory, portraits, strategies, trainer, weights
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.training.foreign_base import ForeignBase
from tftransfer.training.group import Network
from tftransfer.transfer import Weights

Watch = Callable[[int, int, Mapping[str, Mapping[str, float]]], None]


class SourceError(ValueError):
    """A base that others need cannot serve as their source."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished network of a plan, and whether this call trained it."""

    record: Record
    now: bool


@dataclasses.dataclass(frozen=True)
class Member:
    """A network of a group, with the records of the base that it copies from and of its own target's base."""

    cell: Cell
    source: Record | None
    reference: Record | None


@dataclasses.dataclass
class GroupEnd:
    """What a group left to others.

    Attributes:
        elsewhere: Names of networks that another process is training.
        lost: Names of bases that must be trained again before the group can be, their weights gone or damaged.
    """

    elsewhere: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)


class Study:
    """The networks of one study on this machine.

    Args:
        root: Folder of the study.
        store: Its prepared images.
        say: Takes lines for the user.
        progress_bar: True shows Keras' progress bar in place of lines while a network trains.
        watch: Called after every evaluation with the step, the steps in all, and a row of history by network name.
        memory_share: Share of the available memory that a group may take, 0 to 1.
        foreign: Weights that someone else trained, for networks whose treatment has their SHA-256.
    """

    def __init__(
        self,
        root: pathlib.Path,
        store: Store,
        say: Callable[[str], None] = print,
        progress_bar: bool = False,
        watch: Watch | None = None,
        memory_share: float = 1.0,
        foreign: ForeignBase | None = None,
    ) -> None:
        self.root = root
        self._store = store
        self._say = say
        self._progress_bar = progress_bar
        self._watch = watch
        self._memory_share = memory_share
        self._foreign = foreign
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
        wanted = self._identity(cell, source)
        if record.key == records.key(wanted):
            return record
        if record.identity.get("architecture") != wanted.get("architecture"):
            raise ValueError(
                f"{record.folder} holds a network of another architecture under the name "
                f"{record.identity['recipe']['model']}; nothing was overwritten. Give this study another name with "
                f"--study=NAME."
            )
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
            return Trained(self._train([Member(cell, source, reference)])[0], now=True)

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
                (record,) = self._train([Member(base, None, None)])
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
        lock = _lock_of(self.root, cell)
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
        if cell.treatment.foreign:
            origin = {"foreign": cell.treatment.foreign}
        return cell.identity(self._store.fingerprint, origin, architectures.identity(cell.config))

    def _load_weights(self, cell: Cell, record: Record) -> Weights | None:
        """Returns the kept weights of a network if they are the recorded ones."""
        found = weights.read(record, cell.config, len(cell.classes))
        if found is not None:
            self._weights[cell.name] = found
        return found

    def train_group(self, cells: Sequence[Cell], again: Collection[str] = ()) -> GroupEnd:
        """Trains networks of one target, seed and recipe in lockstep, after their bases; leaves out what is done.

        Args:
            cells: The networks: bases only, or networks whose bases are finished.
            again: Names of those that are trained though they have a record.

        Returns:
            What could not be trained here and now.

        Raises:
            SourceError: If a base that they copy from diverged.
            ValueError: If a folder holds a network of another configuration, or there is no room for the group.
        """
        end, members = GroupEnd(), []
        with contextlib.ExitStack() as locks:
            for cell in cells:
                if not self._lock(cell, locks):
                    end.elsewhere.append(cell.name)
                elif cell.treatment.is_reference:
                    record = self.find(cell, None)
                    lost = record and record.status == records.DONE and self._load_weights(cell, record) is None
                    if record is None or lost or cell.name in again:
                        members.append(Member(cell, None, None))
                else:
                    self._add_member(cell, members, end, cell.name in again)
            if members and not end.lost:
                self._train(members)
        return end

    def _add_member(self, cell: Cell, members: list[Member], end: GroupEnd, again: bool) -> None:
        """Adds a network with its bases to a group, unless it is done or a base of it is not usable."""
        source = self._record_of(cell.source)
        if cell.source and (source is None or not self._source_is_whole(cell.source, source)):
            end.lost.append(cell.source.name)
        elif again or self.find(cell, source) is None:
            members.append(Member(cell, source, self._record_of(cell.reference)))

    def _source_is_whole(self, base: Cell, record: Record) -> bool:
        """Returns True if a base's weights are there as recorded; raises SourceError if it diverged."""
        if record.status != records.DONE:
            raise SourceError(f"{base.treatment.label} {record.status} and cannot be copied from.")
        return base.name in self._weights or self._load_weights(base, record) is not None

    def _lock(self, cell: Cell, locks: contextlib.ExitStack) -> bool:
        """Takes a cell's lock if it is free."""
        lock = _lock_of(self.root, cell)
        try:
            locks.enter_context(lock.acquire(timeout=0))
        except filelock.Timeout:
            return False
        records.restore(self.root / cell.name)
        return True

    def _train(self, members: Sequence[Member]) -> list[Record]:
        """Trains a group and writes its records; what was there before is kept until then."""
        checkpoints = self._checkpoints(members)
        with contextlib.ExitStack() as stack:
            for member in members:
                stack.enter_context(records.replacing(self.root / member.cell.name))
            tensorboard_view.write_experiment(self.root, time.time())
            task = self._task(members[0].cell)
            events = {
                member.cell.treatment.slug: stack.enter_context(
                    contextlib.closing(tensorboard_view.EventFile(self.root / member.cell.name))
                )
                for member in members
            }
            outcomes = self._fit([member.cell for member in members], task, events, checkpoints)
            painter = portraits.Painter(members[0].cell.config, task.classes, portraits.inputs(task))
            written = [
                self._write(member, task, outcome, events[outcome.name], painter)
                for member, outcome in zip(members, outcomes, strict=True)
            ]
        if checkpoints:
            checkpoints.clear()
        return written

    def _write(
        self,
        member: Member,
        task: trainer.Task,
        outcome: trainer.Outcome,
        events: tensorboard_view.EventFile,
        painter: portraits.Painter,
    ) -> Record:
        """Writes the record of one trained network, and what stands beside it."""
        cell, folder = member.cell, self.root / member.cell.name
        identity = self._identity(cell, member.source)
        foreign = self._foreign if cell.treatment.foreign else None
        content = results.content(cell, identity, task, outcome, member.source, member.reference, foreign)
        tensorboard_view.write_result(events, self.root.name, content, time.time())
        if content["weights"]["kept"]:
            saved = weights.save(folder / records.WEIGHTS, cell.config, task.classes, outcome.weights)
            content["weights"] |= saved
        if content["status"] == records.DONE:
            portrait = painter.portrait(outcome.weights, *self._compared_with(member))
            content["portrait"] = portraits.save(folder, portrait)
            tensorboard_view.write_filters(events, portrait["filters"], time.time())
        record = records.write(folder, content)
        if cell.treatment.is_reference:
            self._weights[cell.name] = outcome.weights
        self._trained_now.add(cell.name)
        return record

    def _compared_with(self, member: Member) -> tuple[Weights | None, Weights | None]:
        """Returns the weights of a network's source and of its target's base, where these are at hand."""
        cell, reference = member.cell, member.reference
        source = None
        if cell.treatment.foreign:
            source = self._foreign.weights
        elif cell.treatment.source in treatments.LETTERS:
            source = self._weights.get(cell.source.name)
        if reference is None or reference.status != records.DONE:
            return source, None
        base = self._weights.get(cell.reference.name)
        return source, base if base is not None else self._load_weights(cell.reference, reference)

    def _fit(
        self,
        cells: Sequence[Cell],
        task: trainer.Task,
        events: Mapping[str, tensorboard_view.EventFile],
        checkpoints: Checkpoints | None,
    ) -> list[trainer.Outcome]:
        """Trains a group, telling the user and TensorBoard how it goes."""
        config, labels = self._training_config(cells[0]), [cell.treatment.label for cell in cells]
        steps = config.train_steps(len(task.training))
        who = labels[0] if len(labels) == 1 else f"{len(labels)} networks in lockstep ({', '.join(labels)})"
        self._say(
            f"{who}: training on {task.classes} classes, {len(task.training)} images, {steps} updates "
            f"of {config.batch_size}"
        )

        def report(step: int, rows: Mapping[str, Mapping[str, float]]) -> None:
            for name, row in rows.items():
                events[name].scalars(step, tensorboard_view.row(row), time.time())
            if self._watch:
                self._watch(step, steps, {cell.name: rows[cell.treatment.slug] for cell in cells})
            if not self._progress_bar and not (checkpoints and step <= checkpoints.told_until):
                self._say(f"{labels[0] if len(labels) == 1 else who}: {_progress(step, steps, list(rows.values()))}")

        sources, networks = {}, []
        for cell in cells:
            key = self._add_source(cell, sources)
            networks.append(
                Network(
                    name=cell.treatment.slug,
                    source=key,
                    copied=cell.treatment.copied,
                    frozen=cell.treatment.frozen_blocks,
                    release_step=cell.treatment.release_step,
                )
            )
        try:
            return trainer.train(
                config, task, networks, sources, report, self._progress_bar, checkpoints, self._memory_share
            )
        except memory.NoRoomError as error:
            raise memory.NoRoomError(f"{who}: {error}") from error
        except tf.errors.ResourceExhaustedError as error:
            first = error.message.partition("\n")[0]
            raise MemoryError(f"{who}: {first}") from error

    def _checkpoints(self, members: Sequence[Member]) -> Checkpoints | None:
        """Returns where checkpoints of a group's training are kept, None if none are wanted."""
        cells = [member.cell for member in members]
        minutes = cells[0].config.minutes_between_checkpoints
        if minutes == 0:
            return None
        before = [self._record_of(cell) for cell in cells]
        about = {
            "cells": [self._identity(member.cell, member.source) for member in members],
            # Checkpoints that outlived their record, by a kill at the last moment, are of no use to --force.
            "replaces": [record.content["finished"] if record else None for record in before],
        }
        name, label = cells[0].name, cells[0].treatment.label
        if len(cells) > 1:
            digest = hashlib.sha256(" ".join(cell.name for cell in cells).encode()).hexdigest()[:8]
            name, label = f"{name}-and-{len(cells) - 1}-{digest}", f"{len(cells)} networks"
        return Checkpoints(
            self.root / ".checkpoints" / name, about, lambda line: self._say(f"{label}: {line}"), minutes
        )

    def _training_config(self, cell: Cell) -> Config:
        """Returns the options that a cell trains with."""
        return cell.training_config(self._store.counts("train"))

    def _add_source(self, cell: Cell, sources: dict[str, Weights]) -> str | None:
        """Puts the weights that a cell copies from into `sources`, once; returns their name there."""
        treatment = cell.treatment
        if treatment.is_base:
            return None
        if treatment.source == "R":
            if "random" not in sources:
                sources["random"] = trainer.random_weights(cell.config, treatment.target)
            return "random"
        if treatment.foreign:
            sources["foreign"] = self._foreign.weights
            return "foreign"
        trained = self._weights[cell.source.name]
        if treatment.source == "S":
            if "statistics" not in sources:
                kept = trainer.statistics(cell.config)
                sources["statistics"] = trainer.weights_like(trained, cell.config.seed, treatment.target, kept)
            return "statistics"
        sources[cell.source.name] = trained
        return cell.source.name

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


def _lock_of(root: pathlib.Path, cell: Cell) -> filelock.FileLock:
    """Returns a cell's lock, not yet taken."""
    path = records.lock_path(root, cell.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path)


def _progress(step: int, steps: int, rows: Sequence[Mapping[str, float]]) -> str:
    """Returns one plain line of progress, of a group its means."""
    losses, scores = ([row[column] for row in rows if row[column] is not None] for column in ("loss", "val_top1"))
    loss = f"{sum(losses) / len(losses):.3f}" if losses else "nan"
    top1 = f", validation top-1 {100 * sum(scores) / len(scores):.1f} %" if scores else ""
    seconds = rows[0]["seconds"]
    return f"step {step}/{steps}, epoch {rows[0]['epoch']:.3g}, loss {loss}{top1}, {seconds:.0f} s"
