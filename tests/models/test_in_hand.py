import keras
import numpy as np
import pytest

from tftransfer.models import in_hand


def chain(side=32, filters=2, name=None):
    x = inputs = keras.Input((side, side, 3))
    for _ in range(2):
        x = keras.layers.Conv2D(filters, 3, activation="relu")(x)
    x = keras.layers.Add()([x, keras.ops.relu(x)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name=name)


def test_the_same_model_built_again_is_the_same_file(tmp_path):
    """Keras numbers layers on over the life of a notebook; a cell that is run again would be another model."""
    first, again = chain(), chain()
    assert [layer.name for layer in first.layers] != [layer.name for layer in again.layers]
    path = in_hand.save(first, tmp_path, with_weights=False)
    assert in_hand.save(again, tmp_path, with_weights=False) == path
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_layers_are_numbered_from_the_input_and_own_names_stay(tmp_path):
    chain()
    kept = keras.models.load_model(in_hand.save(chain(), tmp_path, with_weights=True))
    names = [layer.name for layer in kept.layers]
    assert names[:3] == ["input_layer", "conv2d", "conv2d_1"]
    assert names[-1] == "logits"


def test_the_file_computes_what_the_model_does(tmp_path):
    model = chain()
    kept = keras.models.load_model(in_hand.save(model, tmp_path, with_weights=True))
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(kept(images), model(images))


def test_another_architecture_or_other_weights_are_other_files(tmp_path):
    model = chain()
    names = {in_hand.save(one, tmp_path, with_weights=False).name for one in (model, chain(filters=3), chain(40))}
    assert len(names) == 3
    before = in_hand.save(model, tmp_path, with_weights=True)
    model.set_weights([2 * array for array in model.get_weights()])
    assert in_hand.save(model, tmp_path, with_weights=True) != before
    assert in_hand.save(model, tmp_path, with_weights=False).name in names


def test_the_file_bears_the_name_that_the_user_gave(tmp_path):
    assert in_hand.save(chain(name="my net"), tmp_path, with_weights=False).name.startswith("my-net-")
    assert in_hand.save(chain(), tmp_path, with_weights=False).name.startswith("model-")


def test_a_sequential_model_with_a_model_inside(tmp_path):
    def nested():
        return keras.Sequential([keras.Input((32, 32, 3)), chain(), keras.layers.Dense(2)])

    path = in_hand.save(nested(), tmp_path, with_weights=False)
    assert in_hand.save(nested(), tmp_path, with_weights=False) == path
    assert in_hand.side_of(keras.models.load_model(path)) == 32


def test_a_model_without_symbolic_inputs_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"begins with keras.Input"):
        in_hand.save(keras.Sequential([keras.layers.Dense(2)]), tmp_path, with_weights=False)


@pytest.mark.parametrize(("shape", "side"), [((40, 40, 3), 40), ((None, None, 3), None), ((40, 32, 3), None)])
def test_the_side_of_a_models_images(shape, side):
    inputs = keras.Input(shape)
    assert in_hand.side_of(keras.Model(inputs, keras.layers.Conv2D(1, 1)(inputs))) == side
