"""`motifs`: the embedded set of drawn images, which needs no file and no network."""

import dataclasses
from collections.abc import Iterator

from tftransfer.data import motifs
from tftransfer.data.datasets.dataset import SUBSETS, Dataset, Digest, Examples


@dataclasses.dataclass(frozen=True, slots=True)
class MotifExample:
    """An image that is drawn when it is loaded."""

    label: int
    key: str
    class_name: str
    subset: str
    index: int

    @property
    def content(self) -> bytes:
        """Bytes that stand for the pixels in a fingerprint: pixels may differ in a last bit between machines."""
        return f"motifs {motifs.VERSION} {self.key}".encode()

    def load(self):
        """Draws the image, uint8 `(32, 32, 3)`."""
        return motifs.draw(self.class_name, {"train": "train", "val": "validation"}[self.subset], self.index)


def describe(data_dir: str | None = None) -> tuple[str, ...]:
    """Returns the class names; no folder is needed."""
    return motifs.CLASS_NAMES


def kinds() -> tuple[str, ...]:
    """Returns "manmade" or "natural" for each class."""
    return tuple(motifs.MOTIFS.values())


def open_dataset(data_dir: str | None = None) -> Dataset:
    """Returns the embedded data set; no folder is needed."""
    class_names = describe()
    per_class = {"train": motifs.TRAIN_PER_CLASS, "val": motifs.VAL_PER_CLASS}
    return Dataset(
        name="motifs",
        class_names=class_names,
        class_kinds=kinds(),
        native_size=motifs.IMAGE_SIZE,
        identity=Digest("motifs", motifs.VERSION, class_names, sorted(per_class.items())).hexdigest(),
        subsets={subset: _examples(subset, per_class[subset]) for subset in SUBSETS},
    )


def _examples(subset: str, per_class: int) -> Examples:
    """Returns the examples of `subset`, class by class."""

    def between(start: int, stop: int) -> Iterator[MotifExample]:
        for position in range(start, stop):
            label, index = divmod(position, per_class)
            name = motifs.CLASS_NAMES[label]
            yield MotifExample(label, f"{subset}/{name}/{index:05d}", name, subset, index)

    return Examples(per_class * len(motifs.CLASS_NAMES), between)
