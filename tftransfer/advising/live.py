"""A training of one candidate that stays in memory, so that it can go on from rung to rung without compiling again."""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tftransfer import seeds, transfer
from tftransfer.advising.candidates import Candidate
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.training import compilation, features, trainer
from tftransfer.training.group import Group, Network
from tftransfer.transfer import Weights

SOURCE = "source"


def network_of(candidate: Candidate, name: str, steps: int) -> Network:
    """Returns a candidate as a network of a group.

    Args:
        candidate: The candidate.
        name: Name in the group.
        steps: Steps of the whole training, of which LP-FT trains the head alone for a while.
    """
    policy = candidate.policy.removesuffix("n1")
    source = None if candidate.is_scratch else SOURCE
    return Network(name, source, "" if candidate.is_scratch else policy, round(candidate.release * steps))


class LiveTraining:
    """A training that can be advanced step by step.

    Args:
        candidate: What is trained.
        config: The recipe, with its learning rate, number of steps and seed.
        task: Images to train on, and held-out ones as `validation`.
        source: Weights to copy from.
        bank: Features of frozen blocks of all training images; without, they are computed for this training.

    Attributes:
        seconds: Seconds spent so far.
        step: Steps done.
    """

    def __init__(
        self,
        candidate: Candidate,
        config: Config,
        task: trainer.Task,
        source: Weights,
        bank: "FeatureBank | None" = None,
    ) -> None:
        started = time.perf_counter()
        config = dataclasses.replace(config, layerwise_lr_decay=candidate.decay)
        self.candidate, self._config, self._task = candidate, config, task
        self.step, self._diverged = 0, False
        with trainer.dtype_policy(config.precision):
            self._group = group_of(candidate, config, task, source)
            if bank:
                inputs = bank.batches(self._group, config, task)
            else:
                inputs = features.computed_once(self._group, config, task)
            self._inputs = inputs or trainer.ImageBatches(config, task)
            compilation.compile_group(self._group, config, len(task.training), task.classes)
        self.seconds = time.perf_counter() - started

    @property
    def are_features(self) -> bool:
        """Whether it trains from features that were computed once."""
        return self._inputs.are_features

    def advance(self, step: int) -> None:
        """Trains up to a step; nothing happens if it has done as many."""
        if step <= self.step or self._diverged:
            return
        started = time.perf_counter()
        name = self.candidate_name
        batches = self._inputs.training_batches(self.step, step - self.step)
        with trainer.dtype_policy(self._config.precision):
            history = self._group.model.fit(
                batches.map(lambda x, y: (x, {name: y})), steps_per_epoch=step - self.step, epochs=1, verbose=0,
                shuffle=False,
            )  # fmt: skip
        self._diverged = not math.isfinite(history.history["loss"][-1])
        self.step = step
        self.seconds += time.perf_counter() - started

    @property
    def candidate_name(self) -> str:
        """Name of the network in its group."""
        return self._group.networks[0].name

    def correct(self) -> np.ndarray:
        """Returns whether each held-out image is classified correctly, bool `(images,)`; none is if it diverged."""
        started = time.perf_counter()
        labels = np.asarray(self._task.validation.labels)
        logits = self.logits()
        self.seconds += time.perf_counter() - started
        fine = np.isfinite(logits).all() and not self._diverged
        return (logits.argmax(axis=1) == labels) if fine else np.zeros(len(labels), bool)

    def logits(self) -> np.ndarray:
        """Returns logits of the held-out images, `(images, classes)`."""
        batches = self._inputs.evaluation_batches().map(lambda x, y, w: x)
        with trainer.dtype_policy(self._config.precision):
            predicted = self._group.model.predict(batches, verbose=0)
        return predicted[self.candidate_name][: len(self._task.validation)]

    @property
    def diverged(self) -> bool:
        """Whether its loss is no longer finite."""
        return self._diverged

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Returns all its weights by layer name."""
        return self._group.weights(self.candidate_name)

    def proofs(self) -> tuple[str, ...]:
        """Returns the names of kept blocks whose weights changed; there must be none.

        Moving statistics count, unless `--batch_norm=adapt` lets them follow the images.
        """
        before, after = self._group.copied_weights(self.candidate_name), self.weights()
        follow = self._group.statistics() if self._group.batch_norm == "adapt" else {}
        changed = set(transfer.changed_layers(before, after, ignore=follow))
        layers = self._group.frozen_layers(self.candidate_name)
        return tuple(block for block, names in layers.items() if changed & set(names))


def group_of(candidate: Candidate, config: Config, task: trainer.Task, source: Weights) -> Group:
    """Returns a candidate as a group of one network."""
    template = trainer.build_model(config, task.classes)
    names = architectures.block_names(config.architecture)
    network = network_of(candidate, "candidate", config.steps)
    sources = {SOURCE: source} if network.source else {}
    seed = seeds.of_split(config.seed, task.split)
    return Group(template, [network], sources, seed, task.target, names, config.batch_norm)


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of an array, read when they are asked for."""

    array: np.ndarray
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.index), *self.array.shape[1:])

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        return self.array[self.index[positions]]


class FeatureBank:
    """Features of all training images at every cut of the candidates, from one pass; folds take what they need.

    Args:
        candidates: All of them; those without kept blocks at the input, and those whose features cost more to read than
            to compute, train from images.
        config: The recipe, with `views` or without random augmentation.
        task: All training images.
        source: Weights to copy from.
        stage: Told what is done.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        config: Config,
        task: trainer.Task,
        source: Weights,
        stage: Any = lambda text: None,
    ) -> None:
        self._ids = np.asarray(task.training.ids)
        whole = dataclasses.replace(task, validation=task.training)
        epochs = max(1, config.views)
        config = dataclasses.replace(config, steps=2 * epochs * config.steps_per_epoch(len(task.training)), epochs=0.0)
        self._kept: dict[tuple[str, int, str], tuple[list[np.ndarray], np.ndarray]] = {}
        with trainer.dtype_policy(config.precision):
            template = trainer.build_model(config, task.classes)
            names = architectures.block_names(config.architecture)
            networks = {c.policy: network_of(c, f"at{i}", 1) for i, c in enumerate(candidates) if c.kept}
            seed = seeds.of_split(config.seed, task.split)
            group = Group(
                template, list(networks.values()), {SOURCE: source}, seed, task.target, names, config.batch_norm
            )
            paying = features.paying(group)
            if not paying:
                return
            group = Group(template, paying, {SOURCE: source}, seed, task.target, names, config.batch_norm)
            entries = features.entries_of(group)
            batches = features.computed_once(group, config, whole, 1, stage)
        if batches is None:
            return
        for key, entry in entries.items():
            self._kept[key] = [shown[entry.name] for shown in batches.training], batches.validation[entry.name]
        self._batches = batches  # holds the locks of the files

    def batches(self, group: Group, config: Config, task: trainer.Task) -> features.FeatureBatches | None:
        """Makes a group of one network train on features, where they are there; returns its batches, else None."""
        if not group.networks[0].frozen:
            return None
        entries = features.entries_of(group)
        if not entries.keys() <= self._kept.keys():
            return None
        order = np.argsort(self._ids)
        rows = {name: order[np.searchsorted(self._ids, half.ids, sorter=order)] for name, half in
                (("training", task.training), ("validation", task.validation))}  # fmt: skip
        features.begin_at(group, entries)
        views = len(next(iter(self._kept.values()))[0])
        training = [
            {entry.name: _Rows(self._kept[key][0][view], rows["training"]) for key, entry in entries.items()}
            for view in range(views)
        ]
        validation = {entry.name: _Rows(self._kept[key][1], rows["validation"]) for key, entry in entries.items()}
        return features.FeatureBatches(training, validation, config, task)

    def pooled(self) -> dict[int, np.ndarray]:
        """Returns features of all training images, averaged over space, `(images, channels)`, by depth of the cut."""
        found = {}
        for (_, depth, _), (_, centre) in sorted(self._kept.items(), key=lambda item: item[0][1]):
            array = np.asarray(centre)
            found[depth] = array if array.ndim == 2 else array.mean(axis=tuple(range(1, array.ndim - 1)))
        return found
