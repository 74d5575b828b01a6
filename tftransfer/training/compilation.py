"""Compiles a group for Keras' `fit`: one optimizer with its schedule, and each network's loss and metrics."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.training.group import Group
from tftransfer.training.optimizers import CaffeSGD, RateSchedule


def schedule_of(config: Config, images: int) -> RateSchedule:
    """Returns the learning-rate schedule of a recipe.

    Args:
        config: The recipe.
        images: Training images of the half.
    """
    return RateSchedule(
        config.learning_rate,
        config.train_steps(images),
        config.schedule,
        min(config.warmup_steps, config.train_steps(images) // 4),
        config.steps_between_drops(images),
        config.drop_factor,
    )


def compile_group(group: Group, config: Config, images: int, classes: int) -> None:
    """Compiles the combined model: each network has its own loss and metrics, and one optimizer serves all.

    Args:
        group: The group; `group.model.fit` takes labels `(batch,)` by network name afterwards.
        config: The recipe.
        images: Training images of the half.
        classes: Classes of the half.

    Raises:
        ValueError: If blocks wait for their release and the optimizer cannot hold them.
    """
    names = [network.name for network in group.networks]
    optimizer = _optimizer(group, config, images)
    group.follow(lambda: optimizer.iterations)
    group.model.compile(
        optimizer=optimizer,
        loss={name: _loss(config.label_smoothing, classes) for name in names},
        weighted_metrics={
            name: [
                keras.metrics.SparseCategoricalAccuracy(name="top1"),
                keras.metrics.SparseTopKCategoricalAccuracy(min(5, classes), name="top5"),
                keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
            ]
            for name in names
        },
        jit_compile=False,  # on CPUs XLA gains nothing, and under MirroredStrategy it fails
    )
    if not tf.distribute.has_strategy():  # under one Keras builds all this before the first step
        _build(group.model, names, classes)


def _optimizer(group: Group, config: Config, images: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe, which knows the layers of every network of the group."""
    rate, starts = schedule_of(config, images), group.release_steps()
    config.check_release(max(starts.values(), default=0))
    if config.optimizer == "sgd":
        return CaffeSGD(
            rate,
            config.momentum,
            config.weight_decay,
            config.bias_lr_multiplier,
            config.bias_decay_multiplier,
            lr_multipliers=group.trained_rates(
                config.block_lr_multipliers(architectures.block_names(config.architecture)), config.copied_rate
            ),
            layer_starts=starts,
        )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _loss(smoothing: float, classes: int) -> Any:
    """Returns the mean cross-entropy of logits `(batch, classes)` and labels `(batch,)`."""
    if not smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed(labels: Any, logits: Any) -> Any:
        targets = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), classes)  # (batch, classes)
        return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)

    return smoothed


def _build(model: keras.Model, names: list[str], classes: int) -> None:
    """Makes the variables of optimizer, loss and metrics, so that TensorFlow traces the first step once.

    A function that makes variables when it is first called is traced a second time, which took as long as the first.
    """
    model.optimizer.build(model.trainable_variables)
    labels = dict.fromkeys(names, np.zeros(1, np.int32))
    logits = dict.fromkeys(names, np.zeros((1, classes), np.float32))
    model.compute_loss(y=labels, y_pred=logits)
    model.compute_metrics(None, labels, logits)
    model.reset_metrics()
