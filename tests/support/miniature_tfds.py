"""A small data set of TensorFlow Datasets, made in a process of its own, so that tests read it from files alone."""

import pathlib
import subprocess
import sys

MINIATURE = """
import sys
import numpy as np
import tensorflow_datasets as tfds

class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    splits, names, first_label = ("train", "test"), ["b", "a", "c"], 0

    def _info(self):
        label = tfds.features.ClassLabel(names=self.names)
        features = {"image": tfds.features.Image(shape=(12, 12, 3)), "label": label}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label"))

    def _split_generators(self, _):
        return {split: self._generate_examples(count) for split, count in zip(self.splits, (30, 9))}

    def _generate_examples(self, count):
        for index in range(count):
            yield index, {"image": np.full((12, 12, 3), index, np.uint8), "label": self.first_label + index % 3}

class Miniature(Base): pass
class MiniatureWordnet(Base): names = ["n00000003", "n00000001", "n00000002"]
class MiniatureTrainOnly(Base): splits = ("train",)
class MiniatureUnlabelled(Base): first_label = -1

for kind in (Miniature, MiniatureWordnet, MiniatureTrainOnly, MiniatureUnlabelled):
    kind(data_dir=sys.argv[1]).download_and_prepare()
"""


def prepare(folder: pathlib.Path) -> str:
    """Prepares four such data sets in `folder`; returns it."""
    (folder / "miniature.py").write_text(MINIATURE)
    subprocess.run([sys.executable, "miniature.py", str(folder)], cwd=folder, check=True, capture_output=True)
    return str(folder)
