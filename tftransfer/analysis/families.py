"""Families of treatments and pairs of tasks in words, also those that the paper has no name for."""

import re

from tftransfer.experiment import policies

_POLICY = re.compile(r"(?P<source>[A-Z]):(?P<policy>[^:]+):(?P<target>A|B|all)(?:-w(?P<digits>[0-9a-f]+))?")
_WRITTEN = re.compile(r"([ktnd][1-9][0-9]{0,3})+")
# Of families that differ in the first run alone.
_RUNS = {
    "ktn": "first n blocks kept, the rest tuned",
    "kdn": "first n blocks kept, the rest dropped (linear probe)",
    "tkn": "first n blocks tuned, the rest kept",
    "tdn": "first n blocks tuned, the rest dropped",
}
_OF_PAPER = {
    "AnB": "first n blocks kept, the rest new",
    "AnB+": "first n blocks tuned, the rest new",
    "BnB": "first n blocks of the own base kept, the rest new",
    "BnB+": "first n blocks of the own base tuned, the rest new",
    "RnB": "first n blocks random and frozen, the rest new",
    "SnB": "first n blocks random with learnt statistics, the rest new",
}


def are_halves(kind: str) -> bool:
    """Whether a value of `halves` says that A and B are halves of one data set, or all classes of it."""
    return kind != "whole" and not kind.startswith("from-")


def of_classes(kind: str) -> str:
    """Returns the classes of B where A and B are no halves, in words.

    Example:
        >>> of_classes("whole"), of_classes("from-motifs")
        ('all classes of B', 'all classes of B (A is motifs)')
    """
    return "all classes of B" + (f" (A is {kind.removeprefix('from-')})" if kind.startswith("from-") else "")


def is_policy(treatment: str) -> bool:
    """Whether a treatment is named by its policy, as the paper has no name for it."""
    return ":" in treatment


def is_single(treatment: str) -> bool:
    """Whether a treatment is one policy: there is no n that could be another number.

    Example:
        >>> is_single("A:k2t1k4n1:B"), is_single("A:ktn:B"), is_single("AnB")
        (True, False, False)
    """
    match = _POLICY.fullmatch(treatment)
    return bool(match) and any(letter.isdigit() for letter in match["policy"])


def explained(treatment: str, kind: str = "random") -> str:
    """Returns a treatment in words; "" for those that the paper's names explain.

    Args:
        treatment: As in the frame of networks.
        kind: The kind of halves that its networks are of.

    Example:
        >>> explained("A:ktn:B-w1a2b3c4d", "whole")
        'first n blocks kept, the rest tuned, from weights 1a2b3c4d'
        >>> explained("A:k2t1k4n1:B")
        'blocks 1 to 2 kept, 3 tuned, 4 to 7 kept, new head, from the other half'
        >>> explained("AnB"), explained("AnB", "from-motifs")
        ('', 'first n blocks kept, the rest new, from motifs')
    """
    match = _POLICY.fullmatch(treatment)
    if match:
        text = _RUNS.get(match["policy"])
        if not text:
            text = policies.in_words(match["policy"]) if _WRITTEN.fullmatch(match["policy"]) else match["policy"]
        return f"{text}{_origin(match['source'], match['digits'], kind)}"
    family, _, digits = treatment.partition("-w")
    if are_halves(kind) or family not in _OF_PAPER:
        return ""
    return f"{_OF_PAPER[family]}{_origin(family[0], digits, kind) if family[0] == 'A' else ''}"


def _origin(source: str, digits: str | None, kind: str) -> str:
    """Returns the origin of copied blocks as the end of a phrase; "" where it is not known."""
    if digits:
        return f", from weights {digits}"
    if source == "A" and kind.startswith("from-"):
        return f", from {kind.removeprefix('from-')}"
    other = "the other half" if are_halves(kind) else ""
    where = {"A": other, "B": "the own base", "R": "random weights", "S": "random weights with learnt statistics"}
    return f", from {where[source]}" if where.get(source) else ""
