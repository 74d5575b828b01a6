"""Splits of the classes of a data set into the halves A and B: at random, natural and man-made, or by a file."""

import collections
import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from tftransfer.data.datasets import synsets
from tftransfer.system import escaping, untrusted_files

WHOLE = "none"
SPLITS = {
    "random": "half of the classes at random by --split_seed (the paper's rule; seeds 0 to 3 are its four splits)",
    "natural_manmade": "A man-made, B natural, by WordNet id or by the kinds of motifs (paper, Figure 3)",
    "file": 'the classes named by --split_file, JSON: {"A": [names], "B": [names]}',
    WHOLE: "no halves: B is all classes of --dataset, A those of --source_dataset or what --pretrained was trained on",
}
_NAMES_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Split:
    """Two disjoint sets of classes.

    Attributes:
        name: Its name in those of networks: `random0`, `natural_manmade`, `file-1a2b3c4d`; where there are no halves
            `whole`, or `from-NAME` with the data set of A.
        a: Sorted class indices of half A; empty if A is what pretrained weights were trained on.
        b: Sorted class indices of half B.
    """

    name: str
    a: tuple[int, ...]
    b: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether A and B are not halves of one data set: B is all of one, A another one or unknown."""
        return not self.a or self.name.startswith("from-")

    def classes(self, target: str) -> tuple[int, ...]:
        """Returns the sorted class indices of target "A", "B" or "all"."""
        return {"A": self.a, "B": self.b, "all": tuple(sorted(self.a + self.b))}[target]


def whole(classes: int, source_classes: int = 0, source: str = "") -> Split:
    """Returns the split of a study without halves.

    Args:
        classes: Number of classes of B; their indices come first.
        source_classes: Number of classes of the data set of A; 0 if A is what pretrained weights were trained on.
        source: Name of that data set.

    Raises:
        ValueError: If one of them has fewer than two classes.
    """
    for letter, count in (("B", classes), ("A", source_classes if source else 2)):
        if count < 2:
            raise ValueError(f"The data set of {letter} has {count} class(es); a task needs two at least.")
    name = "".join(c if c.isalnum() or c in "._" else "_" for c in source)
    both = tuple(range(classes + source_classes))
    return Split(f"from-{name}" if source else "whole", both[classes:], both[:classes])


def kind_of(name: str) -> str:
    """Returns a split's name without its seed.

    Example:
        >>> kind_of("random3"), kind_of("natural_manmade")
        ('random', 'natural_manmade')
    """
    return "random" if name.startswith("random") and name.removeprefix("random").isdigit() else name


def digest(classes: Sequence[int]) -> str:
    """Returns the SHA-256 of the comma-joined sorted class indices, in hexadecimal."""
    return hashlib.sha256(",".join(str(index) for index in sorted(classes)).encode()).hexdigest()


def make(
    kind: str,
    class_names: Sequence[str],
    class_kinds: Sequence[str | None] | None = None,
    split_seed: int = 0,
    split_file: str | None = None,
) -> Split:
    """Returns a split of the classes of a data set.

    Args:
        kind: A key of `SPLITS`.
        class_names: Names of all classes; a class's index is its position.
        class_kinds: "natural" or "manmade" for each class; None where the data set does not say.
        split_seed: Seed of a random split, 0 or more.
        split_file: Path of the JSON file, for kind "file".

    Raises:
        ValueError: If the split cannot be made, or leaves a half with fewer than two classes.
    """
    if kind == "random":
        split = random_split(len(class_names), split_seed)
    elif kind == "natural_manmade":
        split = _by_kind(class_names, class_kinds)
    elif kind == "file":
        split = _from_file(split_file, class_names)
    elif kind == WHOLE:
        return whole(len(class_names))
    else:
        raise ValueError(f"Unknown split. Expected one of {', '.join(SPLITS)}. Received: --split={kind}")
    for letter, classes in (("A", split.a), ("B", split.b)):
        if len(classes) < 2:
            todo = (
                "Use another split" if len(class_names) >= 4 else "Four are needed at least: use a data set with more"
            )
            raise ValueError(
                f"Half {letter} of split {split.name} has {len(classes)} class(es); a task needs two at least. "
                f"The data set has {len(class_names)} classes. {todo}."
            )
    return split


def random_split(count: int, seed: int) -> Split:
    """Returns a split of `count` classes by the rule of the paper's authors.

    The list around the seed is theirs: a plain integer gives other halves. For 1000 classes and seeds 0 to 3 the
    result has the checksums of their published half files. Of an odd number of classes, A has one fewer.

    Example:
        >>> random_split(1000, 0).a[:4]
        (0, 1, 2, 5)
    """
    a = np.random.RandomState([seed]).choice(count, count // 2, replace=False)
    a = tuple(sorted(int(index) for index in a))
    return Split(f"random{seed}", a, tuple(sorted(set(range(count)) - set(a))))


def _by_kind(class_names: Sequence[str], class_kinds: Sequence[str | None] | None) -> Split:
    if not class_kinds or not any(class_kinds):
        class_kinds = [synsets.kinds().get(name) for name in class_names]
    unknown = [name for name, kind in zip(class_names, class_kinds, strict=True) if kind not in ("natural", "manmade")]
    if unknown:
        raise ValueError(
            f"--split=natural_manmade needs to know of each class whether it is natural or man-made: its name must be "
            f"a WordNet id of ILSVRC12. {len(unknown)} of {len(class_names)} classes have another name: "
            f"{_quoted(unknown)}. "
            f"Use --split=file with a file that names the classes of A (man-made) and B (natural)."
        )
    halves = {kind: tuple(i for i, k in enumerate(class_kinds) if k == kind) for kind in ("manmade", "natural")}
    return Split("natural_manmade", halves["manmade"], halves["natural"])


def _from_file(path: str | None, class_names: Sequence[str]) -> Split:
    if not path:
        raise ValueError("--split=file needs --split_file=FILE. Received no --split_file.")
    expected = 'Expected JSON of the form {"A": ["name", ...], "B": ["name", ...]}'
    try:
        content = untrusted_files.read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"Cannot read the split file {path}: {error}. {expected}.") from error
    if not isinstance(content, dict) or set(content) != {"A", "B"}:
        received = f"the keys {sorted(content)[:_NAMES_SHOWN]}" if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"Malformed split file {path}. {expected}. Received: {received}.")
    index = {name: i for i, name in enumerate(class_names)}
    halves = {}
    for letter, names in content.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"Malformed split file {path}: {letter} is not a list of class names. {expected}.")
        unknown = [name for name in names if name not in index]
        if unknown:
            raise ValueError(
                f"The split file {path} names {len(unknown)} class(es) of {letter} that the data set does not have: "
                f"{_quoted(unknown)}. Its classes are: {_quoted(class_names)}."
            )
        twice = sorted(name for name, count in collections.Counter(names).items() if count > 1)
        if twice:
            raise ValueError(
                f"The split file {path} names classes of {letter} twice: {_quoted(twice)}. Name each once."
            )
        halves[letter] = tuple(sorted(index[name] for name in names))
    both = sorted(set(content["A"]) & set(content["B"]))
    if both:
        raise ValueError(
            f"The split file {path} puts {len(both)} class(es) into both halves: {_quoted(both)}. "
            f"A and B must not overlap, else the source has seen the target's classes."
        )
    digits = hashlib.sha256(f"{digest(halves['A'])} {digest(halves['B'])}".encode()).hexdigest()[:8]
    return Split(f"file-{digits}", halves["A"], halves["B"])


def _quoted(names: Sequence[str]) -> str:
    """Returns the first names, in quotation marks, as names of classes may have commas."""
    return escaping.first([repr(name[:80]) for name in names])
