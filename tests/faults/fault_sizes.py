"""How much the fault tests do: by default what some minutes allow, with TFTRANSFER_FAULTS=full all of it."""

import os

FULL = os.environ.get("TFTRANSFER_FAULTS") == "full"


def pick(quick: int, full: int) -> int:
    """Returns one of two sizes."""
    return full if FULL else quick
