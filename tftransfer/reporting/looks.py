"""Curves of a report, and a colour and a marker for each, the same in all figures."""

import dataclasses
from collections.abc import Iterable, Mapping

import pandas as pd

from tftransfer.analysis import families
from tftransfer.experiment import treatments
from tftransfer.system import escaping

# Networks that differ in one of these are never one curve or one mean.
CURVE = ("treatment", "preserve", "release_step")
# Okabe and Ito 2008; treatments of one source share a hue, as in the paper, and fine-tuned ones are lighter.
COLOURS = {
    "base": "#222222", "BnB": "#0072B2", "BnB+": "#56B4E9", "AnB": "#D55E00", "AnB+": "#E69F00", "RnB": "#009E73",
    "SnB": "#CC79A7", "base-plusA": "#777777", "base-plusB": "#777777",
}  # fmt: skip
MARKERS = {
    "base": "o", "BnB": "s", "BnB+": "P", "AnB": "D", "AnB+": "^", "RnB": "v", "SnB": "X", "base-plusA": "<",
    "base-plusB": ">",
}  # fmt: skip
MEANINGS = {
    "base": "base",
    "BnB": "BnB: own blocks, frozen",
    "BnB+": "BnB+: own blocks, fine-tuned",
    "AnB": "AnB: other half's blocks, frozen",
    "AnB+": "AnB+: other half's blocks, fine-tuned",
    "RnB": "RnB: random blocks, frozen",
    "SnB": "SnB: random with learnt statistics",
    "base-plusA": "base-plusA: as many steps as AnB and its source",
    "base-plusB": "base-plusB: as many steps as BnB and its source",
}
ORDER = ("base", "base-plusB", "base-plusA", "BnB", "BnB+", "AnB", "AnB+", "SnB", "RnB")
# For curves that the paper has no name for: Paul Tol's muted scheme and what remains dark enough on white, none of it
# near the colours above. 8 colours and 9 markers: 72 curves before two look the same.
_MORE_COLOURS = ("#332288", "#882255", "#117733", "#999933", "#AA4499", "#661100", "#44AA99", "#6699CC")
_MORE_MARKERS = ("p", "*", "h", "d", "8", "H", ">", "<", "o")


_LEGEND_CHARACTERS = 110  # of a line of its own


@dataclasses.dataclass(frozen=True, order=True)
class Curve:
    """Networks that make one curve.

    Attributes:
        treatment: As in the frame of networks; `AnB+-w1a2b3c4d` copies from pretrained weights.
        preserve: Blocks above the frozen ones that are copied and fine-tuned.
        release_step: Step from which on they train.
    """

    treatment: str
    preserve: int = 0
    release_step: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether this is a treatment of the paper, without preserved blocks."""
        return self.treatment in MEANINGS and not self.preserve

    @property
    def name(self) -> str:
        """The name in tables and tooltips: `AnB, 2 preserved`."""
        return named(self.treatment, self.preserve, self.release_step)

    @property
    def meaning(self) -> str:
        """The text of its legend, where A and B are halves."""
        return self.meaning_in("random")

    def meaning_in(self, kind: str) -> str:
        """Returns the text of its legend.

        Args:
            kind: The kind of halves, as in the frame of networks.
        """
        words = families.explained(self.treatment, kind)
        if words:
            stages = treatments.variant(preserve=self.preserve, release_step=self.release_step)
            name = self.treatment.partition("-w")[0]
            return escaping.figure(", ".join(filter(None, [f"{name}: {words}", stages])), _LEGEND_CHARACTERS)
        if self.is_plain:
            return MEANINGS[self.treatment]
        family, pretrained, digits = self.treatment.partition("-w")
        parts = [f"{family} of weights {digits}" if pretrained else self.treatment]
        parts.append(treatments.variant(preserve=self.preserve, release_step=self.release_step))
        return escaping.figure(", ".join(filter(None, parts)))


def named(treatment: str, preserve: int = 0, release_step: int = 0, images_per_class: int = 0) -> str:
    """Returns a treatment with the options that are not at their defaults."""
    return ", ".join(filter(None, [treatment, treatments.variant(images_per_class, preserve, release_step)]))


@dataclasses.dataclass(frozen=True)
class Look:
    """A colour and a marker; no other curve of the report has both."""

    colour: str
    marker: str


class Looks:
    """The looks of all curves of a report, the same in each of its figures.

    Args:
        networks: Counted networks.
    """

    def __init__(self, networks: pd.DataFrame) -> None:
        more = [curve for curve in curves(networks) if not curve.is_plain]
        self._more: Mapping[Curve, Look] = {
            curve: Look(_MORE_COLOURS[place % len(_MORE_COLOURS)], _MORE_MARKERS[place % len(_MORE_MARKERS)])
            for place, curve in enumerate(more)
        }

    def __getitem__(self, curve: Curve) -> Look:
        """Returns a curve's look."""
        if curve.is_plain:
            return Look(COLOURS[curve.treatment], MARKERS[curve.treatment])
        return self._more[curve]


def main_images(copies: pd.DataFrame) -> int:
    """Returns the most frequent number of images per class, 0 for all; of equally frequent ones, the most images."""
    counts = copies.groupby("images_per_class").size()
    return int(max(counts.index, key=lambda images: (counts[images], images == 0, images)))


def curves(table: pd.DataFrame) -> list[Curve]:
    """Returns the curves of a table of networks or effects, in the order of legends."""
    found = table[list(CURVE)].drop_duplicates().itertuples(index=False)
    return ordered(Curve(str(row.treatment), int(row.preserve), int(row.release_step)) for row in found)


def ordered(found: Iterable[Curve]) -> list[Curve]:
    """Returns curves in the order of legends: the paper's, each followed by its variants, then others."""

    def place(curve: Curve) -> tuple:
        family = curve.treatment.partition("-w")[0]
        return (ORDER.index(family) if family in ORDER else len(ORDER), curve)

    return sorted(set(found), key=place)


def of(table: pd.DataFrame, curve: Curve) -> pd.DataFrame:
    """Returns the rows of a curve."""
    return table[(table[list(CURVE)] == list(dataclasses.astuple(curve))).all(axis=1)]
