"""Which scores tell something, whatever shows them."""

TOP = 5


def top5(share: float | None, classes: int) -> float | None:
    """Returns a top-5, or None where there are so few classes that every network reaches 100 %.

    Args:
        share: The score, 0 to 1; None if there is none.
        classes: Of the target.

    Example:
        >>> top5(0.75, 6), top5(1.0, 5)
        (0.75, None)
    """
    return share if classes > TOP else None
