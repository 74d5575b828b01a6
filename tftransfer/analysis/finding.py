"""One thing that a reader must know before trusting a study."""

import dataclasses

WARNING, NOTE = "warning", "note"


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
