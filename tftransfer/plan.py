"""Which networks a command needs, what each waits for, and what makes each of them itself."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tftransfer import config as config_lib
from tftransfer import splits, treatments
from tftransfer.config import Config
from tftransfer.splits import Split
from tftransfer.treatments import Treatment

SOURCE, REFERENCE, ASKED = "source", "reference", "asked"
_WHY = {
    SOURCE: "its first blocks are copied",
    REFERENCE: "results on its half are compared with it",
    ASKED: "asked for",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One network of a study.

    Attributes:
        treatment: What is done to it.
        split: The halves.
        config: Data set, model and recipe, and its seed.
    """

    treatment: Treatment
    split: Split
    config: Config

    @property
    def name(self) -> str:
        """Readable, safe in paths and URLs: split, treatment, what is not at its default, seed."""
        parts = [self.split.name, self.treatment.slug]
        if self.config.images_per_class:
            parts.append(f"k{self.config.images_per_class}")
        return "-".join([*parts, f"seed{self.config.seed}"])

    @property
    def classes(self) -> tuple[int, ...]:
        """Class indices that it is trained on."""
        return self.split.classes(self.treatment.target)

    @property
    def source_classes(self) -> tuple[int, ...]:
        """Class indices that its source was trained on; empty for bases and random sources."""
        if self.treatment.source in treatments.LETTERS:
            return self.split.classes(self.treatment.source)
        return ()

    def waits_for(self) -> tuple["Cell", ...]:
        """Returns the bases that must be there first: its source, then its reference."""
        return tuple(dataclasses.replace(self, treatment=base) for base in treatments.required_bases(self.treatment))

    @property
    def source(self) -> "Cell | None":
        """The base whose blocks it copies."""
        letter = self.treatment.source
        return dataclasses.replace(self, treatment=treatments.base(letter)) if letter in treatments.LETTERS else None

    @property
    def reference(self) -> "Cell":
        """The base of its own target; a base is its own."""
        return dataclasses.replace(self, treatment=treatments.base(self.treatment.target))

    def identity(self, fingerprint: str, source: dict[str, str] | None) -> dict[str, Any]:
        """Returns all that decides the result: equal identities are the same network.

        Args:
            fingerprint: SHA-256 of the data set's content.
            source: `key` and `weights` (both SHA-256) of the trained source; None for bases and random sources.
        """
        return {
            "protocol": config_lib.PROTOCOL,
            "data": {
                "fingerprint": fingerprint,
                "classes_sha256": splits.digest(self.classes),
                "class_count": len(self.classes),
            },
            "recipe": self.config.recipe(),
            "treatment": dataclasses.asdict(self.treatment),
            "split": self.split.name,
            "seed": self.config.seed,
            "source": source,
        }


@dataclasses.dataclass(frozen=True)
class Step:
    """A cell in the order of a plan, and why it is there."""

    cell: Cell
    role: str

    @property
    def why(self) -> str:
        """The reason, as a user reads it."""
        return _WHY[self.role]


def steps_for(cell: Cell) -> list[Step]:
    """Returns what a `run` needs, in order: the source's base, its own target's base, the cell."""
    steps = {}
    for base in cell.waits_for():
        role = SOURCE if cell.source and base.name == cell.source.name else REFERENCE
        steps.setdefault(base.name, Step(base, role))
    steps[cell.name] = Step(cell, ASKED)
    return list(steps.values())


def check_half_sizes(cell: Cell, images_per_class: Sequence[int]) -> int:
    """Returns the training images of the cell's target; raises ValueError if the recipe does not fit them.

    Args:
        cell: The network.
        images_per_class: Training images of every class of the data set.
    """
    keep = cell.config.images_per_class
    counts = [images_per_class[index] for index in cell.classes]
    if keep and keep > max(counts):
        raise ValueError(
            f"No class has so many training images. Received: --images_per_class={keep}, the largest class has "
            f"{max(counts)}. Leave the option out to use all."
        )
    images = sum(min(keep, count) if keep else count for count in counts)
    cell.config.steps_per_epoch(images)
    cell.config.steps_between_drops(images)
    return images
