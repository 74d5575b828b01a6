import keras
import pytest

from tftransfer.models import AlexNet
from tftransfer.models.blocks import blocks, legal_cuts
from tftransfer.models.names import ALEXNET_BLOCKS


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
    found = blocks(alexnet)
    assert tuple(block.name for block in found) == ALEXNET_BLOCKS
    assert found[0].layers == ("conv1", "conv1_relu", "conv1_pool", "conv1_norm")
    assert found[5].layers == ("fc6_flatten", "fc6", "fc6_relu", "fc6_dropout"), "flattening belongs to fc6"
    assert len(found[4].output.shape) == 4
    assert blocks(alexnet, ALEXNET_BLOCKS) == found


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
    with pytest.raises(ValueError, match="cannot be cut behind left: not every path runs through"):
        blocks(diamond(), ("first", "left", "right", "head"))
    with pytest.raises(ValueError, match="cannot be cut behind nothing: it has no block or layer of that name"):
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
