"""What a user is told while images are prepared."""

import sys
import time
from collections.abc import Callable

from tftransfer.data.store import Store
from tftransfer.system import escaping

# Before that the first shards say too little, as processes are still starting.
SECONDS_BEFORE_FORECAST = 2.0


def notes(store: Store) -> list[str]:
    """Returns what was noticed while the images were prepared, in one line or none."""
    said = [_note(name, count) for name, count in sorted(store.notes.items()) if name != "mode_RGB"]
    if store.left_out:
        reasons = [f"{path} ({reason})" for path, reason in store.left_out.items()]
        said.append(f"left out: {escaping.first(reasons)}")
    return [f"images: {'; '.join(said)}"] if said else []


def _note(name: str, count: int) -> str:
    """Returns what was noticed while images were prepared, as a user reads it."""
    if name.startswith("mode_"):
        return f"{count} of mode {escaping.terminal(name.removeprefix('mode_'))} were converted to RGB"
    return f"{count} {escaping.terminal(name.replace('_', ' '))}"


def printer(dataset: str, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Returns a function that tells how far preparation is: in place in a terminal, else in a few lines.

    Args:
        dataset: Name of the data set.
        clock: Returns the time in seconds.
    """
    last, first, name = -1, None, escaping.terminal(dataset)

    def show(done: int, total: int) -> None:
        nonlocal last, first
        first = first or (clock(), done)  # what was there before says nothing of the speed
        tenth = 10 * done // max(1, total)
        line = f"preparing {name}: {done} of {total} images{_left(clock() - first[0], done - first[1], total - done)}"
        if sys.stderr.isatty():
            # Blanks cover what is left of a longer line before.
            print(f"\r{line:<79}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif tenth != last:
            print(line, file=sys.stderr, flush=True)
        last = tenth

    return show


def _left(seconds: float, made: int, to_come: int) -> str:
    """Returns how long the images will take that are to come, by the speed so far; nothing if that is not known."""
    if not to_come or not made or seconds < SECONDS_BEFORE_FORECAST:
        return ""
    left = seconds * to_come / made
    return f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"
