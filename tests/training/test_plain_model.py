import dataclasses
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer.records import inputs, record_files
from tftransfer.training import plain_model


@pytest.fixture(scope="module")
def model(finished):
    return plain_model.of_record(finished / "random0-A4B-seed0")


def probabilities(finished, images):
    """The probabilities by the network's own inputs."""
    folder = finished / "random0-A4B-seed0"
    network, prepared = tftransfer.load(folder), tftransfer.preprocessing(folder)
    return keras.ops.convert_to_numpy(keras.ops.softmax(network.predict(prepared(list(images)), verbose=0)))


def test_it_scores_what_the_record_says_to_the_last_image(model, finished, store):
    record = record_files.read(finished / "random0-A4B-seed0")
    classes = [store.class_names.index(name) for name in model.class_names]
    half = store.select("val", classes)
    images = store.read("val", half.ids)
    assert len(images) == record.content["cost"]["validation_images"] > 20
    right = model.predict(images, verbose=0).argmax(axis=1) == half.labels
    assert right.mean() == record.result["top1"]


@pytest.mark.parametrize(("shape", "levels"), [((32, 32), 0), ((91, 50), 1), ((20, 24), 1), ((32, 200), 1)])
def test_images_of_any_size_and_type_become_the_networks_own_inputs(shape, levels, model, finished):
    prepared = inputs.preprocessing(finished / "random0-A4B-seed0")
    images = np.random.default_rng(0).integers(0, 256, (4, *shape, 3), dtype=np.uint8)
    own = keras.Model(model.inputs[0], model.get_layer("network")._inbound_nodes[-1].input_tensors[0])
    for given in (images, images.astype("float64")):
        found = np.asarray(own(given.astype("float32")))
        pixels = found / prepared.scale + prepared.mean
        assert np.abs(pixels - np.round(pixels)).max() < 1e-3, "whole numbers, as images are stored"
        difference = (found - prepared(list(given))) / prepared.scale
        assert np.abs(difference).max() <= levels + 1e-4, "levels of 255"
    expected = probabilities(finished, images)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    for given in (images, images.astype("float64")):
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, atol=0.01 if levels else 1e-6)


def test_what_was_frozen_is_not_trainable(model):
    network = model.get_layer("network")
    trainable = {layer.name: layer.trainable for layer in network.layers if layer.weights}
    assert [name for name, trains in trainable.items() if not trains] == ["conv1", "conv2", "conv3", "conv4"]


def test_keras_alone_loads_the_file(model, tmp_path):
    path = tmp_path / "network.keras"
    plain_model.save(model, path)
    assert [file.name for file in tmp_path.iterdir()] == ["network.keras"]
    assert plain_model.own_layers(model) == []
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import json, keras, numpy, sys, zipfile\n"
        f"model = keras.models.load_model({str(path)!r})\n"
        f"numpy.save({str(tmp_path / 'found.npy')!r}, model.predict(numpy.load({str(tmp_path / 'images.npy')!r})))\n"
        f"print(json.loads(zipfile.ZipFile({str(path)!r}).read('metadata.json'))['class_names'], "
        "'tftransfer' in sys.modules, "
        "[each.name for each in model.get_layer('network').layers if each.weights and not each.trainable])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    names = str(list(model.class_names))
    assert done.stdout.splitlines()[-1] == f"{names} False ['conv1', 'conv2', 'conv3', 'conv4']"
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), model.predict(images, verbose=0), atol=1e-6)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("metadata.json"))["keras_version"], "what Keras wrote there stays"


def test_preprocessing_of_other_sources(finished, monkeypatch):
    """One factor per channel, and channels in reverse, as some pretrained weights need."""
    plain = inputs.preprocessing(finished / "random0-A4B-seed0")
    pixels = np.random.default_rng(0).integers(0, 256, (2, plain.stored_size, plain.stored_size, 3), dtype=np.uint8)

    fields = {field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)}
    scale = (0.5, 0.25, 0.125)
    other = inputs.Preprocessing(**fields | {"scale": scale, "reverse": True})
    images = keras.Input((None, None, 3))
    model = keras.Model(images, plain_model._inputs(images, other))
    plain_model._set_mean(model, other)
    margin = (plain.stored_size - plain.input_size) // 2
    window = slice(margin, margin + plain.input_size)
    expected = (pixels[:, window, window, ::-1] - plain.mean) * np.float32(scale)
    np.testing.assert_allclose(model.predict(pixels, verbose=0), expected, rtol=1e-6)


def test_local_response_normalisation_becomes_operations_of_keras():
    network = tftransfer.models.AlexNet((67, 67, 3), classes=3, width=0.1, seed=0)
    own = {type(layer).__name__ for layer in network.layers}
    assert {"LocalResponseNormalization", "GroupedConv2D", "ReplicaDropout"} <= own
    images = np.random.default_rng(0).normal(0, 20, (2, 67, 67, 3)).astype("float32")
    plain = plain_model._plain(network)
    assert plain_model.own_layers(plain) == []
    np.testing.assert_allclose(plain(images), network(images), rtol=1e-4, atol=1e-6)


def test_layers_of_the_user_are_named():
    @keras.saving.register_keras_serializable(package="mine")
    class Own(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    images = keras.Input((8, 8, 3))
    assert plain_model.own_layers(keras.Model(images, Own()(images))) == ["mine>Own"]


def test_weights_that_were_not_kept_are_refused(finished):
    with pytest.raises(ValueError, match="not kept"):
        plain_model.of_record(finished / "random0-B4B-tuned-seed0")
