"""A study whose images are easy and in memory, and whose networks are tiny."""

import dataclasses
import pathlib
import zlib

import numpy as np

from made_images import make_half
from tftransfer.data.store import Half
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell

CLASSES = 6
RECIPE = Config(width=0.1, batch_size=32, steps=3, learning_rate=0.002, warmup_steps=0, evaluations=1)


class EasyStore:
    """A prepared data set of six easy classes in memory; its mean images are kept in a folder."""

    fingerprint, size, encoding, dataset = "f" * 64, 32, "raw", "easy"
    left_out, notes, lost = {}, {}, None
    near_copies = np.zeros((0, 2), np.uint64)
    class_names = tuple(f"class{label}" for label in range(CLASSES))

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = str(folder)
        self.images = {"train": make_half(240, CLASSES, 0), "val": make_half(60, CLASSES, 1)}

    def counts(self, split):
        return np.bincount(self.images[split].labels, minlength=CLASSES)

    def select(self, split, classes, images_per_class=None):
        labels, wanted = self.images[split].labels, sorted(classes)
        ids = [i for i, label in enumerate(labels) if label in wanted]
        if images_per_class:
            ids = [i for i in ids if np.sum(labels[: i + 1] == labels[i]) <= images_per_class]
        return Half(self, split, np.array([wanted.index(labels[i]) for i in ids], np.int32), np.array(ids))

    def contents(self, split):
        return np.array([zlib.crc32(image.tobytes()) for image in self.images[split].images], np.uint64)

    def names(self, split, ids):
        return [f"{split}/{number}" for number in ids]

    def read(self, split, ids):
        return self.images[split].images[ids]


def cell(text, preserve=0, release_step=0, **options):
    """Returns a network of the study, as `--treatment` would name it."""
    target = "B" if text == "base" else None
    treatment = treatments.parse(text, target=target, preserve=preserve, release_step=release_step)
    return Cell(treatment, splits.random_split(CLASSES, 0), dataclasses.replace(RECIPE, **options))


def names(root):
    """Returns the networks that lie in a study's folder."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
