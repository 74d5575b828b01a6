"""The whole state of a training at one moment, taken and put back bit for bit.

Batches are a function of their step. All else is in the variables of model and optimizer (dropout's counters are
variables, too), in the metrics' running sums, and in what the watch has seen.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tftransfer import environment, records
from tftransfer.config import Config
from tftransfer.data import pipeline
from tftransfer.interruption import Interruption
from tftransfer.training import strategies
from tftransfer.training.callbacks import Watch
from tftransfer.training.checkpoints import Checkpoint, Checkpoints
from tftransfer.training.group import Network
from tftransfer.transfer import Weights

_WEIGHTS, _OPTIMIZER, _METRICS = "weights", "optimizer", "metrics"
_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy")


def identity(
    config: Config,
    view: pipeline.View,
    halves: Mapping[str, pipeline.Half],
    networks: Sequence[Network],
    sources: Mapping[str, Weights],
    strategy: str,
) -> dict[str, Any]:
    """Returns what decides the course of a training to the last bit, as far as the trainer knows it.

    Args:
        config: The options.
        view: How images become inputs.
        halves: Training and validation images, by any name.
        networks: The networks of the group.
        sources: Weights that they copy from.
        strategy: On what it runs.
    """
    versions = environment.versions()
    return {
        "recipe": config.recipe(),
        "seed": config.seed,
        "evaluations": config.evaluations,  # where rounds end is part of the history
        "networks": [dataclasses.asdict(network) for network in networks],
        "sources": {name: records.weights_digest(weights) for name, weights in sources.items()},
        "images": {name: _digest(half.ids, half.labels) for name, half in halves.items()},
        "view": {"size": view.size, "mean": _digest(view.mean), "scale": view.scale, "padding": view.padding},
        "strategy": strategy,
        # Sums are split over threads, and processors differ in their instructions: both round in another order.
        "threads": environment.threads(),
        "processor": environment.machine()["processor"],
        "versions": {package: versions.get(package) for package in _PACKAGES},
    }


def other_replicas(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Returns why a training on another number of replicas is not gone on with; None if more than that differs.

    Replicas sum gradients in another order. From the checkpoint on, numbers would be neither those of this number of
    replicas nor those of the other.

    Args:
        there: Identity of the checkpoint's training.
        here: Identity of this one.
    """
    before, now = (strategies.replicas_of(identity["strategy"]) for identity in (there, here))
    if before == now or {**there, "strategy": None} != {**here, "strategy": None}:
        return None
    with_these = f"--strategy=mirrored --replicas={before}" if before > 1 else "--strategy=one_device"
    return (
        f"was made on {before} replica{'s' if before > 1 else ''}, here there {'are' if now > 1 else 'is'} {now}: sums "
        f"would round in another order from here on. {with_these} goes on from it."
    )


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def take(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns copies of all variables of a compiled model and its optimizer, by kind and place."""
    return _values(_WEIGHTS, model.variables) | _values(_OPTIMIZER, model.optimizer.variables)


def put_back(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Sets all variables of a compiled model and its optimizer, which must be built, to what `take` returned.

    Raises:
        ValueError: If they are of another model.
    """
    _assign(_WEIGHTS, model.variables, arrays)
    _assign(_OPTIMIZER, model.optimizer.variables, arrays)


def _values(kind: str, variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """Returns the values of variables by kind and place."""
    return {
        f"{kind}.{place:05}": np.stack([copy.numpy() for copy in _copies(variable)])
        for place, variable in enumerate(variables)
    }


def _assign(kind: str, variables: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Sets variables to the values of their kind."""
    names = sorted(name for name in arrays if name.startswith(f"{kind}."))
    for variable, name in zip(variables, names, strict=True):
        for copy, value in zip(_copies(variable), arrays[name], strict=True):
            copy.assign(value)


def _copies(variable: Any) -> Sequence[Any]:
    """Returns a variable's copies on the replicas, which differ in metrics: their sum is what Keras shows."""
    return getattr(variable.value, "values", None) or (variable.value,)


class Saver(keras.callbacks.Callback):
    """Saves checkpoints when they are due, and when the process is to end. It must come after the watch.

    Within a round the running sums of the metrics belong to a snapshot. Between a round's last step and the end of its
    evaluation their results do, since evaluation uses the same variables.

    Args:
        checkpoints: Where they are kept.
        watch: What is seen of the training.
        interruption: Signals that were noted.

    Attributes:
        is_inside_round: True if training goes on inside a round; the metrics must then be built before `fit`.
        unevaluated: Results of the round in hand if its steps are done and its evaluation is not.
    """

    def __init__(self, checkpoints: Checkpoints, watch: Watch, interruption: Interruption) -> None:
        super().__init__()
        self.unevaluated: dict[str, float] | None = None
        self._checkpoints = checkpoints
        self._watch = watch
        self._interruption = interruption
        self._sums: dict[str, np.ndarray] = {}
        self._size = 0

    @property
    def is_inside_round(self) -> bool:
        return bool(self._sums)

    def restore(self, model: keras.Model, identity: Mapping[str, Any]) -> None:
        """Puts a compiled model and the watch where the newest checkpoint of this training left them, if any.

        Raises:
            KeptError: If it is of this training on another number of replicas.
        """
        if not model.optimizer.built:  # before that it has no momentum that could be set
            model.optimizer.build(model.trainable_variables)
        shapes = [[str(variable.dtype), *variable.shape] for variable in (*model.variables, *model.optimizer.variables)]
        self._size = sum(4 * math.prod(shape) for _, *shape in shapes)
        checkpoint = self._checkpoints.restore({**identity, "variables": shapes}, other_replicas)
        if checkpoint:
            self._resume(model, checkpoint)

    def _resume(self, model: keras.Model, checkpoint: Checkpoint) -> None:
        put_back(model, checkpoint.arrays)
        seen = checkpoint.notes["watch"]
        self._checkpoints.told_until = max((0, *(s for h in seen["histories"].values() for s in h.get("step", ()))))
        self._watch.resume(seen)
        self.unevaluated = checkpoint.notes["unevaluated"]
        self._sums = {name: array for name, array in checkpoint.arrays.items() if name.startswith(_METRICS)}

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._sums:  # Keras has just set them to 0
            _assign(_METRICS, self.model.metrics_variables, self._sums)
            self._sums = {}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if batch + 1 == self.params["steps"] or self.model.stop_training:
            return  # its evaluation follows at once
        if self._wanted():
            self._save(_values(_METRICS, self.model.metrics_variables))

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.unevaluated is None:
            self.unevaluated = _numbers(self.model.get_metrics_result())

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._interruption.received is not None:
            self._save({})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.unevaluated = None
        if self._wanted():
            self._save({})

    def _wanted(self) -> bool:
        return self._interruption.received is not None or self._checkpoints.due(self._size)

    def _save(self, sums: Mapping[str, np.ndarray]) -> None:
        """Saves a checkpoint and ends the training if the process is to end."""
        notes = {"watch": self._watch.state(), "unevaluated": self.unevaluated}
        self._checkpoints.save(self._watch.step, take(self.model) | sums, notes)
        self._interruption.act()
        self._watch.rest()


def _numbers(results: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(keras.ops.convert_to_numpy(value)) for name, value in results.items()}
