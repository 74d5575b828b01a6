"""Policies: one decision per block, from the input to the head, written as run lengths such as `k4t3n1`.

    k  kept: copied and frozen          n  new: initialised and trained
    t  tuned: copied and trained        d  dropped: left out; the head stands on the last block that is left

The head, the last block, is always new. The treatments of Yosinski et al. 2014 are special cases: AnB is `k4n4`, AnB+
`t4n4`, a base `n8`.
"""

import itertools
import re

KEEP, TUNE, NEW, DROP = "k", "t", "n", "d"
REST = "*"
DECISIONS = {
    KEEP: "copied and frozen",
    TUNE: "copied and trained",
    NEW: "initialised and trained",
    DROP: "left out, only directly below the head",
}
_RUN = re.compile(r"([ktnd])([1-9][0-9]{0,3}|\*)")
_GRAMMAR = re.compile(rf"(?:{_RUN.pattern})+")
_EXAMPLES = "as in k4t3n1 (keep 4 blocks, tune 3, new head), k4d3n1 or k*n1 (* stands for the rest)"


def parse(text: str, blocks: int | None = None) -> str:
    """Reads a policy.

    Args:
        text: Run lengths such as `k2t1k4n1`. One of them may be `*`, which stands for the blocks that the others leave.
        blocks: Number of blocks of the network, its head included; None if it is not known yet.

    Returns:
        The policy with numbers in the place of `*`, neighbouring runs of one letter joined; with `*` as it is where
        the number of blocks is not known.

    Raises:
        ValueError: If it is no policy, or none of a network with that many blocks.

    Example:
        >>> parse("k2t*n1", 8)
        'k2t5n1'
    """
    if not _GRAMMAR.fullmatch(text):
        raise ValueError(
            f"A policy is run lengths of k (keep), t (tune), n (new) and d (drop), {_EXAMPLES}. Received: {text!r}"
        )
    runs = [(letter, count) for letter, count in _RUN.findall(text)]
    if sum(count == REST for _, count in runs) > 1:
        raise ValueError(f"Only one run of a policy may be the rest, *. Received: {text!r}")
    text = _filled(text, runs, blocks)
    _check_order(text)
    return text if REST in text else written(decisions(text))


def _filled(text: str, runs: list[tuple[str, str]], blocks: int | None) -> str:
    """Returns a policy with a number in the place of `*`, after a check of its length."""
    counted = sum(int(count) for _, count in runs if count != REST)
    has_rest = counted != sum(1 if count == REST else int(count) for _, count in runs)
    if blocks is None:
        return text
    if counted > blocks or (counted < blocks and not has_rest):
        raise ValueError(
            f"A policy has one decision for each block: the network has {blocks} blocks, its head included. "
            f"Received: {text}, which decides {counted}. A * stands for the blocks that are left, as in k4t*n1."
        )
    rest = blocks - counted
    return "".join(f"{letter}{rest if count == REST else count}" for letter, count in runs if count != REST or rest)


def _check_order(text: str) -> None:
    """Raises ValueError if the head is not new, or blocks are dropped elsewhere than below it."""
    runs = _RUN.findall(text)
    letters = "".join(letter for letter, _ in runs)
    if not letters.endswith(NEW):
        raise ValueError(f"The head of a network is always new, so a policy ends with n1. Received: {text}")
    if DROP in letters and not re.fullmatch("[ktn]+d+n+", letters):
        raise ValueError(
            f"Blocks are dropped from the top, directly below the head, and at least one stays, as in k4d3n1. "
            f"Received: {text}"
        )
    above = [count for letter, count in runs[letters.rfind(DROP) + 1 :]]
    if DROP in letters and above not in (["1"], [REST]):
        raise ValueError(f"Only the head stands above dropped blocks, as in k4d3n1. Received: {text}")


def decisions(text: str) -> str:
    """Returns a policy as one letter for each block.

    Example:
        >>> decisions("k2t1n2")
        'kktnn'
    """
    return "".join(letter * int(count) for letter, count in _RUN.findall(text))


def written(letters: str) -> str:
    """Returns one letter for each block as run lengths.

    Example:
        >>> written("kktnn")
        'k2t1n2'
    """
    return "".join(f"{letter}{len(list(run))}" for letter, run in itertools.groupby(letters))


def frozen_from_input(letters: str) -> int:
    """Returns the number of kept blocks before the first that is not kept."""
    return len(letters) - len(letters.lstrip(KEEP))


def family(text: str) -> tuple[str, int]:
    """Returns what policies with another number of blocks in their first run have in common, and that number.

    Where the number of blocks leaves only this one free, as in `k4t3n1`, the letters are common (`ktn`); else the
    whole policy is.

    Example:
        >>> family("k4t3n1"), family("k2t1k4n1")
        (('ktn', 4), ('k2t1k4n1', 2))
    """
    runs = _RUN.findall(text)
    letters = "".join(letter for letter, _ in runs)
    first = int(runs[0][1]) if runs[0][1] != REST and runs[0][0] in (KEEP, TUNE) else 0
    free = len(runs) - (runs[-1] == (NEW, "1"))
    return (letters if free <= 2 and first else text), first


def in_words(text: str) -> str:
    """Returns a policy as a sentence's part.

    Example:
        >>> in_words("k4t3n1")
        'blocks 1 to 4 kept, 5 to 7 tuned, new head'
    """
    verbs = {KEEP: "kept", TUNE: "tuned", NEW: "new", DROP: "dropped"}
    letters, parts, first = decisions(text), [], 1
    for letter, run in itertools.groupby(letters[:-1]):
        last = first + len(list(run)) - 1
        numbers = str(first) if first == last else f"{first} to {last}"
        parts.append(f"{numbers} {verbs[letter]}")
        first = last + 1
    return ", ".join([f"block{'s' if len(letters) > 2 else ''} {parts[0]}", *parts[1:], "new head"])
