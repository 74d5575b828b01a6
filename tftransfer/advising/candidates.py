"""Candidates of an advice: what may be kept, tuned, re-initialised and dropped of a network, and what each costs."""

import dataclasses
import math
from collections.abc import Sequence

from tftransfer.experiment import policies

SCRATCH, TUNED, KEEP_TUNE, KEEP_NEW, KEEP_DROP, ONE_TUNED = (
    "from scratch", "all tuned", "keep, tune the rest", "keep, rest new", "keep, drop the rest", "one block tuned",
)  # fmt: skip
HEAD_ONLY, ALL_TUNED = "head only", "all tuned"
HABITS = (ALL_TUNED, HEAD_ONLY, SCRATCH)
"""Candidates by name that people choose without measuring, and that advice is compared with."""
RELEASE = 1 / 3  # of the steps of LP-FT train the head alone
DECAY = 0.9  # factor on the rate from block to block, AutoGluon's default
MOST_CUTS, MOST_SINGLE = 8, 4
_PASSES = {policies.NEW: 3.0, policies.TUNE: 3.0, policies.KEEP: 2.0, policies.DROP: 0.0}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way to use a network for new images.

    Attributes:
        name: Unique, readable: the policy, or a habit's name.
        policy: Decisions on all blocks, as run lengths; `n8` for a network from scratch.
        family: Candidates of one family differ in where the network is cut.
        depth: Fraction of the network's arithmetic that is kept, 0 to 1; NaN for candidates on no line of cuts.
        release: Fraction of the steps in which the head trains alone.
        decay: Factor on the learning rate from each block to the one below it.
    """

    name: str
    policy: str
    family: str
    depth: float = math.nan
    release: float = 0.0
    decay: float = 1.0

    @property
    def decisions(self) -> str:
        """One letter for each block."""
        return policies.decisions(self.policy)

    @property
    def kept(self) -> int:
        """Number of blocks from the input that are kept."""
        return policies.frozen_from_input(self.decisions)

    @property
    def is_scratch(self) -> bool:
        """Whether nothing is copied."""
        return self.family == SCRATCH

    @property
    def words(self) -> str:
        """What to do, as the beginning of a sentence."""
        if self.is_scratch:
            return "Train from scratch"
        if self.release:
            return "Train a new head alone first, then all blocks with it"
        if self.decay != 1:
            return f"Tune all blocks, each at {self.decay:g} times the rate of the one above it, new head"
        return _in_words(self.decisions)

    def cost(self, work: Sequence[float]) -> float:
        """Returns the arithmetic of one training step, relative to a step that trains the whole network.

        Kept blocks at the input count nothing: their features are computed once.

        Args:
            work: Multiply-adds of each block for one image.
        """
        passes = [0.0 if i < self.kept else _PASSES[letter] for i, letter in enumerate(self.decisions)]
        return sum(p * w for p, w in zip(passes, work, strict=True)) / (3.0 * sum(work))


def _in_words(decisions: str) -> str:
    verbs = {policies.KEEP: "keep", policies.TUNE: "tune", policies.NEW: "re-initialise", policies.DROP: "drop"}
    parts, first = [], 0
    letters = decisions[:-1]
    while first < len(letters):
        last = first
        while last + 1 < len(letters) and letters[last + 1] == letters[first]:
            last += 1
        which = f"block {first + 1}" if first == last else f"blocks {first + 1} to {last + 1}"
        which = "all blocks" if first == 0 and last == len(letters) - 1 else which
        parts.append(f"{verbs[letters[first]]} {which}")
        first = last + 1
    text = ", ".join([*parts, "new head"])
    return text[0].upper() + text[1:]


def cuts(work: Sequence[float], most: int) -> list[int]:
    """Returns numbers of kept blocks, from 1 to all below the head but one, spread evenly by the cost below them.

    Args:
        work: Multiply-adds of each block, the head last.
        most: Their largest number.
    """
    possible = list(range(1, len(work) - 1))
    if len(possible) <= most:
        return possible
    whole = sum(work[:-1])
    below = [sum(work[:n]) / whole for n in possible]
    chosen: list[int] = []
    for i in range(most):
        wanted = (i + 1) / (most + 1)
        left = [n for n in possible if n not in chosen]
        chosen.append(min(left, key=lambda n: (abs(below[n - 1] - wanted), n)))
    return sorted(chosen)


def make(work: Sequence[float], most_cuts: int = MOST_CUTS, singles: int = MOST_SINGLE) -> list[Candidate]:
    """Returns the candidates, habits first.

    Args:
        work: Multiply-adds of each block, the head last; two blocks at least, and three for any cut.
        most_cuts: Largest number of cuts in each family that has some.
        singles: Largest number of candidates that tune one block.

    Raises:
        ValueError: If the network cannot be cut below its head.
    """
    blocks = len(work)
    if blocks < 2:
        raise ValueError("The network has no block below its head, so there is nothing to keep, tune or drop.")
    below, whole = blocks - 1, sum(work[:-1]) or 1.0
    found = [
        Candidate(SCRATCH, f"n{blocks}", SCRATCH),
        Candidate(HEAD_ONLY, f"k{below}n1", KEEP_TUNE, 1.0),
        Candidate(ALL_TUNED, f"t{below}n1", KEEP_TUNE, 0.0),
        Candidate("head first, then all", f"t{below}n1", TUNED, release=RELEASE),
        Candidate("all tuned, decaying rates", f"t{below}n1", TUNED, decay=DECAY),
    ]
    if not most_cuts:
        return found
    for n in cuts(work, most_cuts):
        depth, rest = sum(work[:n]) / whole, below - n
        found += [
            Candidate(f"k{n}t{rest}n1", f"k{n}t{rest}n1", KEEP_TUNE, depth),
            Candidate(f"k{n}n{rest + 1}", f"k{n}n{rest + 1}", KEEP_NEW, depth),
            Candidate(f"k{n}d{rest}n1", f"k{n}d{rest}n1", KEEP_DROP, depth),
        ]
    for n in cuts(work, singles) if singles else []:
        runs = [("k", n - 1), ("t", 1), ("k", below - n), ("n", 1)]
        policy = "".join(f"{letter}{count}" for letter, count in runs if count)
        if policy not in {c.policy for c in found}:
            found.append(Candidate(policy, policy, ONE_TUNED, (sum(work[:n]) - work[n - 1] / 2) / whole))
    return found
