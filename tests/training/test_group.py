import keras
import numpy as np
import pytest

from tftransfer import transfer
from tftransfer.models import AlexNet
from tftransfer.training.group import Group, Network

BASE = Network("base")


def template(classes=5):
    return AlexNet((32, 32, 3), classes, width=0.1, initializer="he_normal")


def group(networks, sources=None, seed=0, target="B", classes=5):
    return Group(template(classes), networks, sources or {}, seed, target)


@pytest.fixture(scope="module")
def source():
    return group([BASE], seed=9, target="A").weights("base")


def same(one, other):
    return {name for name in one if name not in transfer.changed_layers(one, other)}


def test_initial_weights_derive_from_seed_role_and_target(source):
    start = group([BASE]).weights("base")
    assert same(start, group([BASE]).weights("base")) == set(start)
    for other in (group([BASE], seed=1), group([BASE], target="A")):
        assert not same(start, other.weights("base"))


def test_tops_of_all_treatments_start_equal_and_differ_from_the_base(source):
    networks = [Network("A4B", "s", "k4"), Network("B4B", "t", "k4"), Network("A2B-tuned", "s", "t2")]
    sources = {"s": source, "t": group([BASE], seed=5).weights("base")}
    made = group(networks, sources)
    weights = {network.name: made.weights(network.name) for network in networks}
    top = {"conv5", "fc6", "fc7", "fc8"}
    assert same(weights["A4B"], weights["B4B"]) == top
    assert top < same(weights["A4B"], weights["A2B-tuned"])
    assert not same(weights["A4B"], group([BASE]).weights("base"))


def test_copied_blocks_come_from_the_source(source):
    made = group([Network("x", "s", "k3t2")], {"s": source}, classes=7)
    assert same(source, made.weights("x") | {"fc8": source["fc8"]}) == {
        "conv1",
        "conv2",
        "conv3",
        "conv4",
        "conv5",
        "fc8",
    }
    assert [layer for block in made.copied_layers("x").values() for layer in block] == list(source)[:5]
    paths = {variable.path.split("/")[1] for variable in made.model.trainable_variables}
    assert paths == {"conv4", "conv5", "fc6", "fc7", "fc8"}, "only the first three are frozen"


def test_a_source_is_computed_once_for_all_depths(source):
    networks = [Network(f"A{n}B", "s", f"k{n}") for n in (1, 3, 6)]
    made = group(networks, {"s": source})
    trunks = [layer for layer in made.model.layers if layer.name.startswith("trunk")]
    assert len(trunks) == 1
    assert set(trunks[0].output) == {"1", "3", "6"}
    assert not trunks[0].trainable_variables


def test_the_combined_model_computes_what_each_network_alone_does(source):
    networks = [Network("A3B", "s", "k3"), Network("A6B", "s", "k6"), BASE]
    made = group(networks, {"s": source})
    images = keras.random.normal((3, 32, 32, 3), seed=1)
    together = made.model(images)
    for network in networks:
        alone = template()
        transfer.copy_layers(made.weights(network.name), alone)
        np.testing.assert_allclose(alone(images), together[network.name], atol=1e-6)


def test_seek_reaches_every_dropout(source):
    made = group([Network("A7B", "s", "k7"), BASE], {"s": source})
    made.seek(41)
    states = [v.numpy().tolist() for v in made.model.variables if "seed_generator_state" in v.path]
    states += [v.numpy().tolist() for layer in made.model.layers for v in layer.variables if "seed_gen" in v.path]
    assert states
    assert {step for _, step in states} == {41}


def test_weights_of_another_architecture_are_refused():
    wide = AlexNet((32, 32, 3), 5, width=0.3)
    with pytest.raises(ValueError, match="do not fit"):
        group([Network("x", "s", "k3")], {"s": transfer.weights_of(wide)})


def test_seek_reaches_all_noise_of_any_model():
    import small_models

    model = small_models.residual((32, 32, 3), 5)
    made = Group(model, [BASE], {}, 0, "B")
    images = keras.random.normal((3, 32, 32, 3), seed=1)
    made.seek(7)
    first = made.model(images, training=True)["base"]
    assert not keras.ops.all(made.model(images, training=True)["base"] == first)
    made.seek(7)
    assert keras.ops.all(made.model(images, training=True)["base"] == first)


def test_frozen_blocks_above_trained_ones_lie_in_the_tower_and_do_not_train(source):
    made = group([Network("x", "s", "k2t1k4n1"), Network("y", "s", "n2k5n1")], {"s": source})
    assert same(source, made.weights("x")) == {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"}
    assert same(source, made.weights("y")) == {"conv3", "conv4", "conv5", "fc6", "fc7"}
    trained = {variable.path.rpartition("/")[0] for variable in made.model.trainable_variables}
    assert trained == {"x/conv3", "x/fc8", "y/conv1", "y/conv2", "y/fc8"}
    (trunk,) = [layer for layer in made.model.layers if layer.name.startswith("trunk")]
    assert {layer.name for layer in trunk.layers if layer.weights} == {"conv1", "conv2"}
    assert made.frozen_layers("x").keys() == {"conv1", "conv2", "conv4", "conv5", "fc6", "fc7"}


def test_dropped_blocks_are_not_there_and_the_head_starts_like_any_other(source):
    networks = [Network("x", "s", "k2d5n1"), Network("again", "s", "t2d5n1"), Network("whole", "s", "k2")]
    made = group(networks, {"s": source})
    assert made.weights("x").keys() == {"conv1", "conv2", "fc8"}
    kernel, bias = made.weights("x")["fc8"]
    assert kernel.shape[0] == source["conv2"][1].size
    assert np.array_equal(kernel, made.weights("again")["fc8"][0])
    assert not bias.any()
    images = keras.random.normal((3, 32, 32, 3), seed=1)
    together = made.model(images)
    assert np.array_equal(together["x"], together["again"]), "before the first step both are the same"
    alone = group(networks[:1], {"s": source}).model(images)["x"]
    np.testing.assert_allclose(alone, together["x"], rtol=1e-5, atol=1e-6)


def test_rates_reach_blocks_that_train_and_the_head_where_it_stands_lower(source):
    made = group([Network("x", "s", "k1t1k5n1"), Network("y", "s", "k1t1d5n1")], {"s": source})
    rates = {"conv1": 0.1, "conv2": 0.2, "conv3": 0.3, "fc8": 0.8}
    assert made.trained_rates(rates) == {"x/conv2": 0.2, "x/fc8": 0.8, "y/conv2": 0.2, "y/fc8": 0.8}
    names = ["conv1", "conv3"]  # the head is all that lies above
    made = Group(template(), [Network("z", "s", "k1d1n1")], {"s": source}, 0, "B", names)
    assert made.trained_rates(rates) == {"z/fc8": 0.8}
