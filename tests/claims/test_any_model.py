"""Any architecture in a group: its networks end where they would have ended alone; their statistics are proven.

The counterpart of `test_trainer.py`, without a module of its own: group and trainer know no architecture.
"""

import dataclasses

import keras
import numpy as np
import pytest

from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.records import record_files
from tftransfer.training import trainer
from tftransfer.training.group import Network

BASE = Network("base")
SMALL = ("resnet_v1", "resnet_v2", "mobilenet_v3", "efficientnet_v2b", "convnext_small", "densenet_few", "nested")
FULL = ("ResNet50", "ResNet50V2", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121")


def options_for(recipe, model, **options):
    return dataclasses.replace(recipe, model=model, batch_size=16, steps=3, learning_rate=0.002, **options)


def networks_for(config):
    """Frozen at two depths, fine-tuned, preserved, base; frozen above trained ones and dropped, with enough blocks."""
    top = len(architectures.block_names(config.architecture)) - 1
    low = max(1, top // 2)
    others = [f"k{low}d{top - low}n1", f"n{low}k{top - low}n1"] * (top > low)
    others += [f"k{low}t1k{top - low - 1}n1"] * (top > low + 1)
    return [
        *(Network(policy, "s", policy) for policy in others),
        Network("low", "s", f"k{low}"),
        Network("high", "s", f"k{top}"),
        Network("tuned", "s", f"t{low}"),
        Network("kept", "s", f"k{low}t{top - low}"),
        BASE,
    ]


def largest_difference(one, other):
    assert one.weights.keys() == other.weights.keys()
    pairs = [(a, b) for name in one.weights for a, b in zip(one.weights[name], other.weights[name], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


_SOURCES = {}


def trained_source(config, task):
    """Returns the base that networks copy from; without frozen blocks, both policies of batch norm train the same."""
    if config.model not in _SOURCES:
        (_SOURCES[config.model],) = trainer.train(config, task, [BASE], {})
    return _SOURCES[config.model]


def check_group(config, task, networks=None):
    networks = networks or networks_for(config)
    source = trained_source(config, task)
    sources = {"s": source.weights}
    together = trainer.train(config, task, networks, sources)
    differences = {}
    for network, outcome in zip(networks, together, strict=True):
        alone = source if network == BASE else trainer.train(config, task, [network], sources)[0]
        assert np.isfinite(outcome.scores["cross_entropy"])
        assert (alone.changed_blocks, alone.moved_statistics) == (outcome.changed_blocks, outcome.moved_statistics)
        differences[network.name] = largest_difference(alone, outcome)
    print(f"{config.model} {config.batch_norm}: {differences}")
    assert max(differences.values()) <= 1e-9, differences
    return dict(zip([network.name for network in networks], together, strict=True))


@pytest.mark.parametrize("batch_norm", ["inference", "adapt"])
def test_every_tower_of_a_residual_network_ends_where_it_would_have_ended_alone(recipe, task, batch_norm, float64):
    config = options_for(recipe, "small_models:residual", batch_norm=batch_norm)
    networks = networks_for(config)
    if batch_norm == "adapt":  # which changes nothing without frozen blocks
        networks = [network for network in networks if "k" in network.policy]
    found = check_group(config, task, networks)
    blocks = architectures.block_names(config.architecture)
    assert len(blocks) == 5
    low, high = found["low"], found["high"]
    assert (low.frozen_blocks, low.changed_blocks) == (blocks[:2], ())
    assert (high.frozen_blocks, high.changed_blocks) == (blocks[:4], ())
    assert high.blocks_with_statistics == blocks[:3]
    moved = blocks[:3] if batch_norm == "adapt" else ()
    assert (low.moved_statistics, high.moved_statistics) == (moved[:2], moved)
    assert found["kept"].changed_blocks == blocks[2:4]
    between, above, dropped = found["k2t1k1n1"], found["n2k2n1"], found["k2d2n1"]
    assert (between.frozen_blocks, between.changed_blocks) == (blocks[:2] + blocks[3:4], blocks[2:3])
    assert (above.frozen_blocks, above.changed_blocks) == (blocks[2:4], ())
    assert (dropped.frozen_blocks, dropped.changed_blocks) == (blocks[:2], ())
    assert above.blocks_with_statistics == blocks[2:3]
    assert (above.moved_statistics, dropped.moved_statistics) == (moved[2:3], moved[:2])
    if batch_norm == "inference":
        assert found["tuned"].changed_blocks == blocks[:2]


@pytest.mark.heavy
@pytest.mark.parametrize("batch_norm", ["inference", "adapt"])
@pytest.mark.parametrize("model", SMALL)
def test_every_tower_of_a_small_model_ends_where_it_would_have_ended_alone(recipe, task, model, batch_norm, float64):
    check_group(options_for(recipe, f"small_models:{model}", batch_norm=batch_norm), task)


@pytest.mark.heavy
@pytest.mark.parametrize("model", FULL)
def test_every_tower_of_a_full_model_ends_where_it_would_have_ended_alone(recipe, task, model, float64):
    config = options_for(recipe, model, batch_norm="inference" if model == "ConvNeXtTiny" else "adapt")
    config = dataclasses.replace(config, batch_size=8, steps=2)
    check_group(config, task, networks_for(config)[:2])


def test_frozen_batch_norm_ignores_or_follows_the_images(recipe, task):
    """The two policies train other networks, from the same source."""
    config = options_for(recipe, "small_models:normalized")
    (source,) = trainer.train(config, task, [BASE], {})
    frozen = Network("frozen", "s", "k1")
    outcomes = [
        trainer.train(dataclasses.replace(config, batch_norm=policy), task, [frozen], {"s": source.weights})[0]
        for policy in ("inference", "adapt")
    ]
    kept, adapted = (outcome.weights["norm1"] for outcome in outcomes)
    trained = source.weights["norm1"]
    assert all(np.array_equal(a, b) for a, b in zip(kept, trained, strict=True)), "bit for bit, statistics included"
    assert all(np.array_equal(a, b) for a, b in zip(adapted[:2], trained[:2], strict=True)), "scale and shift stay"
    assert not any(np.array_equal(a, b) for a, b in zip(adapted[2:], trained[2:], strict=True))
    assert record_files.weights_digest(outcomes[0].weights) != record_files.weights_digest(outcomes[1].weights)


def test_rates_of_blocks_reach_the_layers_of_any_model(recipe, task):
    config = options_for(recipe, "small_models:chain", lr_multipliers="one:0")
    (held,) = trainer.train(config, task, [BASE], {})
    (start,) = trainer.train(dataclasses.replace(config, learning_rate=1e-30), task, [BASE], {})
    assert np.array_equal(held.weights["one"][0], start.weights["one"][0])
    assert not np.array_equal(held.weights["two"][0], start.weights["two"][0])


def test_a_model_that_scales_its_images_gets_raw_ones(recipe, task, monkeypatch):
    half = task.training
    monkeypatch.setattr(trainer, "mean_image", lambda half: half.images.mean(0))
    for model, raw in (("small_models:rescaled", True), ("small_models:chain", False)):
        view = trainer.view_of(options_for(recipe, model), half)
        assert (view.scale == 1.0, not view.mean.any()) == (raw, raw)


def test_the_input_of_pretrained_weights_takes_the_place_of_the_mean_image_for_any_model(recipe, task, monkeypatch):
    monkeypatch.delattr(trainer, "mean_image")
    for model in ("small_models:rescaled", "small_models:chain"):
        view = trainer.view_of(options_for(recipe, model, pretrained_preprocessing="caffe"), task.training)
        np.testing.assert_array_equal(view.mean[3, 4], np.float32([103.939, 116.779, 123.68]))
        assert (view.mean.shape, view.scale, view.reverse) == ((32, 32, 3), (1, 1, 1), True)


def test_half_precision_ends_in_whole_logits(recipe, task):
    config = options_for(recipe, "small_models:chain", precision="mixed_bfloat16")
    (outcome,) = trainer.train(config, task, [BASE], {})
    assert outcome.diverged_at is None


def test_the_momentum_of_moving_statistics_is_that_of_the_recipe():
    def momenta(**options):
        model = trainer.build_model(Config(model="MobileNetV3Small", image_size=32, **options), classes=3)
        return {layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}

    assert momenta() == {0.9}
    assert momenta(batch_norm_momentum=0.5) == {0.5}
    assert momenta(batch_norm_momentum=0.0) == {0.999}, "the model's own"
