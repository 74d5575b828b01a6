"""From the command line to the arrays that Keras is given: whose images, in which split, less which mean."""

import keras
import numpy as np
import pytest
from PIL import Image

from tftransfer import run
from tftransfer.cli import command_line
from tftransfer.experiment import splits

CLASSES, TRAINING, VALIDATION, SIDE = 6, 8, 4, 32
HALVES = splits.random_split(CLASSES, 0)


def stored_side():
    return SIDE + round(SIDE * 29 / 227)  # so that nothing is resized, and pixels come through as they are


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """A folder of images of noise, of which no two are alike; returns it with the pixels by split and class."""
    root, rng = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    shape = (stored_side(), stored_side(), 3)
    found = {}
    for split, images in (("train", TRAINING), ("val", VALIDATION)):
        for label in range(CLASSES):
            # Each class and split has a level of its own, so that means of other images are far off.
            level = 20 * label + (60 if split == "val" else 0)
            found[split, label] = (level + rng.integers(0, 60, (images, *shape))).astype(np.uint8)
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for i, image in enumerate(found[split, label]):
                Image.fromarray(image).save(folder / f"{i}.png")
    return root, found


@pytest.fixture
def fed(monkeypatch):
    """What `fit` and `predict` were given, in order: the networks, then images and labels of each part."""
    calls = []

    def batches(data):
        return [tuple(map(_array, parts)) for parts in data]

    def joined(data):
        return [np.concatenate(parts) for parts in zip(*batches(data), strict=True)]

    def fit(self, data, validation_data, **options):
        calls.append((sorted(self.output_names), "train", *joined(data)))
        calls.append((sorted(self.output_names), "val", *joined(validation_data)))
        return fitted(self, data, validation_data=validation_data, **options)

    def predict(self, data, **options):
        if self.name == "group":
            calls.append((sorted(self.output_names), "final", np.concatenate([np.asarray(x) for x in data])))
        return predicted(self, data, **options)

    fitted, predicted = keras.Model.fit, keras.Model.predict
    monkeypatch.setattr(keras.Model, "fit", fit)
    monkeypatch.setattr(keras.Model, "predict", predict)
    return calls


def _array(part):
    return np.asarray(next(iter(part.values())) if isinstance(part, dict) else part)


def inputs(found, split, classes, mean, scale):
    """Returns the arrays and labels that a network should see: centre crops, less the mean image, times the scale."""
    images = np.concatenate([found[split, label] for label in classes]).astype(np.float64)
    labels = np.repeat(np.arange(len(classes)), len(found[split, classes[0]]))
    edge = (stored_side() - SIDE) // 2
    return ((images - mean) * scale)[:, edge : edge + SIDE, edge : edge + SIDE], labels


def in_order(images, labels):
    order = np.argsort(images[:, 0, 0, 0] + 1e3 * images[:, 5, 5, 1] + 1e6 * labels, kind="stable")
    return images[order], labels[order]


def test_networks_see_the_images_of_their_half_less_the_mean_of_its_training_images(pixels, fed, tmp_path):
    root, found = pixels
    code = run.main(
        ["run.py", "--treatment=AnB", "--n=2", "--dataset=folder", f"--data_dir={root}", f"--image_size={SIDE}",
         f"--cache_dir={tmp_path}/cache", f"--runs_dir={tmp_path}/runs", "--augment=none", "--pixel_scale=0.125",
         "--width=0.05", "--batch_size=8", "--steps=3", "--evaluations=1", "--warmup_steps=0",
         "--cache_limit=0"]  # features in their place: tests/training/test_features.py
    )  # fmt: skip
    assert code in (0, command_line.EXIT_FAILED), "after three steps a network may not have left chance"
    expected = []
    for name, half in (("baseA", "A"), ("baseB", "B"), ("A2B", "B")):
        classes = HALVES.classes(half)
        mean = np.concatenate([found["train", label] for label in classes]).mean(0, np.float64)
        expected += [([name], part, *inputs(found, split, classes, mean, 0.125))
                     for part, split in (("train", "train"), ("val", "val"), ("final", "val"))]  # fmt: skip
    assert [call[:2] for call in fed] == [call[:2] for call in expected]
    for (_, part, images, *rest), (_, _, wanted, labels) in zip(fed, expected, strict=True):
        if part == "train":  # one epoch of all 24, in an order of its own
            images, seen = in_order(images, rest[0])
            wanted, labels = in_order(wanted, labels)
            np.testing.assert_array_equal(seen, labels)
        elif part == "val":
            seen, weights = rest
            np.testing.assert_array_equal(weights, [1.0] * len(labels) + [0.0] * (len(weights) - len(labels)))
            np.testing.assert_array_equal(seen[: len(labels)], labels)
        np.testing.assert_allclose(images[: len(wanted)], wanted, atol=1e-4)
