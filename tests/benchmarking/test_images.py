import dataclasses

import numpy as np
import pytest
from PIL import Image

from tftransfer.benchmarking import images
from tftransfer.data import store
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config


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
