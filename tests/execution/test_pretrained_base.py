import dataclasses
import pathlib
import warnings

import keras
import numpy as np
import pytest

import legacy_files
import small_models
from easy_study import RECIPE
from tftransfer import transfer
from tftransfer.data import pipeline
from tftransfer.execution import pretrained_base, pretrained_file
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.models.preprocessing import MODES
from tftransfer.pretrained import files, imagenet
from tftransfer.records import record_files


def test_pretrained_weights_of_another_network_are_refused(finished, tmp_path):
    path = tmp_path / "given.safetensors"
    pretrained_base.export(record_files.read(finished / "random0-baseA-seed0"), path, None, "a test").write(path)
    described = files.opened(path)
    for options, message in (
        ({"width": 0.2}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[5, 5, 3, 16\].* here'),
        ({"image_size": 64}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[7, 7, 3, 8\]'),
        ({"pixel_scale": 1.0}, r"times 0\.015625; here .* times 1\. Use --pixel_scale=0\.015625"),
    ):
        with pytest.raises(ValueError, match=message):
            pretrained_base.load(path, described, dataclasses.replace(RECIPE, **options))


def filled(model):
    """Returns a model with random weights, integers left alone."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(rng.uniform(0.1, 1.0, weight.shape))
    return model


def built(build, classes=4):
    """Returns a small network as the package builds it, whose layers are numbered from 1."""
    config = Config(model=f"small_models:{build.__name__}", image_size=32)
    return filled(architectures.build(config.architecture, classes))


def without_head(model, head="logits"):
    return keras.Model(model.inputs[0], model.get_layer(head).input)


def save(model, path, kind):
    """Writes a model's weights as each of the programs that a file may come from."""
    if kind == "whole, legacy":
        model.save(path)
    elif kind == "renamed, legacy":
        legacy_files.write(path, legacy_files.of(model, lambda name: f"{name}_17"), pieces=2)
    elif path.suffix == ".keras":
        model.save(path)
    else:
        model.save_weights(path)


def loaded(path, **options):
    config = Config(pretrained=str(path), pretrained_preprocessing="torch", image_size=32, **options)
    opened = pretrained_file.opened(config)
    return pretrained_base.load(opened.path, opened.described, opened.config)


def same(given, model, head=("logits",)):
    """Asserts that all weights below the head were read, each to its place."""
    assert set(given.weights) == {layer.name for layer in model.layers if layer.weights} - set(head)
    for layer, arrays in given.weights.items():
        for ours, theirs in zip(arrays, model.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("head", ["with a head", "without", "another head"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.weights.h5", ""), ("net.keras", ""), ("net.h5", "whole, legacy"), ("net.h5", "renamed, legacy")],
)
@pytest.mark.parametrize("build", [small_models.nested, small_models.attention])
def test_files_of_every_kind_are_read_without_a_description(tmp_path, build, name, kind, head):
    whole = built(build, {"another head": 9}.get(head, 4))
    path = tmp_path / name
    save(without_head(whole) if head == "without" else whole, path, kind)
    given = loaded(path, model=f"small_models:{build.__name__}")
    same(given, whole)
    assert given.described.classes == {"with a head": 4, "without": None, "another head": 9}[head]
    assert given.described.preprocessing == MODES["torch"]


def test_arrays_of_layers_made_of_others_are_found_in_the_order_of_that_layout():
    """First all that are trained, then the moving statistics; Keras 3 lists them layer by layer."""
    inside = [keras.layers.BatchNormalization(), keras.layers.Dense(5), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((7,)), keras.Sequential(inside, name="inside"), keras.layers.Dense(2)])
    filled(model)
    layers = legacy_files.of(model)
    arrays = {f"{layer}/{number}": array for layer, of in layers.items() for number, array in enumerate(of)}
    names = {layer: [f"{layer}/{number}" for number in range(len(of))] for layer, of in layers.items()}
    places = pretrained_base._legacy_places(names, model, ())
    for layer in model.layers:
        for place, weight in zip(places[layer.name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(arrays[place], weight)
    assert places["inside"] != names["inside"]


def test_layers_of_another_number_are_matched_by_name(tmp_path):
    """As of a network that was trained further with two layers in the place of its head."""
    whole = built(small_models.nested)
    more = legacy_files.of(whole, leave_out=("logits",)) | {
        "extra": [np.ones((6, 5), "float32")], "new_head": [np.ones((5, 7), "float32")],
    }  # fmt: skip
    path = legacy_files.write(tmp_path / "net.h5", more)
    same(loaded(path, model="small_models:nested"), whole)


def test_a_head_of_other_classes_than_told_is_refused(tmp_path):
    path, names = tmp_path / "net.keras", tmp_path / "names.txt"
    save(built(small_models.chain), path, "")
    names.write_text("a\nb\nc\n")
    with pytest.raises(ValueError, match=r"The head in .*net\.keras has 4 classes; 3 are told"):
        loaded(path, model="small_models:chain", pretrained_classes=str(names))


@pytest.mark.parametrize("name", ["net.weights.h5", "net.keras", "net.h5"])
def test_files_of_another_network_are_refused_with_both_sides(tmp_path, name):
    path = tmp_path / name
    save(built(small_models.nested), path, "whole, legacy" if name == "net.h5" else "")
    with pytest.raises(ValueError, match="another network than small_models:chain for 32 pixels") as error:
        loaded(path, model="small_models:chain")
    assert '"two": ' in str(error.value)
    assert "float32 [3, 3, 4, 4], float32 [4] here" in str(error.value)


def test_numbers_of_another_type_or_no_numbers_are_refused(tmp_path):
    whole = built(small_models.chain)
    layers = legacy_files.of(whole)
    doubles = legacy_files.write(tmp_path / "a.h5", layers | {"one": [a.astype("float64") for a in layers["one"]]})
    with pytest.raises(ValueError, match="Only weights of type float32, int32, int64"):
        loaded(doubles, model="small_models:chain")
    layers["two"][1][0] = np.nan
    with pytest.raises(ValueError, match='1 weights of "two" are NaN or infinite'):
        loaded(legacy_files.write(tmp_path / "b.h5", layers), model="small_models:chain")


def test_a_description_can_be_made_of_weights_without_a_head(tmp_path):
    whole, path = built(small_models.chain), tmp_path / "net.weights.h5"
    without_head(whole).save_weights(path)
    config = Config(model="small_models:chain", image_size=32, pretrained_preprocessing="caffe")
    pretrained_base.describe(path, config, 4, None, "a test").write(path)
    opened = pretrained_file.opened(Config(pretrained=str(path), model="small_models:chain", image_size=32))
    given = pretrained_base.load(path, opened.described, opened.config)
    same(given, whole)
    assert given.described.preprocessing == opened.config.preprocessing == MODES["caffe"]
    with pytest.raises(ValueError, match=r"was trained on the input caffe; here networks get pixels"):
        pretrained_base.load(path, opened.described, config.__class__(model="small_models:chain", image_size=32))


@pytest.mark.parametrize("model", ["MobileNetV3Small", "EfficientNetB0"])
def test_features_are_those_of_keras_with_its_own_imagenet_weights(tmp_path, monkeypatch, model):
    """The whole way: Keras' file, our reading of it, our network without layers that rescale, our preprocessing."""
    builder = getattr(keras.applications, model)
    trained = builder(weights=None)
    rng = np.random.default_rng(0)
    for weight in trained.weights:
        if "float" in str(weight.dtype) and weight.name != "kernel":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    if model == "EfficientNetB0":
        moments = [np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.int64(1)]
        # By kind: Keras numbers its automatic name by what the process has built before.
        (normalization,) = [x for x in trained.layers if isinstance(x, keras.layers.Normalization)]
        normalization.set_weights(moments)
    path = tmp_path / "published.h5"
    trained.save(path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    monkeypatch.setattr(imagenet, "located", imagenet.asked_of_keras)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the size of images, which is right
        theirs = builder(weights="imagenet")
    features = next(layer for layer in theirs.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)).name
    images = rng.integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    # Both rescale in layers of their own: their preprocess_input returns pixels as they come.
    expected = keras.Model(theirs.inputs[0], theirs.get_layer(features).output)(images.astype("float32"))

    opened = pretrained_file.opened(Config(pretrained="imagenet", model=model, image_size=224))
    given = pretrained_base.load(opened.path, opened.described, opened.config)
    assert (given.described.classes, given.described.trained_on) == (1000, imagenet.classes())
    ours = architectures.build(opened.config.architecture, 5)
    transfer.copy_layers(given.weights, ours)
    names = [layer.name for layer in ours.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    known = opened.config.preprocessing
    view = pipeline.View.of_channels(224, 224, known.mean, known.scale, known.order == "bgr")
    inputs = pipeline.crop(images, view, *np.zeros((2, 2), np.int64), np.zeros(2, bool))
    result = keras.Model(ours.inputs[0], ours.get_layer(names[0]).output)(inputs)
    expected, result = map(keras.ops.convert_to_numpy, (expected, result))
    assert np.isfinite(expected).all()
    assert expected.std() > 0
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_what_pretrained_weights_know_leaves_with_an_export(finished, tmp_path):
    record = record_files.read(finished / "random0-baseA-seed0")
    recipe = record.identity["recipe"] | {"preprocessing": "caffe", "pixel_scale": 0.0}
    changed = dataclasses.replace(record, content=record.content | {"identity": record.identity | {"recipe": recipe}})
    described = pretrained_base.export(changed, pathlib.Path(tmp_path) / "given.weights.h5", None, "a test")
    assert (described.preprocessing, described.pixel_scale) == (MODES["caffe"], None)
