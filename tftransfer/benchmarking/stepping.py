"""Training steps of a group, on request, with what they spend on waiting and what the machine could do meanwhile."""

import dataclasses
import functools
import time
from collections.abc import Iterator

import tensorflow as tf

from tftransfer import seeds
from tftransfer.benchmarking import products
from tftransfer.benchmarking.cases import Case
from tftransfer.data import pipeline
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.training import compilation, strategies, trainer, untrained_sources
from tftransfer.training.group import Group, Network

_MATRIX = 2048  # large enough for the highest rate, small enough for a tenth of a second on one core
_WARM_STEPS = 3
_BETWEEN_PRODUCTS_SECONDS = 0.25


@dataclasses.dataclass(frozen=True)
class Turn:
    """Some training steps.

    Attributes:
        seconds_per_step: Mean over the turn.
        waiting: Share of that time in which no batch was there.
        matmul: Multiply-adds per second of a float32 matrix product of size 2048, in between.
    """

    seconds_per_step: float
    waiting: float
    matmul: float


class Steps:
    """A compiled group with its input pipeline, which trains when it is asked to.

    Args:
        config: The recipe.
        case: The group.
        images: What it trains on.

    Attributes:
        multiply_adds: Of a step for one image.
        compile_seconds: From building the group to the end of its first steps.
    """

    def __init__(self, config: Config, case: Case, images: trainer.Task) -> None:
        started = time.perf_counter()
        strategy = strategies.make(config.strategy, config.replicas)
        strategies.check_batch(config.batch_size, strategy)
        with trainer.dtype_policy(config.precision), strategy.scope():
            template = trainer.build_model(config, images.classes)
            weights = untrained_sources.random_weights(config, images.split, "B")
            networks = [Network(f"{letter}{n}B", letter, n, n) if n else Network("base") for letter, n in case.frozen]
            letters = {letter: weights for letter, n in case.frozen if n}
            seed = seeds.of_split(config.seed, images.split)
            group = Group(template, networks, letters, seed, "B", architectures.block_names(config.architecture))
            compilation.compile_group(group, config, len(images.training), images.classes)
            self._model = group.model
            batches = _batches(config, images, [network.name for network in networks])
            self._model.fit(batches, steps_per_epoch=_WARM_STEPS, verbose=0, shuffle=False)
            self._model.make_train_function()
        self._batches: Iterator = iter(strategy.experimental_distribute_dataset(batches))
        self.multiply_adds = products.multiply_adds(group.model)
        self.compile_seconds = time.perf_counter() - started
        self.turn(0)  # traces what a turn needs

    def turn(self, seconds: float) -> Turn:
        """Trains for about `seconds`, one step at least, with matrix products in between."""
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
        """Does one training step; returns the seconds until its batch was there."""
        asked = time.perf_counter()
        batch = next(self._batches)
        waited = time.perf_counter() - asked
        logs = self._model.train_function(iter([batch]))
        float(logs["loss"])  # an accelerator returns before it is done
        return waited


def _batches(config: Config, images: trainer.Task, names: list[str]) -> tf.data.Dataset:
    """Returns the batches that training sees, without end."""
    batches = pipeline.training_batches(images.training, images.view, images.sampling(config), 0, 10**9)
    return batches.map(lambda x, y: (x, dict.fromkeys(names, y)))


def product_seconds() -> float:
    """Returns the seconds of a float32 matrix product of size 2048 on the default device, at this moment."""
    product, matrix = _product()
    started = time.perf_counter()
    product(matrix, matrix).numpy()
    return time.perf_counter() - started


@functools.cache
def _product() -> tuple:
    """Returns a matrix product that has been run once, and a matrix."""
    matrix = tf.random.stateless_normal((_MATRIX, _MATRIX), (0, 0)) / _MATRIX
    product = tf.function(lambda a, b: tf.reduce_max(tf.matmul(a, b)))
    product(matrix, matrix).numpy()
    return product, matrix
