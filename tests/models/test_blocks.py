import keras
import pytest

from tftransfer.models import AlexNet
from tftransfer.models.blocks import blocks, legal_cuts, possible_ends
from tftransfer.models.catalog import ALEXNET_BLOCKS


@pytest.fixture(scope="module")
def alexnet():
    return AlexNet(input_shape=(32, 32, 3), classes=5, width=0.1)


def diamond():
    """Two paths between `first` and `sum`, then a layer more."""
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4, name="first")(inputs)
    left = keras.layers.Dense(4, name="left")(first)
    right = keras.layers.Dense(4, name="right")(keras.layers.Dense(4, name="right0")(first))
    total = keras.layers.Add(name="sum")([left, right])
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(keras.layers.ReLU(name="relu")(total)))


def test_alexnet_has_the_papers_blocks(alexnet):
    parts = blocks(alexnet)
    assert tuple(block.name for block in parts) == ALEXNET_BLOCKS
    assert parts[0].layers == ("conv1", "conv1_relu", "conv1_pool", "conv1_norm")
    assert parts[5].layers == ("fc6_flatten", "fc6", "fc6_relu", "fc6_dropout"), "flattening belongs to fc6"
    assert len(parts[4].output.shape) == 4
    assert blocks(alexnet, ALEXNET_BLOCKS) == parts


def test_every_alexnet_layer_but_the_last_is_a_legal_cut(alexnet):
    assert list(legal_cuts(alexnet)) == [layer.name for layer in alexnet.layers[1:-1]]


def test_no_cut_inside_parallel_paths():
    assert list(legal_cuts(diamond())) == ["first", "sum", "relu"]


def test_a_skip_over_everything_leaves_no_cut():
    inputs = keras.Input((4,))
    inner = keras.layers.Dense(4, name="inner")(inputs)
    model = keras.Model(inputs, keras.layers.Add()([inputs, inner]))
    assert legal_cuts(model) == {}


def test_layers_used_twice_and_unused_branches():
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    x = keras.layers.ReLU(name="between")(shared(inputs))
    keras.layers.Dense(4, name="unused")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(shared(x)))
    assert set(legal_cuts(model)) == {"shared", "between"}


def test_a_cut_model_computes_the_same(alexnet):
    images = keras.random.normal((2, 32, 32, 3), seed=0)
    whole = alexnet(images)
    for block in blocks(alexnet)[:-1]:
        lower, upper = keras.Model(alexnet.input, block.output), keras.Model(block.output, alexnet.output)
        assert keras.ops.all(upper(lower(images)) == whole), block.name


def test_blocks_that_end_inside_parallel_paths_are_refused():
    with pytest.raises(ValueError, match="cannot be cut after left: not every path runs through"):
        blocks(diamond(), ("first", "left", "right", "head"))
    with pytest.raises(ValueError, match="cannot be cut after nothing: it has no block or layer of that name"):
        blocks(diamond(), ("first", "nothing"))


def test_what_cannot_be_cut_is_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="Only a functional"):
        legal_cuts(Subclassed())
    inputs = [keras.Input((4,)), keras.Input((4,))]
    with pytest.raises(ValueError, match="2 input"):
        legal_cuts(keras.Model(inputs, keras.layers.Add()(inputs)))


def names(model, *chosen):
    return [block.name for block in blocks(model, chosen)]


def residual_units():
    """A stem, a unit with a shortcut of its own, one without, and a head."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.ReLU(name="stem_relu")(keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs))
    for unit, shortcut in (("stage1_block1", True), ("stage1_block2", False)):
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"{unit}_1_conv")(x)
        y = keras.layers.BatchNormalization(name=f"{unit}_1_bn")(y)
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"{unit}_2_conv")(y)
        x = keras.layers.Conv2D(4, 1, name=f"{unit}_0_conv")(x) if shortcut else x
        x = keras.layers.ReLU(name=f"{unit}_out")(keras.layers.Add(name=f"{unit}_add")([x, y]))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def test_a_residual_unit_is_one_block():
    model = residual_units()
    parts = blocks(model)
    assert [block.name for block in parts] == ["stem", "stage1_block1", "stage1_block2", "head"]
    assert parts[0].layers == ("stem", "stem_relu")
    assert parts[2].layers[-2:] == ("stage1_block2_out", "pool")
    assert sorted(layer for block in parts for layer in block.layers) == sorted(x.name for x in model.layers[1:])


def test_users_choose_where_blocks_end():
    model = residual_units()
    assert names(model, "stage1_block1") == ["stage1_block1", "head"]
    assert names(model, "stem", "stage1_block2_add") == ["stem", "stage1_block2_add", "head"]
    assert blocks(model, ["stage1_block2_add"])[-1].layers == ("stage1_block2_out", "pool", "head")
    assert names(model, "stem", "head") == ["stem", "head"], "the head may be named"
    with pytest.raises(ValueError, match="from the input upwards"):
        names(model, "stage1_block2", "stem")
    with pytest.raises(ValueError, match="cannot be cut after stage1_block1_1_conv: not every path"):
        names(model, "stage1_block1_1_conv")
    longer = keras.Model(model.input, keras.layers.Rescaling(2.0, name="last")(model.output))
    with pytest.raises(ValueError, match="must keep a layer with weights"):
        names(longer, "stem", "head", "head")


def test_chosen_blocks_compute_the_same():
    model = residual_units()
    images = keras.random.normal((2, 8, 8, 3), seed=0)
    for end in possible_ends(model):
        if end != "pool":
            first = blocks(model, [end])[0]
            lower, upper = keras.Model(model.input, first.output), keras.Model(first.output, model.output)
            assert keras.ops.all(upper(lower(images)) == model(images)), end


def test_no_block_ends_between_two_uses_of_a_layer():
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    x = keras.layers.Dense(4, name="first")(inputs)
    x = keras.layers.Dense(4, name="between")(shared(x))
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(shared(x)))
    assert "shared" in legal_cuts(model)
    assert possible_ends(model) == ("first", "shared")
    assert [block.layers for block in blocks(model)] == [("first",), ("shared", "between"), ("head",)]
    with pytest.raises(ValueError, match="a layer is used on both sides"):
        names(model, "between")


def test_a_model_in_the_place_of_a_layer_is_one_layer():
    import small_models

    parts = blocks(small_models.nested((32, 32, 3), 4))
    assert [block.name for block in parts] == ["stem", "backbone", "logits"]
