"""A preview of what a command trains, before any image is decoded."""

import dataclasses

import numpy as np
import pytest

from easy_study import cell
from made_images import write_photographs
from tftransfer.data.datasets import arrays
from tftransfer.execution import preview
from tftransfer.experiment import splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.splits import random_split

COUNTED = preview.Images(np.array([20, 30, 25, 20, 20, 20]), np.array([8] * 6), side=38.0)
NAMES = [f"class{number}" for number in range(6)]


@pytest.fixture(scope="module")
def options(photographs):
    return Config(dataset="folder", data_dir=str(photographs))


def test_images_of_a_folder_are_counted_and_measured(options):
    counted = preview.images(options)
    assert counted.training.tolist() == [20] * 6
    assert counted.validation.tolist() == [8] * 6
    assert counted.side == pytest.approx((40 * 36) ** 0.5)
    assert not counted.held_out


def test_validation_images_are_held_out_where_there_is_no_folder_of_them(tmp_path):
    root = write_photographs(tmp_path / "photographs", training=20)
    counted = preview.images(Config(dataset="folder", data_dir=str(root / "train")))
    assert counted.held_out
    assert (counted.training + counted.validation).tolist() == [20] * 6


def test_images_of_arrays_are_counted_without_reading_them(tmp_path):
    images, labels = np.zeros((40, 6, 24), np.uint8), np.arange(40) % 4
    images[:] = np.arange(40)[:, None, None]
    held, given = (
        preview.images(Config(dataset="arrays", data_dir=arrays.write(images, labels, tmp_path / name, validation)))
        for name, validation in (("held", None), ("given", (images, labels)))
    )
    assert (held.held_out, given.held_out, held.side) == (True, False, 12)
    assert (held.training + held.validation).tolist() == given.validation.tolist() == [10] * 4


def test_a_set_that_may_not_be_there_yet_is_not_counted(options):
    unknown = dataclasses.replace(options, dataset="cifar10", data_dir="")
    assert preview.images(unknown) is None
    assert "not counted before the set is there" in "\n".join(preview.data_rows(unknown, NAMES, None))


def test_rows_of_images_and_halves(options):
    data, images, size = preview.data_rows(options, NAMES, COUNTED)
    assert data == "data set  folder, 6 classes"
    assert images == "images    135 for training (20 to 30 a class), 48 for validation (8 a class)"
    assert size == f"input     {options.input_size} x {options.input_size} pixels, AlexNet; images have about 38 a side"
    held_out = preview.data_rows(options, NAMES, dataclasses.replace(COUNTED, held_out=True))[1]
    assert "48 held out, which no training sees (8 a class)" in held_out
    split = random_split(6, 0)
    rows = preview.half_rows(split, NAMES)
    assert rows[:2] == ["split     random0", "half A    3 classes"]
    assert rows[2].split() == [f"class{index}" + "," * (index != split.a[-1]) for index in split.a]
    assert f"SHA-256 of the sorted indices {splits.digest(split.a)}" in preview.half_rows(split, NAMES, True)[1]


def test_steps_are_known_if_they_depend_on_no_images_or_these_are_counted():
    by_epochs = cell("base", steps=0, epochs=2.0, batch_size=5)
    classes = list(by_epochs.classes)
    assert preview.steps(cell("base"), None) == 3
    assert preview.steps(by_epochs, None) is None
    assert preview.steps(by_epochs, COUNTED) == 2 * COUNTED.training[classes].sum() // 5
    longer = cell("A4B").longer_base
    assert preview.steps(longer, None) is None
    assert preview.steps(longer, COUNTED) == 6


def test_cautions_name_short_trainings_and_enlarged_images():
    assert preview.cautions([], COUNTED) == []
    (short,) = preview.cautions([cell("base"), cell("base", steps=2)], COUNTED)
    assert "baseB gets 2 steps, which may be too few" in short
    assert "Received: --steps=3. Leave it out" in short, "the first network's options are those of the command"
    long = cell("base", steps=100_000)
    assert preview.cautions([long], COUNTED) == []
    (enlarged,) = preview.cautions(
        [dataclasses.replace(long, config=dataclasses.replace(long.config, image_size=76))], COUNTED
    )
    assert "images of about 38 pixels a side are enlarged to 76" in enlarged
    assert "--image_size=38 takes about 1/4 of the time" in enlarged


def test_what_cannot_end_well_is_refused(finished, tmp_path):
    preview.check([cell("A4B")], finished, COUNTED)
    with pytest.raises(ValueError, match=r"learning_rate: 0\.002 there, 0\.5 here"):
        preview.check([cell("A4B", learning_rate=0.5)], finished, None)
    with pytest.raises(ValueError, match="--batch_size=512"):
        preview.check([cell("base", batch_size=512)], tmp_path / "runs" / "study", COUNTED)
    preview.check([cell("base", batch_size=512)], tmp_path / "runs" / "study", None)
    (tmp_path / "file").write_text("")
    with pytest.raises((ValueError, OSError), match="file"):
        preview.check([cell("base")], tmp_path / "file" / "runs" / "study", COUNTED)
