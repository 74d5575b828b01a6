"""Messages to users while images are prepared."""

import sys
import time
from collections.abc import Callable

from tftransfer.data.store import Store
from tftransfer.system import caller, escaping

# Earlier, processes are still starting, and the first shards are no measure of the speed.
SECONDS_BEFORE_FORECAST = 2.0


def notes(store: Store) -> list[str]:
    """Returns one line about unusual images: converted modes, ignored files, images left out. None gives no line."""
    counts = [_note(name, count) for name, count in sorted(store.notes.items()) if name != "mode_RGB"]
    if store.left_out:
        reasons = [f"{path} ({reason})" for path, reason in store.left_out.items()]
        counts.append(f"left out: {escaping.first(reasons)}")
    return [f"images: {'; '.join(counts)}"] if counts else []


def _note(name: str, count: int) -> str:
    """Returns one of the store's counts in words."""
    if name.startswith("mode_"):
        return f"{count} of mode {escaping.terminal(name.removeprefix('mode_'))} were converted to RGB"
    return f"{count} {escaping.terminal(name.replace('_', ' '))}"


def printer(dataset: str, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Returns a function that prints the progress of preparation: in place in a terminal, else in a few lines.

    Args:
        dataset: Name of the data set.
        clock: Returns the time in seconds.
    """
    last, first, name = -1, None, escaping.terminal(dataset)

    def show(done: int, total: int) -> None:
        nonlocal last, first
        first = first or (clock(), done)  # shards kept from before are no measure of the speed
        tenth = 10 * done // max(1, total)
        line = f"preparing {name}: {done} of {total} images{_left(clock() - first[0], done - first[1], total - done)}"
        caller.progress(None, line)
        if sys.stderr.isatty():
            # Blanks cover what is left of a longer line before.
            print(f"\r{line:<79}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif tenth != last:
            print(line, file=sys.stderr, flush=True)
        last = tenth

    return show


def _left(seconds: float, made: int, to_come: int) -> str:
    """Returns the time left in words, by the speed so far; an empty text while the speed is not known."""
    if not to_come or not made or seconds < SECONDS_BEFORE_FORECAST:
        return ""
    left = seconds * to_come / made
    return f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"
