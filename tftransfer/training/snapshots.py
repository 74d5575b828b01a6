"""The whole state of a training at one moment, taken and put back bit for bit.

Batches are a function of their step. All else is in the variables of model and optimizer (dropout's counters are
variables, too), in the metrics' running sums, and in what the training history has recorded.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tftransfer.data import pipeline
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.system.signals import Interruption
from tftransfer.training import strategies
from tftransfer.training.checkpoints import Checkpoint, Checkpoints
from tftransfer.training.group import Network
from tftransfer.training.history import TrainingHistory
from tftransfer.transfer import Weights

_WEIGHTS, _OPTIMIZER, _METRICS = "weights", "optimizer", "metrics"


def identity(
    config: Config,
    view: pipeline.View,
    halves: Mapping[str, pipeline.ImageSource],
    networks: Sequence[Network],
    sources: Mapping[str, Weights],
) -> dict[str, Any]:
    """Returns the identity of a training, as far as the trainer knows it: another recipe is another training.

    Args:
        config: The options.
        view: How images become inputs.
        halves: Training and validation images, by any name.
        networks: The networks of the group.
        sources: Weights that they copy from.
    """
    return {
        "recipe": config.recipe(),
        "seed": config.seed,
        "networks": [dataclasses.asdict(network) for network in networks],
        "sources": {name: record_files.weights_digest(weights) for name, weights in sources.items()},
        "images": {name: _digest(half.ids, half.labels) for name, half in halves.items()},
        "view": {"size": view.size, "mean": _digest(view.mean), "scale": view.scale, "padding": view.padding},
    }


def circumstances(config: Config, strategy: str, from_features: bool = False) -> dict[str, Any]:
    """Returns the circumstances in which a training may go on elsewhere: how sums are rounded, and its evaluations.

    Another number of replicas is one of them: they sum gradients in another order, as other threads do.

    Args:
        config: The options.
        strategy: On what it runs.
        from_features: Whether it trains on features that were computed once, which rounds sums in another order.
    """
    features = {"from_features": True} if from_features else {}
    return {**strategies.rounding(strategy), "evaluations": config.evaluations, **features}


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def take(model: keras.Model, variables: Sequence[Any] | None = None) -> dict[str, np.ndarray]:
    """Returns copies of all variables of a compiled model and its optimizer, by kind and place.

    Args:
        model: Compiled.
        variables: Variables in the place of the model's own.
    """
    return _values(_WEIGHTS, variables or model.variables) | _values(_OPTIMIZER, model.optimizer.variables)


def put_back(model: keras.Model, arrays: Mapping[str, np.ndarray], variables: Sequence[Any] | None = None) -> None:
    """Sets all variables of a compiled model and its optimizer, which must be built, to what `take` returned.

    Raises:
        ValueError: If they are of another model.
    """
    _assign(_WEIGHTS, variables or model.variables, arrays)
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
        copies, values = _copies(variable), arrays[name]
        if len(copies) != len(values):
            values = _redistributed(values, len(copies), summed=kind == _METRICS)
        for copy, value in zip(copies, values, strict=True):
            copy.assign(value)


def _redistributed(values: np.ndarray, replicas: int, summed: bool) -> np.ndarray:
    """Returns the copies of a variable for another number of replicas.

    Args:
        values: Its copies, one for each replica that there was.
        replicas: Their number now.
        summed: True if the copies are parts of a sum, as in metrics; else they are alike.
    """
    if summed:
        rest = np.zeros((replicas - 1, *values.shape[1:]), values.dtype)
        return np.concatenate([values.sum(0, dtype=values.dtype, keepdims=True), rest])
    return np.repeat(values[:1], replicas, axis=0)


def _copies(variable: Any) -> Sequence[Any]:
    """Returns a variable's copies on the replicas, which differ in metrics: their sum is what Keras shows."""
    return getattr(variable.value, "values", None) or (variable.value,)


class Saver(keras.callbacks.Callback):
    """Saves checkpoints when they are due, and when the process is to end. It must come after the training history.

    Within a round the running sums of the metrics belong to a snapshot. Between a round's last step and the end of its
    evaluation their results do, since evaluation uses the same variables.

    Args:
        checkpoints: Where they are kept.
        training_history: The history of the training.
        interruption: Signals that were noted.
        variables: Variables in the place of the model's own: those of all networks, also where the model begins at
            features and lacks the trunks.

    Attributes:
        is_inside_round: Whether training goes on inside a round; the metrics must then be built before `fit`.
        unevaluated: Results of the round in hand if its steps are done and its evaluation is not.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        training_history: TrainingHistory,
        interruption: Interruption,
        variables: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        self.unevaluated: dict[str, float] | None = None
        self._checkpoints = checkpoints
        self._training_history = training_history
        self._interruption = interruption
        self._variables = variables
        self._sums: dict[str, np.ndarray] = {}
        self._size = 0

    @property
    def is_inside_round(self) -> bool:
        return bool(self._sums)

    def restore(self, model: keras.Model, identity: Mapping[str, Any], circumstances: Mapping[str, Any]) -> None:
        """Restores a compiled model and the training history from the newest checkpoint of this training, if any.

        Args:
            model: Compiled.
            identity: As from `identity`.
            circumstances: As from `circumstances`.

        Raises:
            CannotResumeError: If there is one that cannot be resumed from here.
        """
        if not model.optimizer.built:  # before that it has no momentum that could be set
            model.optimizer.build(model.trainable_variables)
        variables = (*(self._variables or model.variables), *model.optimizer.variables)
        shapes = [[str(variable.dtype), *variable.shape] for variable in variables]
        self._size = sum(4 * math.prod(shape) for _, *shape in shapes)
        checkpoint = self._checkpoints.restore({**identity, "variables": shapes}, circumstances)
        if checkpoint:
            self._resume(model, checkpoint)

    def _resume(self, model: keras.Model, checkpoint: Checkpoint) -> None:
        put_back(model, checkpoint.arrays, self._variables)
        seen = checkpoint.notes["training_history"]
        self._checkpoints.told_until = max((0, *(s for h in seen["histories"].values() for s in h.get("step", ()))))
        self._training_history.resume(seen)
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
        notes = {"training_history": self._training_history.state(), "unevaluated": self.unevaluated}
        arrays = take(self.model, self._variables) | sums
        self._checkpoints.save(self._training_history.step, arrays, notes)
        self._interruption.act()
        self._training_history.rest()


def _numbers(results: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(keras.ops.convert_to_numpy(value)) for name, value in results.items()}
