"""The grammar of treatments: what `AnB+` means and what it is called."""

import dataclasses
import re

LETTERS = ("A", "B")
TARGETS = ("A", "B", "all")
SOURCES = {
    "A": "the base network of half A",
    "B": "the base network of half B",
    "R": "random weights which are never trained",
}
# Spelling in the commands -> meaning; "n" stands for the number of copied blocks.
TREATMENTS = {
    "base": "trained from scratch on --target: the reference (n = 0)",
    "BnB": "first n blocks of baseB, frozen; the rest trained on B (selffer: what does splitting cost?)",
    "AnB": "first n blocks of baseA, frozen; the rest trained on B (transfer: how general are n blocks?)",
    "BnB+": "first n blocks of baseB, fine-tuned with the rest on B (control for longer training)",
    "AnB+": "first n blocks of baseA, fine-tuned with the rest on B (does transfer improve generalisation?)",
    "RnB": "first n blocks random and frozen; the rest trained on B (random filters)",
    "AnA": "BnB with the halves exchanged",
    "BnA": "AnB with the halves exchanged",
    "AnA+": "BnB+ with the halves exchanged",
    "BnA+": "AnB+ with the halves exchanged",
    "RnA": "RnB with the halves exchanged",
}
_GRAMMAR = re.compile(r"(?P<source>[A-Z])(?P<n>n|\d+)(?P<target>[A-Z]|all)(?P<tuned>\+?)")


@dataclasses.dataclass(frozen=True)
class Treatment:
    """What is done to one network.

    Attributes:
        source: Where the first blocks come from: "A", "B", "R" (random), or None for a base.
        n: Copied blocks, counted from the input; 0 for a base.
        target: The half that it is trained on: "A", "B" or "all".
        fine_tuned: True if the copied blocks go on training.
    """

    source: str | None
    n: int
    target: str
    fine_tuned: bool = False

    @property
    def is_base(self) -> bool:
        """True if nothing is copied."""
        return self.source is None

    @property
    def frozen(self) -> bool:
        """True if the first `n` blocks keep their weights."""
        return not self.is_base and not self.fine_tuned

    @property
    def label(self) -> str:
        """The paper's name: `baseB`, `B4B`, `A4B+`."""
        if self.is_base:
            return f"base{self.target}"
        return f"{self.source}{self.n}{self.target}{'+' if self.fine_tuned else ''}"

    @property
    def family(self) -> str:
        """The treatment without its n: `base`, `BnB`, `AnB+`."""
        return "base" if self.is_base else f"{self.source}n{self.target}{'+' if self.fine_tuned else ''}"

    @property
    def slug(self) -> str:
        """The label as it stands in file names and URLs: `A4B-tuned`."""
        return self.label.replace("+", "-tuned")


def base(target: str) -> Treatment:
    """Returns the base of a half: `base("B").label` is `baseB`."""
    return Treatment(source=None, n=0, target=target)


def parse(text: str, n: int | None = None, target: str | None = None, blocks: int = 8) -> Treatment:
    """Reads a treatment as users and the paper write it.

    Args:
        text: `base`, a name with the letter n (`AnB+`) or with a number in its place (`A4B+`).
        n: Blocks to copy, 1 to `blocks - 1`; needed if `text` says n, forbidden for `base`.
        target: The half of a base, "A", "B" or "all"; forbidden for others, whose name has it.
        blocks: Number of blocks of the network, its head included.

    Returns:
        The treatment.

    Raises:
        ValueError: If the parts are unknown, missing, or contradict each other.

    Example:
        >>> parse("AnB+", n=4).label
        'A4B+'
        >>> parse("B4B").frozen
        True
    """
    if text == "base":
        return _parse_base(n, target)
    match = _GRAMMAR.fullmatch(text)
    known = ", ".join(TREATMENTS)
    if not match or match["source"] not in SOURCES or match["target"] not in TARGETS:
        raise ValueError(
            f"Unknown treatment. Expected one of {known} (or with a number for n, as in B4B+), where the letters are "
            f"A, B or, as a source, R. Received: --treatment={text}"
        )
    if target not in (None, match["target"]):
        raise ValueError(
            f"--target contradicts the treatment, whose last letter is the target. Leave --target out. "
            f"Received: --treatment={text} --target={target}"
        )
    written = None if match["n"] == "n" else int(match["n"])
    if None not in (n, written) and n != written:
        raise ValueError(f"--n contradicts the treatment. Leave --n out. Received: --treatment={text} --n={n}")
    n = written if n is None else n
    if n is None:
        raise ValueError(
            f"--treatment={text} needs the number of blocks to copy. Expected --n=1 to --n={blocks - 1}. Received no --n."
        )
    if not 1 <= n <= blocks - 1:
        raise ValueError(
            f"n must be 1 to {blocks - 1}: the network has {blocks} blocks, and the last, its head, is always trained. "
            f"Received: n={n}"
        )
    if match["source"] == "R" and match["tuned"]:
        raise ValueError(
            f"Random weights which are trained are a base. Use --treatment=base --target={match['target']}. "
            f"Received: --treatment={text}"
        )
    if match["target"] == "all" and match["source"] != "R":
        raise ValueError(
            f"A network trained on all classes has no other half to copy from; only base and Rnall are defined on all. "
            f"Received: --treatment={text}"
        )
    return Treatment(match["source"], n, match["target"], bool(match["tuned"]))


def _parse_base(n: int | None, target: str | None) -> Treatment:
    if n is not None:
        raise ValueError(f"A base copies no blocks. Leave --n out. Received: --treatment=base --n={n}")
    if target not in TARGETS:
        raise ValueError(f"A base needs its half. Expected --target=A, B or all. Received: --target={target or ''}")
    return base(target)


def required_bases(treatment: Treatment) -> tuple[Treatment, ...]:
    """Returns the bases that must exist first: the source, then the one to compare with.

    Example:
        >>> [network.label for network in required_bases(parse("A4B"))]
        ['baseA', 'baseB']
    """
    if treatment.is_base:
        return ()
    letters = [letter for letter in (treatment.source, treatment.target) if letter != "R"]
    return tuple(base(letter) for letter in dict.fromkeys(letters))
