"""What a case's process does, in this one, with a tiny network."""

import dataclasses
import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

from tftransfer.benchmarking import cases, images, stepping, worker
from tftransfer.data import store
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.models import AlexNet
from tftransfer.training import untrained_sources
from tftransfer.training.group import Group, Network

CONFIG = Config(width=0.1, batch_size=8, dataset="cifar10")


def answers(kind, frozen, turns, config=CONFIG):
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    lines = [json.dumps({"config": values, "kind": kind, "frozen": frozen}), *map(str, turns)]
    out = io.StringIO()
    worker.main(io.StringIO("\n".join(lines) + "\n"), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_group_is_built_and_trains_when_it_is_asked():
    ready, *turns = answers("lockstep", [["A", 2], ["B", 6]], [0.0, 0.0])
    assert ready["multiply_adds"] > 0
    assert ready["drawn"]
    assert ready["device"] == "one_device: CPU"
    assert len(turns) == 2
    for turn in turns:
        assert turn["seconds_per_step"] > 0
        assert 0 <= turn["waiting"] < 1
        assert turn["matmul"] > 0
        assert turn["peak_memory_mb"] > 50


def test_one_and_two_replicas_train_the_same_network():
    (result,) = answers(cases.REPLICAS, [], [])
    assert result["strategy"] == "mirrored: CPU x 2"
    assert result["difference"] < 1e-4


def test_products_are_counted_forward_and_backward_where_layers_train():
    def group(*networks):
        template = AlexNet((32, 32, 3), 10, width=0.1, initializer="he_normal", seed=0)
        return Group(template, networks, {"a": untrained_sources.random_weights(CONFIG, "random0", "B")}, 0, "B").model

    forward = {}
    for layer in AlexNet((32, 32, 3), 10, width=0.1, seed=0).layers:
        if isinstance(layer, keras.layers.Conv2D):
            rows, columns, filters = layer.output.shape[1:]
            per_group = layer.input.shape[-1] // layer.groups
            forward[layer.name] = rows * columns * filters * per_group * int(np.prod(layer.kernel_size))
        elif isinstance(layer, keras.layers.Dense):
            forward[layer.name] = layer.input.shape[-1] * layer.units
    everything = sum(forward.values())
    assert stepping.multiply_adds(group(Network("base"))) == 3 * everything - forward["conv1"]
    top = sum(list(forward.values())[4:])
    below = everything - top
    frozen = below + 3 * top - forward["conv5"]
    assert stepping.multiply_adds(group(Network("f", "a", 4, 4))) == frozen
    assert stepping.multiply_adds(group(Network("f", "a", 4, 4), Network("g", "a", 4, 4))) == 2 * frozen - below


@pytest.mark.parametrize(("size", "encoding"), [(36, "raw"), (store.RAW_UP_TO + 16, "jpeg")])
def test_drawn_images_are_encoded_as_a_store_of_their_size(size, encoding):
    half = images.drawn(size, 70)
    assert half.encoding == encoding
    assert len(half) == 70
    assert half.read(np.array([0, 69])).shape == (2, size, size, 3)
    if encoding == "jpeg":
        assert half.read_encoded(np.array([3]))[0][:2] == b"\xff\xd8"


def test_the_prepared_data_set_is_taken_if_it_is_there(tmp_path):
    classes = [tmp_path / "set" / name for name in "abcd"]
    for number, folder in enumerate(classes):
        folder.mkdir(parents=True)
        for image in range(8):
            pixels = np.full((40, 40, 3), 20 * number + image, np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    config = Config(
        dataset="folder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), image_size=32, batch_size=4
    )
    assert isinstance(images.task(config).training, images.DrawnHalf)
    prepared_images.prepare(config)
    task = images.task(config)
    assert task.classes == 2
    assert not isinstance(task.training, images.DrawnHalf)
    large = dataclasses.replace(config, batch_size=1000)
    assert isinstance(images.task(large).training, images.DrawnHalf), "the half has no whole batch"
