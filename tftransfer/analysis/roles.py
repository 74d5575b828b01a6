"""What networks of both directions have in common: a treatment's role, a split's kind."""

from tftransfer.experiment.treatments import Treatment, variant

__all__ = ["BASE", "halves", "role", "variant"]

BASE = "base"


def role(treatment: Treatment) -> str:
    """Returns a treatment's family, written for target B.

    Example:
        >>> from tftransfer.experiment import treatments
        >>> role(treatments.parse("B4A+"))
        'AnB+'
        >>> role(treatments.parse("A4A")), role(treatments.parse("R4all")), role(treatments.base("A"))
        ('BnB', 'RnB', 'base')
    """
    letters = {"A": "B", "B": "A"} if treatment.target == "A" else {"A": "A", "B": "B"}
    if treatment.is_base:
        return BASE + (f"-plus{letters[treatment.longer_by]}" if treatment.longer_by else "")
    return f"{letters.get(treatment.source, treatment.source)}nB{'+' if treatment.fine_tuned else ''}{treatment.origin}"


def halves(split: str) -> str:
    """Returns the kind of a split: `random0` and `random3` are both `random`."""
    return "random" if split.startswith("random") and split.removeprefix("random").isdigit() else split
