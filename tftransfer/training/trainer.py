"""Trains the networks of one group with Keras' `fit`, and evaluates them at the end."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tftransfer import seeds
from tftransfer.data import pipeline, views
from tftransfer.data.mean_image import mean_image
from tftransfer.data.store import Half
from tftransfer.experiment import policies
from tftransfer.experiment.config import Config
from tftransfer.models import architectures, keras_settings, preprocessing
from tftransfer.models.blocks import blocks
from tftransfer.models.shortened import shortened
from tftransfer.system import signals
from tftransfer.training import batch_norm, compilation, features, history, memory, outcomes, snapshots, strategies
from tftransfer.training.checkpoints import Checkpoints
from tftransfer.training.group import Group, Network
from tftransfer.training.outcomes import Outcome
from tftransfer.transfer import Weights

OnEvaluation = Callable[[int, Mapping[str, Mapping[str, float]]], None]
_MOST_EVALUATIONS = 50
_TRAINING_PASSES = 3  # forward, gradient of the features, gradient of the weights; an evaluation is one forward pass
_EVALUATED_FRACTION = 1 / 5  # the most arithmetic of evaluations, of that of the training steps


@dataclasses.dataclass(frozen=True)
class Task:
    """The images of a target half.

    Attributes:
        split: Name of the split, as in `splits.Split.name`; seeds derive from it.
        target: Letter of the half.
        classes: Number of classes.
        training: Training images.
        validation: All validation images.
        view: How images become inputs.
    """

    split: str
    target: str
    classes: int
    training: Half
    validation: Half
    view: pipeline.View

    @property
    def halves(self) -> dict[str, Half]:
        """Training and validation images by name."""
        return {"training": self.training, "validation": self.validation}

    def sampling(self, config: Config) -> pipeline.Sampling:
        """Returns the order and augmentation of the images that the training steps of a recipe see."""
        stated = {"views": config.views} if config.views else {}
        return (views.StatedViews if stated else pipeline.Sampling)(
            seeds.of_split(config.seed, self.split),
            self.target,
            config.batch_size,
            crop="crop" in config.augment,
            mirror="mirror" in config.augment,
            **stated,
        )


def checked_blocks(config: Config, given: Collection[str]) -> tuple[str, ...]:
    """Returns the blocks of a model that only Keras knows, after refusing options that would change nothing.

    Args:
        config: The options.
        given: Names of those which the user set.

    Raises:
        ValueError: If an option would change nothing, or names a block that the model does not have.
    """
    options = config.architecture
    names = architectures.block_names(options)
    config.block_lr_multipliers(names)
    for name in ("batch_norm", "batch_norm_momentum"):
        if name in given and not architectures.has_batch_norm(options):
            raise ValueError(f"--{name} would change nothing here: {config.model} has no batch normalisation.")
    if "pixel_scale" in given and config.preprocessing is None and architectures.takes_raw_images(options):
        raise ValueError(f"--pixel_scale would change nothing here: {config.model} scales its images itself.")
    return names


def build_model(config: Config, classes: int, seed: int | None = None, decisions: str = "") -> keras.Model:
    """Returns the configured architecture, untrained, with a head for `classes`, under the current dtype policy.

    Args:
        config: The options.
        classes: Number of classes.
        seed: Seed of the initial weights; None for any.
        decisions: One letter of `policies.DECISIONS` for each block from the input. Dropped blocks are left out.
    """
    model = architectures.build(config.architecture, classes, seed)
    if policies.DROP in decisions:
        model = shortened(model, blocks(model, config.architecture.blocks or None), decisions.index(policies.DROP))
    if config.batch_norm_momentum:
        architectures.set_batch_norm_momentum(model, config.batch_norm_momentum)
    return model


def view_of(config: Config, training: Half) -> pipeline.View:
    """Returns the way from the images of a task to inputs: the mean is that of its own training images.

    With the preprocessing of pretrained weights, inputs are what these know. A model that scales its images itself gets
    pixels from 0 to 255.
    """
    # Images that were stored at the input's own size get their slack by reflection.
    without_slack = training.size == config.input_size and "crop" in config.augment
    padding = (config.crop_slack + 1) // 2 if without_slack else 0
    if (known := config.preprocessing) is not None:
        return pipeline.View.of_channels(
            config.input_size, training.size, known.mean, known.scale, known.order == preprocessing.BGR, padding
        )
    if architectures.takes_raw_images(config.architecture):
        return pipeline.View(config.input_size, np.zeros_like(mean_image(training)), 1.0, padding)
    return pipeline.View(config.input_size, mean_image(training), config.pixel_scale, padding)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Sets Keras' dtype policy for a while, and what else a user's keras.json would decide."""
    with keras_settings.package_defaults(name):
        yield


def train(
    config: Config,
    task: Task,
    networks: Sequence[Network],
    sources: Mapping[str, Weights],
    report: OnEvaluation | None = None,
    progress_bar: bool = False,
    checkpoints: Checkpoints | None = None,
    memory_fraction: float = 1.0,
    stage: Callable[[str], None] = lambda text: None,
) -> list[Outcome]:
    """Trains a group of networks to the end.

    With checkpoints it goes on from the newest one, and ends where it would have ended without interruption: on the
    CPU bit for bit, if threads, processor and versions are the same. SIGTERM, SIGHUP and Ctrl-C then wait for the step
    in hand and save another.

    Args:
        config: The recipe.
        task: Images of the target half.
        networks: The networks.
        sources: Weights of the sources that they name.
        report: Called after every evaluation with the step and each network's row of history.
        progress_bar: True shows Keras' progress bar.
        checkpoints: Those of this very training; None keeps none.
        memory_fraction: Fraction of the available memory that the group may take, 0 to 1.
        stage: Called with a short text when a slow stage begins, such as compiling.

    Returns:
        One outcome for each network, in order.

    Raises:
        ValueError: If batch and replicas do not go together.
        NoRoomError: If the group would not fit into memory; nothing was trained.
        KeyboardInterrupt: After Ctrl-C.
        Terminated: After SIGTERM.
    """
    started = time.perf_counter()
    if config.precision == "mixed_float16" and len(networks) > 1:
        raise ValueError("Loss scaling couples the networks of a group: with mixed_float16 train them one by one.")
    strategy = strategies.make(config.strategy, config.replicas)
    strategies.check_batch(config.batch_size, strategy)
    names_of_blocks = architectures.block_names(config.architecture)  # looks at the model outside the strategy's scope
    images = len(task.training)
    kind = strategies.describe(strategy)
    with dtype_policy(config.precision), strategy.scope():
        stage("building the network" if len(networks) == 1 else f"building {len(networks)} networks")
        template = build_model(config, task.classes)
        if strategy.num_replicas_in_sync > 1:
            batch_norm.synchronise(template)
        seed = seeds.of_split(config.seed, task.split)
        group = Group(template, networks, sources, seed, task.target, names_of_blocks, config.batch_norm)
        once = features.computed_once(group, config, task, strategy.num_replicas_in_sync, stage)
        inputs = once or ImageBatches(config, task)
        if not strategies.on_gpu():  # a GPU's memory is its own, and says itself when it is full
            memory.require_room(group.model, config.batch_size, memory_fraction)
        compilation.compile_group(group, config, images, task.classes)
        names = [network.name for network in networks]
        training_history = history.TrainingHistory(
            names, config.steps_per_epoch(images), compilation.schedule_of(config, images), report, stage
        )
        stage("compiling the first step")
        if checkpoints is None:
            _fit(group, config, inputs, training_history, None, progress_bar)
        else:
            identity = snapshots.identity(config, task.view, task.halves, networks, sources)
            identity["split"] = task.split
            with signals.deferred() as noted:
                saver = snapshots.Saver(checkpoints, training_history, noted, group.variables)
                saver.restore(group.model, identity, snapshots.circumstances(config, kind, inputs.are_features))
                _fit(group, config, inputs, training_history, saver, progress_bar)
        stage("scoring all validation images")
        logits, labels = _predict(group, inputs)
    seconds = training_history.earlier_seconds + time.perf_counter() - started
    speed = config.batch_size / training_history.seconds_per_step
    return outcomes.gather(group, training_history, logits, labels, seconds, speed, kind, inputs.are_features)


@dataclasses.dataclass(frozen=True)
class ImageBatches:
    """Batches of images, as `features.FeatureBatches` gives features in their place."""

    config: Config
    task: Task
    are_features = False

    def training_batches(self, first_step: int, steps: int) -> tf.data.Dataset:
        """Returns images `(batch, height, width, channels)` and labels `(batch,)` of some training steps."""
        sampling = self.task.sampling(self.config)
        return pipeline.training_batches(self.task.training, self.task.view, sampling, first_step, steps)

    def evaluation_batches(self) -> tf.data.Dataset:
        """Returns all validation images with their labels, and weights of 0 for what fills the last batch."""
        return pipeline.evaluation_batches(self.task.validation, self.task.view, self.config.batch_size)


def _fit(
    group: Group,
    config: Config,
    inputs: ImageBatches | features.FeatureBatches,
    training_history: history.TrainingHistory,
    saver: snapshots.Saver | None,
    progress_bar: bool,
) -> None:
    """Runs `fit` over rounds of equal length, each ending in an evaluation, and a last shorter one if need be."""
    names = [network.name for network in group.networks]
    task = inputs.task
    # Images (batch, height, width, channels); by network, labels (batch,) and their weights, 0 for what fills a batch.
    validation = inputs.evaluation_batches().map(lambda x, y, w: (x, dict.fromkeys(names, y), dict.fromkeys(names, w)))
    options = {"callbacks": [training_history, saver] if saver else [training_history], "verbose": int(progress_bar)}
    if saver and saver.unevaluated is not None:
        _evaluate_round(group.model, validation, saver.unevaluated, options)
    elif saver and saver.is_inside_round:
        group.model.evaluate(validation.take(1), verbose=0)  # makes the variables of the metrics
    images, done = (len(task.training), len(task.validation)), training_history.step
    for first_step, length, before, rounds in _rounds(config, *images, done):
        if training_history.all_diverged:
            break
        batches = inputs.training_batches(first_step, length * rounds)
        group.model.fit(
            batches.map(lambda x, y: (x, dict.fromkeys(names, y))),
            initial_epoch=before,
            epochs=before + rounds,
            steps_per_epoch=length,
            validation_data=validation,
            shuffle=False,
            **options,
        )


def evaluations(config: Config, images: int, validation_images: int) -> int:
    """Returns the number of evaluations while a network trains, the last one, at its end, included.

    Without --evaluations it is one per epoch, 50 at most, and no more than take a fifth of the training's arithmetic:
    three passes for each image of a training step, one for each validation image. Frozen blocks and features that are
    computed once do not count, so that it is the same for all networks of a recipe and half, on any machine.

    Args:
        config: The options.
        images: Training images of the half.
        validation_images: Validation images of the half.

    Example:
        >>> evaluations(Config(epochs=8.0), images=500, validation_images=5000)  # 448 images an epoch, 8 epochs
        1
    """
    if config.evaluations:
        return config.evaluations
    steps = config.train_steps(images)
    affordable = steps * config.batch_size * _TRAINING_PASSES * _EVALUATED_FRACTION / validation_images
    return max(1, min(_MOST_EVALUATIONS, round(steps / config.steps_per_epoch(images)), int(affordable)))


def _rounds(config: Config, images: int, validation_images: int, done: int) -> list[tuple[int, int, int, int]]:
    """Returns the calls of `fit` that are left after `done` steps: first step, steps of a round, rounds before, rounds.

    A round that was interrupted comes first, then those of full length, then a shorter last one.
    """
    train_steps = config.train_steps(images)
    rounds = evaluations(config, images, validation_images)
    length = -(-train_steps // min(rounds, train_steps))
    calls = []
    while done < train_steps:
        before, inside = divmod(done, length)
        whole = train_steps // length - before
        if inside or whole == 0:
            steps, repeats = min(length - inside, train_steps - done), 1
        else:
            steps, repeats = length, whole
        calls.append((done, steps, before, repeats))
        done += steps * repeats
    return calls


def _evaluate_round(
    model: keras.Model, validation: Any, results: Mapping[str, float], options: Mapping[str, Any]
) -> None:
    """Ends a round whose steps were done before an interruption, as `fit` would have ended it."""
    validated = model.evaluate(validation, return_dict=True, **options)
    for callback in options["callbacks"]:
        callback.on_epoch_end(0, {**results, **{f"val_{name}": value for name, value in validated.items()}})


def _predict(group: Group, inputs: ImageBatches | features.FeatureBatches) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns each network's logits of all validation images, `(images, classes)`, and their labels, `(images,)`."""
    logits = group.model.predict(inputs.evaluation_batches().map(lambda x, y, w: x), verbose=0)
    labels = np.asarray(inputs.task.validation.labels)  # the last batch is filled up
    return {name: values[: len(labels)] for name, values in logits.items()}, labels
