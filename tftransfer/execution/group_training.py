"""Trains the networks of one group and writes their records, with all that stands beside them."""

import contextlib
import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tftransfer.data import duplicates
from tftransfer.data.store import BROKEN, Half, Store, StoreError
from tftransfer.execution import best_weights, record_content
from tftransfer.execution.source_weights import SourceWeights
from tftransfer.execution.training_reports import Listeners, OnProgress, TrainingReports
from tftransfer.experiment import policies, treatments
from tftransfer.experiment.plan import Cell
from tftransfer.records import event_files, inputs, record_files, record_warnings
from tftransfer.records.record_files import Record
from tftransfer.training import diagnostics, memory, trainer, weights
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.training.group import Network
from tftransfer.training.outcomes import Outcome
from tftransfer.transfer import Weights

_NAMED = 10  # images that were left out, or have copies, in a record


@dataclasses.dataclass(frozen=True)
class Member:
    """A network of a group, with the records of the base that it copies from and of its own target's base."""

    cell: Cell
    source: Record | None
    reference: Record | None


class GroupTraining:
    """Trains groups of networks of one study, which the caller has locked.

    Args:
        root: Folder of the study.
        store: Its prepared images.
        sources: What networks copy from; bases that are trained here are added.
        say: Takes lines for the user.
        progress_bar: True shows Keras' progress bar in place of lines while a network trains.
        on_evaluation: Called after every evaluation with the step, all steps, and a row of history by network name.
        memory_fraction: Fraction of the available memory that a group may take, 0 to 1.
        keep_best: True keeps the weights of each group's best network, too.
        stage: Told what is done while no evaluation tells it.
    """

    def __init__(
        self,
        root: pathlib.Path,
        store: Store,
        sources: SourceWeights,
        say: Callable[[str], None] = print,
        progress_bar: bool = False,
        on_evaluation: OnProgress | None = None,
        memory_fraction: float = 1.0,
        keep_best: bool = False,
        stage: Callable[[str], None] | None = None,
    ) -> None:
        self._root = root
        self._keep_best = keep_best
        self._store = store
        self._sources = sources
        self._listeners = Listeners(say, progress_bar, on_evaluation, stage)
        self._memory_fraction = memory_fraction
        self._tasks: dict[tuple[Any, ...], trainer.Task] = {}

    def train(self, members: Sequence[Member]) -> list[Record]:
        """Trains a group and writes its records; what was there before is kept until then.

        Args:
            members: Networks of one target, seed and recipe, whose sources are there.

        Returns:
            One record for each, in order.

        Raises:
            NoRoomError: If the group would not fit into memory; nothing was trained.
            MemoryError: If it did not fit after all.
        """
        checkpoints = self._checkpoints(members)
        with contextlib.ExitStack() as stack:
            for member in members:
                stack.enter_context(record_files.replacing(self._root / member.cell.name))
            event_files.write_experiment(self._root, time.time())
            task = self._task(members[0].cell)
            events = {
                member.cell.treatment.slug: stack.enter_context(
                    contextlib.closing(event_files.EventFile(self._root / member.cell.name))
                )
                for member in members
            }
            outcomes = self._fit([member.cell for member in members], task, events, checkpoints)
            diagnostics_maker = diagnostics.DiagnosticsMaker(
                members[0].cell.config, task.classes, diagnostics.inputs(task)
            )
            kept = self._best(members, outcomes)
            written = [
                self._write(
                    member,
                    task,
                    outcome,
                    events[outcome.name],
                    diagnostics_maker,
                    member.cell.name == kept,
                    checkpoints,
                )
                for member, outcome in zip(members, outcomes, strict=True)
            ]
        if checkpoints:
            checkpoints.clear()
        return written

    def _best(self, members: Sequence[Member], outcomes: Sequence[Outcome]) -> str | None:
        """Returns the name of the network, not a base, whose weights are kept as it is the best of its group."""
        pairs = zip(members, outcomes, strict=True)
        ended = [(m.cell, o) for m, o in pairs if o.diverged_at is None and not m.cell.treatment.is_base]
        return best_weights.of_group(
            {cell.name: outcome.scores["top1"] for cell, outcome in ended} if self._keep_best else {}
        )

    def _write(
        self,
        member: Member,
        task: trainer.Task,
        outcome: Outcome,
        events: event_files.EventFile,
        diagnostics_maker: diagnostics.DiagnosticsMaker,
        is_best: bool,
        checkpoints: Checkpoints | None,
    ) -> Record:
        """Writes the record of one trained network, and what stands beside it."""
        cell, folder = member.cell, self._root / member.cell.name
        identity = record_content.identity_of(cell, member.source, self._store.fingerprint)
        pretrained = self._sources.pretrained_for(cell)
        content = record_content.content(
            cell, identity, task, outcome, member.source, member.reference, pretrained,
            self._about_images(cell, task), self._store.class_names,
        )  # fmt: skip
        content["resumed"] = checkpoints.resumed if checkpoints else []
        content["notes"] = [note.code for note in record_warnings.notes(content)]
        names = [self._store.class_names[index] for index in cell.classes]
        view = task.view
        content[inputs.FIELD] = inputs.describe(names, view.size, view.mean, view.scale, view.reverse)
        event_files.write_result(events, self._root.name, content, time.time())
        if is_best and not content["weights"]["kept"]:
            content["weights"] |= {"kept": True, "kept_as": best_weights.BEST}
        if content["weights"]["kept"]:
            decisions = cell.treatment.decisions
            saved = weights.save(folder / record_files.WEIGHTS, cell.config, task.classes, outcome.weights, decisions)
            content["weights"] |= saved
            content[inputs.FIELD] |= inputs.save(folder, content[inputs.FIELD], task.view.mean)
        if content["status"] == record_files.DONE:
            arrays = diagnostics_maker.compute(outcome.weights, *self._sources.compared_with(cell, member.reference))
            content["diagnostics"] = diagnostics.save(folder, arrays)
            event_files.write_filters(events, arrays["filters"], time.time())
        record = record_files.write(folder, content)
        if cell.treatment.is_reference:
            self._sources.keep(cell, outcome.weights)
        return record

    def _fit(
        self,
        cells: Sequence[Cell],
        task: trainer.Task,
        events: Mapping[str, event_files.EventFile],
        checkpoints: Checkpoints | None,
    ) -> list[Outcome]:
        """Trains a group, telling the user and TensorBoard how it goes."""
        config, images = cells[0].training_config(self._store.counts("train")), len(task.training)
        reports = TrainingReports(self._listeners, cells, task.classes, config.train_steps(images), events, checkpoints)
        reports.begin(images, config.batch_size)
        sources: dict[str, Weights] = {}
        networks = [
            Network(
                name=cell.treatment.slug,
                source=self._sources.add(cell, task, sources),
                policy=policies.written(cell.treatment.decisions),
                release_step=cell.treatment.release_step,
            )
            for cell in cells
        ]
        try:
            return trainer.train(
                config,
                task,
                networks,
                sources,
                reports.evaluated,
                self._listeners.progress_bar,
                checkpoints,
                self._memory_fraction,
                reports.stage,
            )
        except memory.NoRoomError as error:
            raise memory.NoRoomError(f"{reports.who}: {error}") from error
        except tf.errors.ResourceExhaustedError as error:
            first = error.message.partition("\n")[0]
            raise MemoryError(f"{reports.who}: {first}") from error
        except tf.errors.OpError as error:
            if self._store.lost:  # TensorFlow read the images in a thread of its own, and made a long text of it
                raise StoreError(str(self._store.lost)) from error
            raise

    def _checkpoints(self, members: Sequence[Member]) -> Checkpoints | None:
        """Returns the checkpoints of a group's training, None if the options ask for none."""
        cells = [member.cell for member in members]
        minutes = cells[0].config.minutes_between_checkpoints
        if minutes == 0:
            return None
        before = [record_files.read(self._root / cell.name) for cell in cells]
        about = {
            "cells": [record_content.identity_of(m.cell, m.source, self._store.fingerprint) for m in members],
            # Checkpoints that outlived their record, by a kill at the last moment, are of no use to --force.
            "replaces": [record.content["finished"] if record else None for record in before],
        }
        name, label, resume = cells[0].name, cells[0].treatment.label, cells[0].config.resume
        if len(cells) > 1:
            digest = hashlib.sha256(" ".join(cell.name for cell in cells).encode()).hexdigest()[:8]
            name, label = f"{name}-and-{len(cells) - 1}-{digest}", f"{len(cells)} networks"
        return Checkpoints(
            self._root / ".checkpoints" / name,
            about,
            lambda line: self._listeners.say(f"{label}: {line}"),
            minutes,
            resume,
        )

    def _task(self, cell: Cell) -> trainer.Task:
        """Returns the images of a cell's target, which networks of one call share."""
        config = cell.config
        key = (
            cell.split.name,
            cell.treatment.target,
            cell.classes,
            config.images_per_class,
            config.input_size,
            config.augment,
            config.pixel_scale,
            config.exclude_duplicates,
            config.preprocessing,
        )
        if key not in self._tasks:
            training = self._store.select("train", cell.classes, config.images_per_class or None)
            self._tasks[key] = trainer.Task(
                split=cell.split.name,
                target=cell.treatment.target,
                classes=len(cell.classes),
                training=training,
                validation=self._validation(cell),
                view=trainer.view_of(config, training),
            )
        return self._tasks[key]

    def _validation(self, cell: Cell) -> Half:
        """Returns the validation images of a cell's target, the same for all networks that are compared there."""
        half = self._store.select("val", cell.classes, None)
        if not cell.config.exclude_duplicates:
            return half
        letters = "AB" if cell.split.is_whole else ("all",)
        others = [self._store.select("train", classes) for classes in map(cell.split.classes, letters) if classes]
        twin = np.zeros(len(half), bool)
        for other in others:
            near = duplicates.near_of(half.store, other.store)
            near = duplicates.require(half.store) if near is None else near
            twin |= duplicates.twins(half.contents(), other.contents(), near).either
        left = half.keep(~twin)
        if not len(left):
            raise StoreError(
                f"--exclude_duplicates leaves no validation image of target {cell.treatment.target}: all {len(half)} "
                f"equal, or nearly equal, training images. Get other validation images."
            )
        return left

    def _about_images(self, cell: Cell, task: trainer.Task) -> dict[str, Any]:
        """Returns the entries of a record on a network's images: copies among them, and images that were left out."""
        copies = {"by_itself": task.validation.copies_in(task.training)}
        twins = duplicates.found_in(task.training, task.validation, _NAMED)
        if cell.treatment.source in treatments.HALVES and cell.source:
            per_class = cell.source.images_per_class or None
            of_source = self._store.select("train", cell.source_classes, per_class)
            copies["by_source"] = task.validation.copies_in(of_source)
            twins["source"] = duplicates.found_between(task.validation, of_source, _NAMED)
        named, left_out = dict(list(self._store.left_out.items())[:_NAMED]), self._store.notes.get(BROKEN, 0)
        about = {"validation_images_trained_on": copies, "duplicates": twins}
        if cell.config.exclude_duplicates:
            whole = self._store.counts("val")[list(cell.classes)].sum()
            about["validation_images_excluded"] = int(whole) - len(task.validation)
        return about | ({"images_left_out": {"count": left_out, "first": named}} if left_out else {})
