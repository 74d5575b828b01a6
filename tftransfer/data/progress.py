"""What a user is told while images are prepared."""

import sys
from collections.abc import Callable

from tftransfer import outlets
from tftransfer.data.store import Store


def notes(store: Store) -> list[str]:
    """Returns what was noticed while the images were prepared, in one line or none."""
    said = [_note(name, count) for name, count in sorted(store.notes.items()) if name != "mode_RGB"]
    return [f"images: {'; '.join(said)}"] if said else []


def _note(name: str, count: int) -> str:
    """Returns what was noticed while images were prepared, as a user reads it."""
    if name.startswith("mode_"):
        return f"{count} of mode {name.removeprefix('mode_')} were converted to RGB"
    return f"{count} {name.replace('_', ' ')}"


def printer(dataset: str) -> Callable[[int, int], None]:
    """Returns a function that tells how far preparation is: in place in a terminal, else in a few lines."""
    last, name = -1, outlets.terminal(dataset)

    def show(done: int, total: int) -> None:
        nonlocal last
        tenth = 10 * done // max(1, total)
        if sys.stderr.isatty():
            print(f"\rpreparing {name}: {done} of {total} images", end="\n" if done == total else "", file=sys.stderr)
        elif tenth != last:
            print(f"preparing {name}: {done} of {total} images", file=sys.stderr, flush=True)
        last = tenth

    return show
