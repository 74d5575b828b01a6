"""What networks of both directions have in common: a treatment's role, a split's kind."""

from tftransfer.experiment.treatments import role, variant

__all__ = ["BASE", "halves", "role", "variant"]

BASE = "base"


def halves(split: str) -> str:
    """Returns the kind of a split: `random0` and `random3` are both `random`."""
    return "random" if split.startswith("random") and split.removeprefix("random").isdigit() else split
