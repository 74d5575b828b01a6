"""`motifs`: the embedded set of drawn images, which needs no file and no network."""

import dataclasses
from collections.abc import Iterator

from tftransfer.data.datasets.dataset import SPLITS, Digest, Examples, Source
from tftransfer.data.motif_names import CLASS_NAMES, MOTIFS


@dataclasses.dataclass(frozen=True, slots=True)
class MotifExample:
    """An image that is drawn when it is wanted."""

    label: int
    key: str
    class_name: str
    split: str
    index: int

    @property
    def content(self) -> bytes:
        """What stands for the pixels in a fingerprint: they may differ in a last bit between machines."""
        from tftransfer.data import motifs

        return f"motifs {motifs.VERSION} {self.key}".encode()

    def load(self):
        """Draws the image, uint8 `(32, 32, 3)`."""
        from tftransfer.data import motifs

        return motifs.draw(self.class_name, {"train": "train", "val": "validation"}[self.split], self.index)


def describe() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns class names and kinds, from the static table alone."""
    return tuple(CLASS_NAMES), tuple(MOTIFS[name] for name in CLASS_NAMES)


def open_motifs() -> Source:
    """Returns the embedded set as a source."""
    from tftransfer.data import motifs

    class_names, class_kinds = describe()
    per_class = {"train": motifs.TRAIN_PER_CLASS, "val": motifs.VAL_PER_CLASS}
    return Source(
        name="motifs",
        class_names=class_names,
        class_kinds=class_kinds,
        native_size=motifs.IMAGE_SIZE,
        identity=Digest("motifs", motifs.VERSION, class_names, sorted(per_class.items())).hexdigest(),
        splits={split: _examples(split, per_class[split]) for split in SPLITS},
    )


def _examples(split: str, per_class: int) -> Examples:
    """Returns the examples of `split`, class by class."""

    def between(start: int, stop: int) -> Iterator[MotifExample]:
        for position in range(start, stop):
            label, index = divmod(position, per_class)
            name = CLASS_NAMES[label]
            yield MotifExample(label, f"{split}/{name}/{index:05d}", name, split, index)

    return Examples(per_class * len(CLASS_NAMES), between)
