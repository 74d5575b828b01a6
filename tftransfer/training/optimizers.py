"""The optimizer of Caffe, with rates and decays per layer, and learning-rate schedules."""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tftransfer")
class CaffeSGD(keras.optimizers.SGD):
    """SGD with momentum as Caffe's solver does it (Yosinski et al. 2014 trained with it).

    For a weight w with gradient g, rate r, rate factor f and decay d:

        v <- momentum * v - r * f * (g + l2 * d * w);   w <- w + v

    The penalty is coupled: it goes through the momentum, and does not stand in the loss. Frozen weights have no slot.

    Usable on any Keras model:

        model.compile(optimizer=CaffeSGD(0.01, l2=5e-4, lr_multipliers={"conv1": 0.1}), ...)

    Args:
        learning_rate: Rate or schedule (paper: 0.01, a tenth every 100,000 steps).
        momentum: From 0 to below 1 (paper: 0.9).
        l2: Decay added to the gradient (paper: 5e-4).
        bias_lr_multiplier: Factor on the rate of biases (the authors' files: 2).
        bias_decay_multiplier: Factor on the decay of biases (the authors' files: 0).
        lr_multipliers: Factors on the rate by layer name. A name matches a variable if it is part of the variable's
            path: `"conv1"` matches `conv1/kernel` and `A4B/conv1/kernel`, `"A4B/conv1"` the second only. If several
            match, the longest counts. 0 holds a layer still.
        decay_multipliers: Factors on the decay, likewise.
        layer_starts: Steps from which on layers move, likewise: before it their rate is 0. Their slots exist from
            the first step on, so that nothing has to be compiled again.
        **kwargs: Further arguments of `keras.optimizers.SGD`.

    Raises:
        ValueError: When built, if a name in one of the three matches no variable.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.9,
        l2: float = 0.0,
        bias_lr_multiplier: float = 2.0,
        bias_decay_multiplier: float = 0.0,
        lr_multipliers: Mapping[str, float] | None = None,
        decay_multipliers: Mapping[str, float] | None = None,
        layer_starts: Mapping[str, int] | None = None,
        name: str = "caffe_sgd",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, momentum=momentum, name=name, **kwargs)
        own = {"l2": l2, "bias_lr_multiplier": bias_lr_multiplier, "bias_decay_multiplier": bias_decay_multiplier}
        for factors in (own, lr_multipliers or {}, decay_multipliers or {}, layer_starts or {}):
            wrong = {name: factor for name, factor in factors.items() if not (math.isfinite(factor) and factor >= 0)}
            if wrong:
                raise ValueError(f"Rates, decays and starts must be finite and at least 0. Received: {wrong}")
        self.l2 = l2
        self.bias_lr_multiplier = bias_lr_multiplier
        self.bias_decay_multiplier = bias_decay_multiplier
        self.lr_multipliers = dict(lr_multipliers or {})
        self.decay_multipliers = dict(decay_multipliers or {})
        self.layer_starts = dict(layer_starts or {})
        self._of_variables: list[tuple[float, float, int]] = []  # rate factor, decay, first step

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        paths = [variable.path for variable in variables]
        for names in (self.lr_multipliers, self.decay_multipliers, self.layer_starts):
            unused = [name for name in names if not any(_matches(name, path) for path in paths)]
            if unused:
                layers = dict.fromkeys(path.rpartition("/")[0] for path in paths)
                raise ValueError(
                    f"No trained layer is called {', '.join(unused)}. Trained layers are {', '.join(layers)}."
                )
        starts = [int(_longest_match(self.layer_starts, path, 0)) for path in paths]
        self._of_variables = [
            (*self.rate_factor_and_decay(path), start) for path, start in zip(paths, starts, strict=True)
        ]
        super().build(variables)

    def rate_factor_and_decay(self, path: str) -> tuple[float, float]:
        """Returns the factor on the learning rate and the decay of the variable at `path`."""
        is_bias = path.rpartition("/")[2] == "bias"
        rate = _longest_match(self.lr_multipliers, path) * (self.bias_lr_multiplier if is_bias else 1.0)
        decay = _longest_match(self.decay_multipliers, path) * (self.bias_decay_multiplier if is_bias else 1.0)
        return rate, decay * self.l2

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate, decay, start = self._of_variables[self._get_variable_index(variable)]
        if start:
            rate = rate * ops.cast(self.iterations >= start, learning_rate.dtype)
        if decay:
            gradient = ops.add(gradient, ops.multiply(ops.cast(decay, gradient.dtype), variable))
        rate = ops.multiply(learning_rate, rate)
        if self.momentum and not self.nesterov and keras.backend.backend() == "tensorflow":
            self._update_at_once(gradient, variable, rate)
        else:
            super().update_step(gradient, variable, rate)

    def _update_at_once(self, gradient: Any, variable: Any, rate: Any) -> None:
        """Does Keras' own update to the same bits in one operation, which passes over memory less often."""
        import tensorflow as tf

        slot = self.momentums[self._get_variable_index(variable)].value
        variable = variable.value if isinstance(variable, keras.Variable) else variable
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=slot.handle,
            lr=ops.cast(rate, variable.dtype),
            grad=ops.cast(gradient, variable.dtype),
            momentum=ops.cast(self.momentum, variable.dtype),
        )

    def get_config(self) -> dict[str, Any]:
        own = (
            "l2",
            "bias_lr_multiplier",
            "bias_decay_multiplier",
            "lr_multipliers",
            "decay_multipliers",
            "layer_starts",
        )
        return super().get_config() | {name: getattr(self, name) for name in own}


def _matches(name: str, path: str) -> bool:
    """Whether the parts of `name` stand next to each other in `path`."""
    return f"/{name}/" in f"/{path}/"


def _longest_match(factors: Mapping[str, float], path: str, default: float = 1.0) -> float:
    matching = [name for name in factors if _matches(name, path)]
    return factors[max(matching, key=len)] if matching else default


@keras.saving.register_keras_serializable(package="tftransfer")
class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate, by the number of steps done.

    Args:
        peak: Highest rate.
        train_steps: Steps of the whole training.
        kind: "constant", "step" (times `drop_factor` every `drop_steps`, as Caffe's) or "cosine" (to 0 at the end).
        warmup_steps: Steps over which the rate rises linearly from 0, on top of the above.
        drop_steps: Steps between drops.
        drop_factor: Factor at a drop (paper: 0.1).
    """

    def __init__(
        self,
        peak: float,
        train_steps: int,
        kind: str = "constant",
        warmup_steps: int = 0,
        drop_steps: int = 0,
        drop_factor: float = 0.1,
    ) -> None:
        if kind not in ("constant", "step", "cosine"):
            raise ValueError(f"Unknown schedule. Expected constant, step or cosine. Received: {kind}")
        if kind == "step" and drop_steps < 1:
            raise ValueError(f"The schedule step needs drop_steps of at least 1. Received: {drop_steps}")
        self.options = {
            "peak": peak,
            "train_steps": train_steps,
            "kind": kind,
            "warmup_steps": warmup_steps,
            "drop_steps": drop_steps,
            "drop_factor": drop_factor,
        }

    def __call__(self, step: Any) -> Any:
        options = self.options
        step = ops.cast(step, "float32")
        rate = ops.ones_like(step) * options["peak"]
        if options["kind"] == "step":
            rate = rate * ops.power(float(options["drop_factor"]), ops.floor(step / options["drop_steps"]))
        elif options["kind"] == "cosine":
            done = ops.minimum(step / max(1, options["train_steps"]), 1.0)
            rate = rate * 0.5 * (1.0 + ops.cos(math.pi * done))
        if options["warmup_steps"]:
            rate = rate * ops.minimum((step + 1.0) / options["warmup_steps"], 1.0)
        return rate

    def get_config(self) -> dict[str, Any]:
        return dict(self.options)
