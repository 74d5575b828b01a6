"""The networks of a study as data: their names and identities, the bases that they need, and the order of training."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import PROTOCOL, Config
from tftransfer.experiment.splits import Split
from tftransfer.experiment.treatments import Treatment

SOURCE, REFERENCE, CONTROL, HEAD_ONLY, ASKED = "source", "reference", "control", "head only", "asked"
_WHY = {
    SOURCE: "its first blocks are copied",
    REFERENCE: "results on its half are compared with it",
    CONTROL: "trained for the steps of source and target together (--budget=equal_total)",
    HEAD_ONLY: "only its head trains: what more training adds is seen beside it",
    ASKED: "asked for",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One network of a study.

    Attributes:
        treatment: What is copied into it, frozen and trained.
        split: The halves.
        config: Data set, model, recipe and seed.
        compared: Whether the base of its target is trained to compare with it (`--base`); it changes no result of the
            network itself.
    """

    treatment: Treatment
    split: Split
    config: Config
    compared: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError if the optimizer cannot hold preserved blocks until their release, or there is no source.

        Where A and B are not halves, transfer goes from A to B.
        """
        self.config.check_release(self.treatment.release_step)
        treatment = self.treatment
        if not self.split.is_whole:
            return
        if treatment.target == "all" or (treatment.target == "A" and not (treatment.is_reference and self.split.a)):
            raise ValueError(
                f"Where A and B are not halves of one data set, networks are trained on B, which is all of --dataset. "
                f"Received: {treatment.label}"
            )
        if treatment.source == "A" and not (self.split.a or treatment.pretrained):
            raise ValueError(
                f"There is nothing to copy from: --split=none has no half A. Give --pretrained=imagenet, "
                f"--pretrained=FILE or --source_dataset, or use halves (--split=random). Received: {treatment.label}"
            )

    @property
    def name(self) -> str:
        """Its name, safe in paths and URLs: split, treatment, images per class, seed, as in `random0-A4B-k10-seed0`."""
        parts = [self.split.name, self.treatment.slug]
        if self.images_per_class:
            parts.append(f"k{self.images_per_class}")
        return "-".join([*parts, f"seed{self.config.seed}"])

    @property
    def images_per_class(self) -> int:
        """Number of training images of each class of its target, the first ones; 0 for all."""
        return self.config.images_per_class

    @property
    def classes(self) -> tuple[int, ...]:
        """Class indices that it is trained on."""
        return self.split.classes(self.treatment.target)

    @property
    def source_classes(self) -> tuple[int, ...]:
        """Class indices that its source was trained on; empty for bases and random sources."""
        base = self.treatment.source_base
        return self.split.classes(base) if base else ()

    def waits_for(self) -> tuple["Cell", ...]:
        """Returns the bases that must be trained first: its source, then its reference."""
        source = self.treatment.source_base
        bases = treatments.required_bases(self.treatment)
        return tuple(self._base(base.target) for base in bases if self.compared or base.target == source)

    def _base(self, target: str) -> "Cell":
        """Returns the base of a half. `images_per_class` is about the target: the other half's base sees all images."""
        config = (
            self.config if target == self.treatment.target else dataclasses.replace(self.config, images_per_class=0)
        )
        return dataclasses.replace(self, treatment=treatments.base(target), config=config)

    @property
    def source(self) -> "Cell | None":
        """The base whose blocks it copies; None for bases, random sources and pretrained weights."""
        return self._base(self.treatment.source_base) if self.treatment.source_base else None

    @property
    def reference(self) -> "Cell | None":
        """The base of its target, which it is compared with; itself for a base; None if there is none."""
        return self._base(self.treatment.target) if self.compared or self.treatment.is_reference else None

    def head_only(self, blocks: int) -> "Cell | None":
        """Returns the network whose head alone is trained; None where A and B are halves, or nothing is copied from A.

        Args:
            blocks: Number of blocks, the head included.
        """
        treatment = self.treatment
        if not self.split.is_whole or treatment.source != "A":
            return None
        alone = treatments.by_policy(f"k{blocks - 1}n1", blocks=blocks)
        return dataclasses.replace(self, treatment=dataclasses.replace(alone, pretrained=treatment.pretrained))

    @property
    def longer_base(self) -> "Cell | None":
        """The base of its target that is trained for the steps of its source, too; None if those are not known."""
        control = treatments.longer_base(self.treatment)
        return dataclasses.replace(self, treatment=control) if control else None

    def as_json(self) -> dict[str, Any]:
        """Returns plain data, from which another process makes the same cell."""
        return {
            "treatment": dataclasses.asdict(self.treatment),
            "split": dataclasses.asdict(self.split),
            "config": self.config.shared(),
            "compared": self.compared,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Cell":
        """Reads what `as_json` wrote."""
        split = content["split"]
        return cls(
            Treatment(**content["treatment"]),
            Split(split["name"], tuple(split["a"]), tuple(split["b"])),
            Config(**content["config"]),
            content["compared"],
        )

    def training_config(self, per_class: Sequence[int]) -> Config:
        """Returns the options that it is trained with: a base that trains longer has a stretched schedule.

        Args:
            per_class: Training images of every class of the data set.
        """
        if not self.treatment.longer_by:
            return self.config
        images, others = (training_images(cell, per_class) for cell in (self, self._base(self.treatment.longer_by)))
        own = self.config.train_steps(images)
        stretch = (own + self.config.train_steps(others)) / own
        return dataclasses.replace(
            self.config,
            steps=round(own * stretch),
            drop_steps=round(self.config.steps_between_drops(images) * stretch),
            drop_epochs=0.0,
            warmup_steps=round(self.config.warmup_steps * stretch),
        )

    def identity(
        self, fingerprint: str, source: dict[str, str] | None, architecture: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns all that decides the result, as JSON: networks of equal identities are the same.

        Args:
            fingerprint: SHA-256 of the data set's content.
            source: `key` and `weights` (both SHA-256) of the trained source; None for bases and random sources.
            architecture: Digest, blocks and preprocessing of a model that is not AlexNet; None for AlexNet.
        """
        return {
            **({"architecture": architecture} if architecture else {}),
            "protocol": PROTOCOL,
            "data": {
                "fingerprint": fingerprint,
                "classes_sha256": splits.digest(self.classes),
                "class_count": len(self.classes),
            },
            "images_per_class": self.images_per_class,
            **({"exclude_duplicates": True} if self.config.exclude_duplicates else {}),
            "recipe": self.config.recipe(),
            "treatment": dataclasses.asdict(self.treatment),
            "split": self.split.name,
            "seed": self.config.seed,
            "source": source,
        }


@dataclasses.dataclass(frozen=True)
class PlannedNetwork:
    """A cell of a plan and its role in it.

    Attributes:
        cell: The network.
        role: `SOURCE`, `REFERENCE`, `CONTROL` or `ASKED`.
    """

    cell: Cell
    role: str

    @property
    def why(self) -> str:
        """The reason for it, in words."""
        return _WHY[self.role]


def networks_for(cell: Cell, with_longer_base: bool = False, blocks: int | None = None) -> list[PlannedNetwork]:
    """Returns the networks of a `run` in order: the source's base, the target's base, the network itself.

    Where A and B are no halves, the network whose head alone is trained comes before it.

    Args:
        cell: The network asked for.
        with_longer_base: True adds the base that trains for the steps of source and target together.
        blocks: Number of blocks, the head included; None if it is not known yet, then there is no head only.
    """
    steps = {}
    for base in cell.waits_for():
        role = SOURCE if cell.source and base.name == cell.source.name else REFERENCE
        steps.setdefault(base.name, PlannedNetwork(base, role))
    if with_longer_base and cell.longer_base:
        steps[cell.longer_base.name] = PlannedNetwork(cell.longer_base, CONTROL)
    head_only = cell.head_only(blocks) if blocks and not cell.treatment.is_base else None
    if head_only:
        steps[head_only.name] = PlannedNetwork(head_only, HEAD_ONLY)
    steps[cell.name] = PlannedNetwork(cell, ASKED)
    return list(steps.values())


def training_images(cell: Cell, per_class: Sequence[int]) -> int:
    """Returns the number of training images of a cell: all of its classes, or the first k of each.

    Args:
        cell: The network.
        per_class: Training images of every class of the data set.
    """
    keep = cell.images_per_class
    counts = [per_class[index] for index in cell.classes]
    return int(sum(min(keep, count) if keep else count for count in counts))


def check_recipe(cell: Cell, per_class: Sequence[int]) -> None:
    """Raises ValueError if the recipe does not fit the images of a cell's target.

    Args:
        cell: The network.
        per_class: Training images of every class of the data set.
    """
    keep, most = cell.images_per_class, max(per_class[index] for index in cell.classes)
    if keep > most:
        raise ValueError(
            f"No class has that many training images. Received: --images_per_class={keep}, the largest class has "
            f"{most}. Leave the option out to use all."
        )
    images = training_images(cell, per_class)
    cell.config.steps_per_epoch(images)
    cell.config.steps_between_drops(images)
    steps = cell.config.train_steps(images)
    if cell.treatment.release_step >= steps:
        raise ValueError(
            f"Preserved blocks would never train: --release_step={cell.treatment.release_step}, training ends after "
            f"{steps} steps."
        )
