"""The embedded data set as a TensorFlow Datasets builder, for programs that ask for data sets by name."""

from collections.abc import Iterator

import tensorflow_datasets as tfds

from tftransfer.data import motifs


class Motifs(tfds.core.GeneratorBasedBuilder):
    """Forty kinds of small pictures, 20 man-made and 20 natural, drawn by the package: nothing is downloaded.

    Importing this module registers the builder, so that `tfds.load("motifs")` finds it.
    """

    VERSION = tfds.core.Version(motifs.VERSION)
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (the name and type that TFDS asks for)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=motifs.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(motifs.IMAGE_SIZE, motifs.IMAGE_SIZE, 3)),
                    "label": tfds.features.ClassLabel(names=motifs.CLASS_NAMES),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        return {
            "train": self._generate_examples("train", motifs.TRAIN_PER_CLASS),
            "validation": self._generate_examples("validation", motifs.VAL_PER_CLASS),
        }

    def _generate_examples(self, subset: str, images_per_class: int) -> Iterator[tuple[str, dict]]:
        for name in motifs.CLASS_NAMES:
            for index in range(images_per_class):
                yield f"{name}_{index:03d}", {"image": motifs.draw(name, subset, index), "label": name}
