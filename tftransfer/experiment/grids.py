"""The networks of a study as unions of grids: treatments, blocks, halves, splits, seeds.

    Grid(treatments="BnB,AnB", n="1-7", split_seeds="0-3")

Treatments are roles, written for target B: source A is the other half, source B the target's own. `targets` names the
targets that they are applied to.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from tftransfer.experiment import policies, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.experiment.splits import Split
from tftransfer.experiment.treatments import Treatment
from tftransfer.models import catalog

SplitOf = Callable[[str, int], Split]
_MOST_VALUES = 100_000


@dataclasses.dataclass(frozen=True)
class Grid:
    """All combinations of some values, as text.

    Attributes:
        treatments: Roles: `base`, `BnB`, `AnB+` or with a number, `A4B`; or by policy, `B:k2t5n1`.
        n: Blocks to copy: numbers and ranges, `1-7`, `1,3,5-7`, or names of blocks, or `all`.
        targets: Targets: `A`, `B`, `all`.
        split: Kinds of split.
        split_seeds: Seeds of random splits.
        seeds: Seeds of the networks.
        images_per_class: First k training images of each class of the target; 0 for all.
        preserve: Blocks above the n frozen ones that are copied and fine-tuned.
        release_step: First step that trains those.
        policies: Policies of blocks from A, trained on B: `k4t3n1`, `k*n1`.
    """

    treatments: str = ""
    n: str = ""
    targets: str = "A,B"
    split: str = "random"
    split_seeds: str = "0"
    seeds: str = "0"
    images_per_class: str = "0"
    preserve: str = "0"
    release_step: str = "0"
    policies: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for values that are empty, unknown or not numbers."""
        for name in ("split_seeds", "seeds", "images_per_class", "preserve", "release_step"):
            integers(getattr(self, name), name)
        _known(self.targets, treatments.TARGETS, "targets")
        _known(self.split, tuple(splits.SPLITS), "split")
        self.roles()

    def is_counted(self, blocks: Sequence[str] | None) -> bool:
        """Whether the values of `n` can be counted; of names of blocks, and of `all`, only the built model tells."""
        return blocks is not None or all(c in "0123456789-," for c in self.n)

    def roles(self) -> list[str]:
        """Returns the treatments as written; raises ValueError if one is unknown."""
        roles = _words(self.treatments, "treatments") if self.treatments or not self.policies else []
        for policy in _words(self.policies, "policies") if self.policies else []:
            policies.parse(policy)
            roles.append(f"A:{policy}:B")
        for role in roles:
            treatments.for_target(_parse(role, None if ":" in role else "n", 0, 0, None), "B")  # grammar: any n
        return roles

    def cells(
        self, config: Config, split_of: SplitOf, blocks: Sequence[str] | None, pretrained: str = ""
    ) -> Iterator[Cell]:
        """Yields the networks.

        Args:
            config: The options that they have in common.
            split_of: Function from a kind of split and its seed to the halves.
            blocks: The model's blocks, its head the last; None if they are not known yet. Then names of blocks,
                and `all`, are one treatment whose n is None.
            pretrained: SHA-256 of the file of weights that stands in for A or, where A and B are halves, for the base
                that a network copies from.

        Raises:
            ValueError: If a combination is not possible.
        """
        self._refuse_too_many(blocks)
        for kind in _words(self.split, "split"):
            seeds = integers(self.split_seeds, "split_seeds") if kind == "random" else [0]
            for split_seed in seeds:
                split = split_of(kind, split_seed)
                base = dataclasses.replace(
                    config, split=kind, split_seed=split_seed, split_file=config.split_file if kind == "file" else ""
                )
                yield from self._cells_of(base, split, blocks, pretrained)

    def _refuse_too_many(self, blocks: Sequence[str] | None) -> None:
        """Raises ValueError if the grid has more than `_MOST_VALUES` networks."""
        axes = ("split_seeds", "seeds", "images_per_class", "preserve", "release_step")
        counts = [len(integers(getattr(self, axis), axis)) for axis in axes]
        counts += [len(_words(getattr(self, axis), axis)) for axis in ("split", "targets")] + [len(self.roles())]
        counts += [len(self._numbers(blocks))] if self.n else []
        if math.prod(counts) > _MOST_VALUES:
            raise ValueError(
                f"The grid has up to {math.prod(counts):,} networks, expected at most {_MOST_VALUES:,}. Ask for fewer "
                f"--seeds, --split_seeds or --n."
            )

    def _cells_of(self, config: Config, split: Split, blocks: Sequence[str] | None, pretrained: str) -> Iterator[Cell]:
        """Yields the networks of one split."""
        axes = itertools.product(
            integers(self.seeds, "seeds"),
            integers(self.images_per_class, "images_per_class"),
            _words(self.targets, "targets"),
            self.roles(),
        )
        for seed, images_per_class, target, role in axes:
            own = dataclasses.replace(config, seed=seed, images_per_class=images_per_class)
            for treatment in self._treatments(role, blocks):
                treatment = treatments.for_target(treatment, target)
                if treatment.source == "A" or (treatment.source == "B" and not split.is_whole):
                    treatment = dataclasses.replace(treatment, pretrained=pretrained)
                yield Cell(treatment, split, own)

    def _treatments(self, role: str, blocks: Sequence[str] | None) -> Iterator[Treatment]:
        """Yields a role with every n, and every number of preserved blocks."""
        if role == "base":
            yield treatments.base("B")
            return
        if ":" in role:
            yield _parse(role, None, 0, 0, blocks)
            return
        numbers = [None] if any(c.isdigit() for c in role) else self._numbers(blocks)
        for n, preserve in itertools.product(numbers, integers(self.preserve, "preserve")):
            releases = integers(self.release_step, "release_step") if preserve else [0]
            for release_step in releases:
                yield _parse(role, n, preserve, release_step, blocks)

    def _numbers(self, blocks: Sequence[str] | None) -> list[int | str]:
        """Returns the values of n; as written where they are not known yet. Raises ValueError if there are none."""
        if not self.n:
            raise ValueError(
                f"How many blocks? --treatments={self.treatments} needs --n: a number, a list or a range as in 1-7. "
                f"Received no --n."
            )
        if not self.is_counted(blocks):
            return [self.n]
        if self.n == "all":
            return list(range(1, len(blocks)))
        names = {name: number for number, name in enumerate(blocks or (), start=1)}
        return integers(self.n, "n", names)


def _parse(role: str, n: int | str | None, preserve: int, release_step: int, blocks: Sequence[str] | None) -> Treatment:
    """Reads a role; n is compared with the model's blocks when they are known."""
    if role == "base":
        return treatments.base("B")
    return treatments.parse(role, n, None, len(blocks) if blocks else None, preserve, release_step)


def read(text: str, defaults: Mapping[str, str]) -> Grid:
    """Reads a grid as `--cells` has it: `treatments=AnB n=1-7 split_seeds=0-3`.

    Args:
        text: Words `axis=values`.
        defaults: Values by axis, for axes that `text` does not name.

    Raises:
        ValueError: If an axis is unknown or given twice, or its values are wrong.
    """
    axes = [field.name for field in dataclasses.fields(Grid)]
    given: dict[str, str] = {}
    for word in text.split():
        axis, equals, values = word.partition("=")
        if not equals or axis not in axes or axis in given:
            raise ValueError(
                f"Bad --cells. Expected words AXIS=VALUES, each axis once: {', '.join(axes)}. Received: {word!r}"
            )
        given[axis] = values
    if not given:
        raise ValueError(f"Empty --cells. Expected words AXIS=VALUES with {', '.join(axes)}. Received: {text!r}")
    return Grid(**{**defaults, **given})


def union(
    grids: Sequence[Grid],
    config: Config,
    split_of: SplitOf,
    with_longer_base: bool = False,
    blocks: Sequence[str] | None = None,
    compared: bool = True,
    pretrained: str = "",
) -> list[Cell]:
    """Returns the networks of several grids and the bases that they need, each once, bases first.

    Args:
        grids: The grids.
        config: The options that all networks have in common.
        split_of: Function from a kind of split and its seed to the halves.
        with_longer_base: True adds the bases that train for the steps of source and target together.
        blocks: The model's blocks, if it was built; None for those that are known without.
        compared: Whether the bases of the targets are added, to compare with.
        pretrained: As for `Grid.cells`.
    """
    blocks = blocks or catalog.blocks_of(config.model, config.blocks)
    asked: dict[str, Cell] = {}
    for grid in grids:
        for cell in grid.cells(config, split_of, blocks, pretrained):
            asked.setdefault(cell.name, dataclasses.replace(cell, compared=compared))
    cells: dict[str, Cell] = {}
    for cell in asked.values():
        needed = [*cell.waits_for(), *([cell.longer_base] if with_longer_base and cell.longer_base else []), cell]
        for each in needed:
            cells.setdefault(each.name, each)
    return sorted(cells.values(), key=lambda cell: not cell.treatment.is_reference)


def integers(text: str, axis: str, names: Mapping[str, int] | None = None) -> list[int]:
    """Returns numbers written as `0-3,5`, sorted, each once.

    Args:
        text: Numbers and ranges of numbers of at least 0.
        axis: Name of the option, for messages.
        names: Numbers by the names that may stand for them.

    Raises:
        ValueError: If it is empty or not such a list.

    Example:
        >>> integers("0-2,5", "seeds")
        [0, 1, 2, 5]
    """
    numbers: set[int] = set()
    for word in _words(text, axis):
        low, dash, high = word.partition("-")
        if word in (names or {}):
            numbers.add(names[word])
        elif _is_number(low) and (_is_number(high) if dash else True):
            first, last = int(low), int(high or low)
            if not first <= last < first + _MOST_VALUES or last >= 2**31:
                raise ValueError(f"Bad --{axis}. Expected a range from low to high, as in 1-7. Received: {word!r}")
            numbers |= set(range(first, last + 1))
            if len(numbers) > _MOST_VALUES:
                raise ValueError(f"Bad --{axis}. Expected at most {_MOST_VALUES:,} numbers. Received: {_short(text)}")
        else:
            known = f", or {', '.join(names)}" if names else ""
            raise ValueError(f"Bad --{axis}. Expected numbers and ranges, as in 0-3,5{known}. Received: {word!r}")
    return sorted(numbers)


def _is_number(text: str) -> bool:
    """Whether a text is a number in ASCII digits, of a length that can be calculated with."""
    return text.isdecimal() and text.isascii() and len(text) <= 400


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}...")


def _words(text: str, axis: str) -> list[str]:
    """Returns the values between commas, each once; raises ValueError if one is empty."""
    words = text.split(",")
    if not all(words):
        raise ValueError(f"Bad --{axis}. Expected values with commas between them. Received: {text!r}")
    return list(dict.fromkeys(words))


def _known(text: str, known: Sequence[str], axis: str) -> None:
    """Raises ValueError if a value is unknown."""
    unknown = [word for word in _words(text, axis) if word not in known]
    if unknown:
        raise ValueError(f"Bad --{axis}. Expected some of {', '.join(known)}. Received: {', '.join(unknown)}")
