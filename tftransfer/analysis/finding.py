"""One thing that a reader must know before trusting a study."""

import dataclasses
from collections.abc import Sequence

from tftransfer.system import escaping

WARNING, NOTE = "warning", "note"
_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes:
        weight: "warning": numbers are missing or may mislead. "note": how they are meant.
        topic: One or two words.
        text: A sentence.
    """

    weight: str
    topic: str
    text: str


def some(names: Sequence[str]) -> str:
    """Returns the first names and how many more there are."""
    return escaping.first(names, _SHOWN)


def networks(count: int) -> str:
    """Returns a number of networks in words: `1 network`."""
    return f"{count} network{'' if count == 1 else 's'}"
