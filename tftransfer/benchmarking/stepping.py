"""Timed training steps of a group beside the machine's matrix products, and the comparison of one and two replicas."""

import dataclasses
import functools
import math
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tftransfer import seeds
from tftransfer.benchmarking.cases import Case
from tftransfer.data import pipeline
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.training import compilation, strategies, trainer, untrained_sources
from tftransfer.training.group import Group, Network

_MATRIX = 2048  # large enough for the highest rate, small enough for a tenth of a second on one core
_WARM_STEPS = 3
_BETWEEN_PRODUCTS_SECONDS = 0.25
_REPLICAS = 2
_COMPARED_STEPS = 1  # rounding errors grow from the second step on, differently on each processor


@dataclasses.dataclass(frozen=True)
class Turn:
    """The speed of some training steps.

    Attributes:
        seconds_per_step: Mean over the turn.
        waiting: Fraction of that time spent waiting for batches, 0 to 1.
        matmul: Multiply-adds per second of a float32 matrix product of size 2048, measured in between.
    """

    seconds_per_step: float
    waiting: float
    matmul: float


class Steps:
    """A compiled group with its input pipeline, to be trained in turns.

    Args:
        config: The recipe.
        case: The group.
        images: The images that it trains on.

    Attributes:
        multiply_adds: Multiply-adds of a step for one image.
        compile_seconds: Time from building the group to the end of its first steps.
    """

    def __init__(self, config: Config, case: Case, images: trainer.Task) -> None:
        started = time.perf_counter()
        strategy = strategies.make(config.strategy, config.replicas)
        strategies.check_batch(config.batch_size, strategy)
        with trainer.dtype_policy(config.precision), strategy.scope():
            template = trainer.build_model(config, images.classes)
            weights = untrained_sources.random_weights(config, images.split, "B")
            networks = [
                Network(f"{letter}{n}B", letter, f"k{n}") if n else Network("base") for letter, n in case.frozen
            ]
            letters = {letter: weights for letter, n in case.frozen if n}
            seed = seeds.of_split(config.seed, images.split)
            group = Group(template, networks, letters, seed, "B", architectures.block_names(config.architecture))
            compilation.compile_group(group, config, len(images.training), images.classes)
            self._model = group.model
            batches = _batches(config, images, [network.name for network in networks])
            self._model.fit(batches, steps_per_epoch=_WARM_STEPS, verbose=0, shuffle=False)
            self._model.make_train_function()
        self._batches: Iterator = iter(strategy.experimental_distribute_dataset(batches))
        self.multiply_adds = multiply_adds(group.model)
        self.compile_seconds = time.perf_counter() - started
        self.turn(0)  # traces the functions that a turn calls

    def turn(self, seconds: float) -> Turn:
        """Trains for about `seconds`, at least one step, with matrix products in between."""
        steps, spent, waiting, products_done, products_seconds = 0, 0.0, 0.0, 0, 0.0
        while steps == 0 or spent + products_seconds < seconds:
            started = time.perf_counter()
            while time.perf_counter() - started < _BETWEEN_PRODUCTS_SECONDS or steps == 0:
                waiting += self._step()
                steps += 1
            spent += time.perf_counter() - started
            products_seconds += product_seconds()
            products_done += 1
        return Turn(spent / steps, waiting / spent, products_done * _MATRIX**3 / products_seconds)

    def _step(self) -> float:
        """Does one training step; returns the seconds spent waiting for its batch."""
        asked = time.perf_counter()
        batch = next(self._batches)
        waited = time.perf_counter() - asked
        logs = self._model.train_function(iter([batch]))
        float(logs["loss"])  # an accelerator returns before it is done
        return waited


def _batches(config: Config, images: trainer.Task, names: list[str]) -> tf.data.Dataset:
    """Returns training batches without end, `(x, {network: y})`."""
    batches = pipeline.training_batches(images.training, images.view, images.sampling(config), 0, 10**9)
    return batches.map(lambda x, y: (x, dict.fromkeys(names, y)))


def product_seconds() -> float:
    """Returns the seconds that a float32 matrix product of size 2048 takes on the default device now."""
    product, matrix = _product()
    started = time.perf_counter()
    product(matrix, matrix).numpy()
    return time.perf_counter() - started


@functools.cache
def _product() -> tuple:
    """Returns a compiled matrix product that has run once, and its operand."""
    matrix = tf.random.stateless_normal((_MATRIX, _MATRIX), (0, 0)) / _MATRIX
    product = tf.function(lambda a, b: tf.reduce_max(tf.matmul(a, b)))
    product(matrix, matrix).numpy()
    return product, matrix


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of one training step for one image.

    Convolutions and dense layers count: the forward pass, and for layers that train the gradient of the kernel, and the
    gradient of the input unless no layer below trains.

    Args:
        model: The combined model of a group: each of its submodels is a trunk or a tower.
    """
    total = 0
    for part in model.layers:
        if isinstance(part, keras.Model):
            kernels = [layer for layer in part.layers if getattr(layer, "kernel", None) is not None]
            counts = [_forward(layer) for layer in kernels]
            total += sum(counts)
            if part.trainable:
                total += 2 * sum(counts) - (counts[0] if counts else 0)
    return total


def _forward(layer: keras.Layer) -> int:
    """Returns the multiply-adds of a layer's forward pass: each entry of its kernel, at each place of its output."""
    places = math.prod(layer.output.shape[1:-1])
    return math.prod(layer.kernel.shape) * places


def largest_difference(config: Config, images: trainer.Task) -> dict[str, float | int | str]:
    """Returns the difference between one and two replicas after training the same base on the same batches.

    Args:
        config: The recipe; its batch must divide by two.
        images: The images to train on.

    Returns:
        `difference`, the largest of any weight, relative to the largest weight of its array; `strategy`, the devices of
        the two replicas; `steps`, the number of training steps.
    """
    short = dataclasses.replace(config, steps=_COMPARED_STEPS, warmup_steps=0, evaluations=1, schedule="constant",
                                drop_steps=0, drop_epochs=0.0)  # fmt: skip
    mirrored = dataclasses.replace(short, strategy="mirrored", replicas=_REPLICAS)
    strategy = strategies.make("mirrored", _REPLICAS)  # before TensorFlow starts with one logical CPU
    (two,) = trainer.train(mirrored, images, [Network("base")], {})
    one_device = dataclasses.replace(short, strategy="one_device", replicas=0)
    (one,) = trainer.train(one_device, images, [Network("base")], {})
    pairs = [(a, b) for layer in one.weights for a, b in zip(one.weights[layer], two.weights[layer], strict=True)]
    worst = max(float(np.abs(a - b).max()) / max(float(np.abs(a).max()), 1e-6) for a, b in pairs)
    return {"difference": worst, "strategy": strategies.describe(strategy), "steps": _COMPARED_STEPS}
