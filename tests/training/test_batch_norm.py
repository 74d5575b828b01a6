"""Batch normalisation of random sources, of blocks that are held, and on replicas."""

import dataclasses

import keras
import numpy as np
import pytest

from tftransfer.data import pipeline
from tftransfer.models import architectures
from tftransfer.records import record_files
from tftransfer.training import batch_norm, trainer, untrained_sources
from tftransfer.training.group import Network

BASE = Network("base")


@pytest.fixture(scope="module")
def residual(recipe):
    return dataclasses.replace(recipe, model="small_models:residual", batch_size=16, steps=1, momentum=0.5)


@pytest.fixture(scope="module")
def source(residual, task):
    return trainer.train(residual, task, [BASE], {})[0].weights


@pytest.fixture(scope="module")
def normalized(recipe):
    """Four blocks, the first two with batch normalisation."""
    return dataclasses.replace(recipe, model="small_models:normalized", batch_size=16, steps=1, momentum=0.5)


@pytest.fixture(scope="module")
def normalized_source(normalized, task):
    return trainer.train(normalized, task, [BASE], {})[0].weights


def deviations(config, task, weights):
    """Returns the deviation of each normalised map on training images, as frozen blocks give it, over scale."""
    model = trainer.build_model(config, classes=2)
    found = {}
    for layer, arrays in weights.items():
        model.get_layer(layer).set_weights(arrays)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    features = keras.Model(model.input, {layer.name: layer.output for layer in norms})
    images = np.concatenate([x for x, _, _ in pipeline.evaluation_batches(task.training, task.view, 32)])
    for name, values in features(images).items():
        scale = np.abs(weights[name][0]).mean()
        found[name] = float(np.std(keras.ops.convert_to_numpy(values), axis=(0, 1, 2)).mean() / scale)
    return found


def test_random_weights_normalise_by_statistics_of_their_own(residual, task, source):
    drawn = untrained_sources.random_weights(residual, task.split, task.target)
    like = untrained_sources.weights_like(source, 0, task.target, untrained_sources.statistics(residual))
    for weights in (drawn, like):
        head = architectures.block_names(residual.architecture)[-1]
        made = untrained_sources.with_own_statistics(residual, task, weights)
        assert head not in made
        for name, found in deviations(residual, task, made).items():
            assert found == pytest.approx(1, abs=0.25), name
        again = untrained_sources.with_own_statistics(residual, task, weights)
        assert record_files.weights_digest(again) == record_files.weights_digest(made)
        places = untrained_sources.statistics(residual)
        for layer, arrays in made.items():
            for place, array in enumerate(arrays):
                if place not in places.get(layer, ()):
                    np.testing.assert_array_equal(array, weights[layer][place])
    assert min(deviations(residual, task, {k: v for k, v in drawn.items() if k in made}).values()) < 0.5, "as drawn"


def test_weights_without_batch_normalisation_stay_as_they_are(recipe, task):
    drawn = untrained_sources.random_weights(recipe, task.split, task.target)
    assert untrained_sources.with_own_statistics(recipe, task, drawn) is drawn


@pytest.mark.parametrize("policy", ["inference", "adapt"])
def test_held_blocks_are_frozen_until_their_release(normalized, task, normalized_source, policy, float64):
    """Bit by bit, moving statistics included; where frozen blocks adapt, held ones do."""
    sources, config = {"s": normalized_source}, dataclasses.replace(normalized, batch_norm=policy, steps=3)
    held, late = Network("held", "s", "k1t1", release_step=3), Network("late", "s", "k1t1", release_step=2)
    outcomes = trainer.train(config, task, [held, late, Network("frozen", "s", "k2")], sources)
    found = [outcome.weights for outcome in outcomes]
    blocks = architectures.block_names(config.architecture)
    layers = trainer.Group(trainer.build_model(config, 5), [held], sources, 0, "B").copied_layers("held")
    above = layers[blocks[1]]
    assert above == ("conv2", "norm2")
    for layer in above:
        kept, moved, never = (weights[layer] for weights in found)
        assert all(np.array_equal(a, b) for a, b in zip(kept, never, strict=True)), layer
        same = [np.array_equal(a, b) for a, b in zip(kept, moved, strict=True)]
        # Under adapt the statistics move alike until the first step that follows the release.
        assert not (any(same) if policy == "inference" else all(same)), layer
    for layer, arrays in found[0].items():  # the blocks above see the same features
        if layer not in above:
            for kept, never in zip(arrays, found[2][layer], strict=True):
                np.testing.assert_allclose(kept, never, atol=1e-9)


def test_a_batch_normalisation_of_unknown_code_cannot_be_held():
    class Own(keras.layers.BatchNormalization):
        pass

    with pytest.raises(ValueError, match=r"statistics of the layer own \(Own\) cannot be held"):
        batch_norm.held(Own(name="own"), 3)
    assert batch_norm.held(keras.layers.Dense(3), 3) is None


@pytest.mark.parametrize("policy", ["inference", "adapt"])
def test_replicas_normalise_by_the_whole_batch(normalized, task, normalized_source, policy, float64):
    networks = [Network("frozen", "s", "k1"), Network("held", "s", "k1t1", release_step=1)]
    networks += [BASE] * (policy == "inference")  # without frozen blocks both are the same
    config = dataclasses.replace(normalized, batch_norm=policy, steps=2)
    mirrored = dataclasses.replace(config, strategy="mirrored", replicas=2)
    one, two = (trainer.train(kind, task, networks, {"s": normalized_source}) for kind in (config, mirrored))
    for alone, both in zip(one, two, strict=True):
        for layer, arrays in alone.weights.items():
            for a, b in zip(arrays, both.weights[layer], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-9, err_msg=f"{alone.name} {layer}")
