"""Descriptions of models: read from files without trust, and built with another head or image size."""

import json
import zipfile

import keras
import pytest
from keras import layers

import model_ends
import small_models
from model_ends import ending, starting
from tftransfer.experiment.config import Config
from tftransfer.models import architectures, serialization
from tftransfer.models.blocks import blocks

SHAPE, CLASSES = model_ends.SHAPE, model_ends.CLASSES


class Hidden(layers.Layer):
    """Draws noise that no seed decides."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


def test_a_file_gives_the_architecture_with_another_head(tmp_path):
    path = tmp_path / "net.keras"
    for builder in (small_models.residual, small_models.chain, small_models.convnext_small):
        builder((32, 32, 3), 7).save(path)
        model = architectures.build(Config(model=str(path), image_size=32).architecture, 3)
        assert model.output_shape == (None, 3)
        same = [block.name for block in blocks(model)]
        assert len(same) == len(blocks(builder((32, 32, 3), 3)))


def test_open_sides_of_a_file_take_the_images_size(tmp_path):
    path = tmp_path / "net.keras"
    small_models.mobilenet_v3((None, None, 3), 4).save(path)
    assert architectures.build(Config(model=str(path), image_size=48).architecture, 4).input_shape == (None, 48, 48, 3)


def test_weights_in_a_file_are_not_read(tmp_path):
    path = tmp_path / "net.keras"
    saved = small_models.chain((32, 32, 3), 3)
    saved.get_layer("one").set_weights([w * 0 for w in saved.get_layer("one").get_weights()])
    saved.get_layer("one").trainable = False
    saved.save(path)
    layer = architectures.build(Config(model=str(path), image_size=32).architecture, 3).get_layer("one")
    assert abs(layer.get_weights()[0]).max() > 0
    assert layer.trainable, "frozen when it was saved"


def test_a_description_builds_the_same_architecture():
    config = Config(model="small_models:convnext_small", image_size=32)
    model = architectures.build(config.architecture, 3)
    text = architectures.text_of(model, config.architecture)
    again = architectures.from_text(text, "model.json")
    assert serialization.digest(again) == serialization.digest(model)
    assert architectures.text_of(architectures.build(Config().architecture, 3), Config().architecture) is None
    with pytest.raises(ValueError, match="code of its own"):
        architectures.from_text(text.replace('"module": "keras.src.applications', '"module": "evil.code'), "model.json")


def test_files_with_code_are_refused(tmp_path):
    path = tmp_path / "net.keras"
    starting(layers.Lambda(lambda x: x * 2, output_shape=SHAPE)).save(path)
    with pytest.raises(ValueError, match="holds a Lambda layer, which is code"):
        architectures.build(Config(model=str(path)).architecture, CLASSES)
    starting(Hidden()).save(path)
    with pytest.raises(ValueError, match=r"Hidden, code of its own.*--model=module:function"):
        architectures.build(Config(model=str(path)).architecture, CLASSES)
    ending(layers.Dense(CLASSES, activation="sigmoid")).save(path)
    with pytest.raises(ValueError, match="ends in sigmoid"):
        architectures.build(Config(model=str(path)).architecture, CLASSES)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"no file of model\.save"):
        architectures.build(Config(model=str(path)).architecture, CLASSES)


def described(folder, change):
    """Returns a file whose description was changed, and nothing else."""
    path = folder / "net.keras"
    starting(layers.ReLU()).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(parts["config.json"])
    changed = change(content)
    parts["config.json"] = json.dumps(content if changed is None else changed).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return path


def a_function(name, module, registered=None):
    """Returns a function as Keras writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def a_layer(content, kind="ReLU"):
    return next(layer for layer in content["config"]["layers"] if layer["class_name"] == kind)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: a_layer(c).update(module=3), "names no class"),
        (lambda c: a_layer(c).update(module=["os"]), "names no class"),
        (lambda c: a_layer(c).update(module={"a": 1}), "names no class"),
        (lambda c: a_layer(c).update(class_name=None), "names no class"),
        (lambda c: a_layer(c).update(class_name=["Lambda"]), "names no class"),
        (lambda c: a_layer(c).update(registered_name=7), "names no class"),
        (lambda c: a_layer(c).update(module="os\n", class_name="system"), r"os\\n\.system, code of its own"),
        (
            lambda c: a_layer(c).update(module="os", class_name="system", registered_name="tftransfer>Nothing"),
            r"os\.system, code of its own",
        ),
        (lambda c: a_layer(c).update(class_name="TFSMLayer", config={"filepath": "/dev/zero"}), "may read other files"),
        (lambda c: a_layer(c).update(class_name="TextVectorization"), "may read other files"),
        (lambda c: [c], "does not describe a model"),
        (lambda c: {"class_name": "Functional", "config": "x"}, "does not describe a model"),
        (lambda c: a_layer(c, "Dense")["config"].update(activation=a_function("set_dtype_policy", "keras.config")),
         r"holds the function keras\.config\.set_dtype_policy, which is no activation"),
        (lambda c: a_layer(c, "Dense")["config"].update(activation=a_function("get_file", "keras.utils")),
         r"holds the function keras\.utils\.get_file, which is no activation"),
        (lambda c: a_layer(c, "Dense")["config"].update(activation=a_function("eval", "builtins")),
         r"holds the function builtins\.eval, which is no activation"),
        (lambda c: a_layer(c, "Dense")["config"].update(activation=a_function("relu", "keras.activations", "a>relu")),
         r"holds the function keras\.activations\.relu, which is no activation"),
        (lambda c: a_layer(c, "Dense")["config"].update(activation=a_function(["relu"], "builtins", "relu")),
         "no activation"),
        (lambda c: a_layer(c).update(module="keras.utils", class_name="FeatureSpace"),
         r"keras\.utils\.FeatureSpace, which is no layer or part of one"),
        (lambda c: a_layer(c).update(module="keras", class_name="Function"), "no layer or part of one"),
        (lambda c: a_layer(c).update(module="builtins", class_name="open"), "no layer or part of one"),
        (lambda c: a_layer(c).update(module=None, class_name="__typespec__"), "no layer or part of one"),
        (lambda c: c["config"].update(input_layers=None), "not that of a Keras model"),
        (lambda c: a_layer(c)["config"].update(dtype="float64"), "computes in float64 in the layer"),
        (lambda c: c["config"].update(layers=3), "cannot be built"),
        (lambda c: c["config"].update(layers=[3]), "cannot be built"),
        (lambda c: a_layer(c, "InputLayer").update(config=[]), "cannot be built"),
        (lambda c: a_layer(c, "InputLayer")["config"].update(batch_shape="abcd"), "cannot be built"),
        (lambda c: a_layer(c, "Dense")["config"].update(units=10**12), r"[\d,]{17,} parameters"),
        (lambda c: a_layer(c, "Dense")["config"].update(units=-1), "cannot be built"),
        (lambda c: c["config"].update(more=[{"class_name": "ReLU"}] * 50_001), "more than 50,000 objects"),
    ],
)  # fmt: skip
def test_files_that_describe_nonsense_are_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(ValueError, match=message) as error:
        architectures.build(Config(model=str(described(tmp_path, change))).architecture, CLASSES)
    assert "\n" not in str(error.value)


def test_a_file_of_ten_million_filters_is_refused_with_the_count(tmp_path):
    path = tmp_path / "net.keras"
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(10**4, 1, name="wide")(inputs)
    x = layers.Conv2D(4, 1)(x)
    keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))).save(path)
    with zipfile.ZipFile(path) as archive:
        content = archive.read("config.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", content.replace(b'"filters": 10000', b'"filters": 1000000000'))
    with pytest.raises(ValueError, match=r"has 8,000,000,0\d\d parameters; 1,000,000,000 are trained at most"):
        architectures.build(Config(model=str(path)).architecture, CLASSES)


def test_activations_as_keras_writes_functions_are_loaded(tmp_path):
    for module in ("builtins", "keras.activations"):
        written = a_function("silu", module)
        path = described(tmp_path, lambda c, f=written: a_layer(c, "Conv2D")["config"].update(activation=f))
        model = architectures.build(Config(model=str(path)).architecture, CLASSES)
        assert any(getattr(layer, "activation", None) is keras.activations.silu for layer in model.layers)


def test_parts_of_all_kinds_that_keras_saves_are_loaded(tmp_path):
    path = tmp_path / "net.keras"
    x = inputs = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, kernel_initializer="orthogonal", kernel_constraint="max_norm", activation=layers.ELU())(x)
    x = keras.ops.nn.gelu(x[:, 1:, ..., :]) + 1
    x = layers.Dense(4, dtype=keras.DTypePolicy("float32"))(layers.GlobalAveragePooling2D()(x))
    made = keras.Model(inputs, layers.Dense(CLASSES)(x))
    made.compile(keras.optimizers.SGD(), keras.losses.CategoricalCrossentropy())
    made.save(path)
    architectures.build(Config(model=str(path)).architecture, CLASSES)


@pytest.mark.parametrize("size", [32, 48])
def test_images_too_small_for_a_file_are_one_line(tmp_path, size):
    path = tmp_path / "net.keras"
    inputs = keras.Input((None, None, 3))
    x = inputs
    for _ in range(6):
        x = layers.Conv2D(4, 3, strides=2)(x)
    keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))).save(path)
    with pytest.raises(ValueError, match=f"images of {size} pixels a side"):
        architectures.build(Config(model=str(path), image_size=size).architecture, CLASSES)
