"""A tower of any policy ends where plain Keras ends: copied by hand, frozen by `layer.trainable`, cut by hand, `fit`.

The plain side takes nothing of the package but images, batches and initial weights.
"""

import dataclasses

import keras
import numpy as np
import pytest

import small_models
from tftransfer import seeds
from tftransfer.data import pipeline
from tftransfer.training import trainer
from tftransfer.training.group import Group, Network

CLASSES, ROUNDING = 5, 1e-9  # in float64
EIGHT = {f"conv{n}": [f"conv{n}", f"norm{n}"] for n in range(1, 6)} | {"fc6": ["fc6"], "fc7": ["fc7"]}
LAST_LAYERS = [f"relu{n}" for n in range(1, 5)] + ["flat5", "fc6", "fc7"]
POLICIES = ("k4n4", "t3n5", "k2t1k4n1", "n2k5n1", "k4d3n1", "k1n1t1k1d3n1")


@pytest.fixture(scope="module")
def recipe_of_keras(recipe):
    """What Keras' own SGD does, too: no decay, no other rate of biases, a constant rate that is whole in float32."""
    return dataclasses.replace(
        recipe, batch_size=16, steps=4, learning_rate=2**-7, schedule="constant", momentum=0.9, weight_decay=0.0,
        bias_lr_multiplier=1.0, batch_norm_momentum=0.0,
    )  # fmt: skip


def plain(made, decisions, layers_of_blocks, last_layers, head, start):
    """Returns what `made`, a model with all blocks, ends in: trained by Keras under `decisions`, one letter a block."""
    if "d" in decisions:
        features = made.get_layer(last_layers[decisions.index("d") - 1]).output
        if len(features.shape) == 4:
            features = keras.layers.GlobalAveragePooling2D()(features)
        made = keras.Model(made.inputs, keras.layers.Dense(CLASSES, name=head)(features))
    weights = {layer.name: layer for layer in made.layers if layer.weights}
    assert weights.keys() == start.keys()
    for name, layer in weights.items():
        layer.set_weights(start[name])
    for decision, names in zip(decisions, layers_of_blocks, strict=False):
        for name in names if decision == "k" else ():
            made.get_layer(name).trainable = False
    return made


def trained_by_keras(model, config, task):
    """Returns the weights of a model after plain `fit` on the batches of a recipe."""
    sampling = task.sampling(config)
    batches = pipeline.training_batches(task.training, task.view, sampling, 0, config.steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(config.learning_rate, config.momentum), loss, jit_compile=False)
    model.fit(batches, epochs=1, steps_per_epoch=config.steps, shuffle=False, verbose=0)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def start_of(config, task, network, source, copied):
    """Returns the weights that a network starts with: by hand those of the source in the copied layers."""
    template = trainer.build_model(config, CLASSES)
    group = Group(template, [network], {"s": source}, seeds.of_split(config.seed, task.split), task.target)
    start = group.weights(network.name)
    return {name: source[name] if name in copied else start[name] for name in start}


def check(config, task, policies, builder, layers_of_blocks, last_layers, head, rounding=ROUNDING):
    """Trains one tower for each policy in one group, and each policy by Keras alone; returns the outcomes."""
    with trainer.dtype_policy("float64"):
        (source,) = trainer.train(config, task, [Network("base")], {})
        networks = [Network(text, "s", text) for text in policies]
        outcomes = trainer.train(config, task, networks, {"s": source.weights})
        for network, outcome in zip(networks, outcomes, strict=True):
            letters = network.decisions
            of_copied = [names for letter, names in zip(letters, layers_of_blocks, strict=False) if letter in "kt"]
            copied = {name for names in of_copied for name in names}
            start = start_of(config, task, network, source.weights, copied)
            made = plain(builder((32, 32, 3), CLASSES), letters, layers_of_blocks, last_layers, head, start)
            ended = trained_by_keras(made, config, task)
            assert ended.keys() == outcome.weights.keys(), network.policy
            for name, arrays in ended.items():
                for ours, keras_own in zip(outcome.weights[name], arrays, strict=True):
                    np.testing.assert_allclose(ours, keras_own, atol=rounding, err_msg=f"{network.policy} {name}")
            moved = {name for name in start if any(map(np.any, map(np.subtract, ended[name], start[name])))}
            kept = [names for letter, names in zip(letters, layers_of_blocks, strict=False) if letter == "k"]
            assert moved == start.keys() - {name for names in kept for name in names}, network.policy
    return source, dict(zip(policies, outcomes, strict=True))


def test_towers_of_all_kinds_end_where_plain_keras_does(recipe_of_keras, task, float64):
    config = dataclasses.replace(recipe_of_keras, model="small_models:eight_blocks")
    check(config, task, POLICIES, small_models.eight_blocks, list(EIGHT.values()), LAST_LAYERS, "logits")


@pytest.mark.heavy
def test_towers_of_mobilenet_end_where_plain_keras_does(recipe_of_keras, task, float64):
    config = dataclasses.replace(recipe_of_keras, model="small_models:mobilenet_v2", steps=3, learning_rate=2**-10)
    names = [layer.name for layer in small_models.mobilenet_v2((32, 32, 3), CLASSES).layers if layer.weights]
    units = ["Conv1", "expanded_conv", *(f"block_{n}" for n in range(1, 17)), "Conv_1"]
    of_units = [[name for name in names if name in (unit, f"bn_{unit}") or name.startswith(f"{unit}_")]
                for unit in units]  # fmt: skip
    assert sorted(name for unit in of_units for name in unit) == sorted(set(names) - {"predictions"})
    ends = {n: f"block_{n}_add" for n in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15)}
    last = ["Conv1_relu", "expanded_conv_project_BN", *(ends.get(n, f"block_{n}_project_BN") for n in range(1, 17))]
    asked = ("k3t2k14n1", "k7d12n1")
    check(config, task, asked, small_models.mobilenet_v2, of_units, last, "predictions", rounding=1e-6)


def test_under_adapt_weights_of_kept_blocks_stay_and_their_statistics_follow(recipe_of_keras, task, float64):
    config = dataclasses.replace(recipe_of_keras, model="small_models:eight_blocks", batch_norm="adapt")
    (source,) = trainer.train(config, task, [Network("base")], {})
    asked = [Network(text, "s", text) for text in ("k2t1k4n1", "n2k5n1", "t3k1d3n1")]
    for network, outcome in zip(asked, trainer.train(config, task, asked, {"s": source.weights}), strict=True):
        assert set(outcome.changed_blocks).isdisjoint(outcome.frozen_blocks)
        kept = [block for block, letter in zip(EIGHT, network.decisions, strict=False) if letter == "k"]
        assert list(outcome.frozen_blocks) == kept
        assert outcome.moved_statistics == outcome.blocks_with_statistics
        assert set(outcome.moved_statistics) == {block for block in kept if block.startswith("conv")}
        for name in (layer for block in kept for layer in EIGHT[block]):
            before, after = source.weights[name], outcome.weights[name]
            same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
            norm = name.startswith("norm")  # scale, shift, moving mean, moving variance
            assert same == ([True, True, False, False] if norm else [True] * len(same)), f"{network.policy} {name}"
