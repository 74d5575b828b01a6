"""What a group is trained with: AdamW against NumPy, and the learning-rate schedule that a training really takes.

The decay of AdamW is decoupled, follows the rate, and spares biases. Caffe's SGD has tests of its own.
"""

import dataclasses
import math

import keras
import numpy as np
import pytest

from tftransfer.training import compilation, trainer
from tftransfer.training.group import Group, Network

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults
STEPS = 6


def template():
    """One weight layer of each kind with all kinds of weights: kernel, bias, gamma, beta, and moving statistics."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv", bias_initializer="ones")(inputs)
    x = keras.layers.BatchNormalization(name="norm", beta_initializer="ones")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head", bias_initializer="ones")(x))


@pytest.fixture
def compiled(recipe):
    """Compiles a group of one with AdamW; returns its model and the rate of each step."""

    def made(**options):
        config = dataclasses.replace(
            recipe, optimizer="adamw", learning_rate=0.05, steps=STEPS, schedule="cosine", **options
        )
        group = Group(template(), [Network("base")], {}, seed=0, target="B")
        compilation.compile_group(group, config, images=64, classes=3)
        rates = [0.05 * 0.5 * (1 + np.cos(np.pi * step / STEPS)) for step in range(STEPS)]
        return group.model, rates

    return made


def trained(model, seed):
    """Applies random gradients; returns what each weight was at first, its gradients and what it is in the end."""
    rng = np.random.default_rng(seed)
    variables = model.trainable_variables
    before = {variable.path: variable.numpy().astype(np.float64) for variable in variables}
    gradients = [{v.path: rng.normal(size=v.shape).astype(np.float32) for v in variables} for _ in range(STEPS)]
    for of_step in gradients:
        model.optimizer.apply([keras.ops.convert_to_tensor(of_step[v.path]) for v in variables], variables)
    return before, gradients, {variable.path: variable.numpy() for variable in variables}


def reference(weight, gradients, rates, decay):
    """Loshchilov and Hutter 2019, algorithm 2, in float64."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        weight = weight - rate * decay * weight
        mean = BETA_1 * mean + (1 - BETA_1) * gradient
        square = BETA_2 * square + (1 - BETA_2) * gradient.astype(np.float64) ** 2
        corrected = rate * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        weight = weight - corrected * mean / (np.sqrt(square) + EPSILON)
    return weight


def test_equals_a_numpy_reference_with_decay_on_all_but_biases(compiled):
    model, rates = compiled(weight_decay=0.3)
    before, gradients, after = trained(model, seed=0)
    kinds = {path.rpartition("/")[2] for path in before}
    assert kinds == {"kernel", "bias", "gamma", "beta"}
    for path, weight in before.items():
        decay = 0.0 if path.endswith("/bias") else 0.3
        of_path = [gradient[path] for gradient in gradients]
        np.testing.assert_allclose(after[path], reference(weight, of_path, rates, decay), atol=2e-5, err_msg=path)
        if decay and path.endswith("kernel"):
            assert np.abs(after[path] - reference(weight, of_path, rates, 0.0)).max() > 1e-3, "the decay is to be seen"


def test_without_decay_nothing_decays(compiled):
    model, rates = compiled(weight_decay=0.0)
    before, gradients, after = trained(model, seed=1)
    for path, weight in before.items():
        found = reference(weight, [gradient[path] for gradient in gradients], rates, 0.0)
        np.testing.assert_allclose(after[path], found, atol=2e-5, err_msg=path)


def test_frozen_blocks_have_no_slots(recipe):
    base = Group(template(), [Network("base")], {}, seed=0, target="A")
    config = dataclasses.replace(recipe, optimizer="adamw")
    group = Group(template(), [Network("net", "s", "k1")], {"s": base.weights("base")}, seed=0, target="B")
    compilation.compile_group(group, config, images=64, classes=3)
    group.model.optimizer.build(group.model.trainable_variables)
    paths = [variable.path for variable in group.model.optimizer.variables]
    assert sum("head" in path for path in paths) == 4, "two for each of its weights"
    assert not any("conv" in path or "norm" in path for path in paths)


@pytest.fixture
def rates(small, task):
    """Returns the rate of each of eight steps."""

    def taken(**options):
        config = dataclasses.replace(small, steps=8, evaluations=8, learning_rate=0.004, **options)
        return trainer.train(config, task, [Network("base")], {})[0].history["learning_rate"]

    return taken


def test_a_cosine_falls_from_the_first_step_to_the_last(rates):
    expected = [0.004 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates() == pytest.approx(expected, abs=1e-9)


def test_steps_drop_when_and_by_what_the_options_say(rates):
    found = rates(schedule="step", drop_steps=3, drop_factor=0.5)
    assert found == pytest.approx([0.004, 0.004, 0.004, 0.002, 0.002, 0.002, 0.001, 0.001])


def test_a_constant_rate_stays_and_warm_up_is_a_line(rates):
    assert rates(schedule="constant", warmup_steps=2) == pytest.approx([0.002] + [0.004] * 7), "1 of 2, then 2 of 2"


def test_the_first_step_is_traced_once(small, task, monkeypatch):
    """TensorFlow traces a function again that made variables when it was first called: that took half of the time."""
    traced, step = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: traced.append(self.name) or step(self, data))
    trainer.train(small, task, [Network("base")], {})
    assert traced == ["group"]
