"""Messages to users while images are prepared."""

import sys
import time
from collections.abc import Callable, Sequence

from tftransfer.data import duplicates
from tftransfer.data.datasets.dataset import SUBSETS
from tftransfer.data.store import Store
from tftransfer.system import caller, escaping

# Earlier, processes are still starting, and the first shards are no measure of the speed.
SECONDS_BEFORE_FORECAST = 2.0
_NAMED = 3


def notes(store: Store) -> list[str]:
    """Returns a line about unusual images (converted modes, ignored files, images left out) and one about copies.

    What there is none of gives no line.
    """
    counts = [_note(name, count) for name, count in sorted(store.notes.items()) if name != "mode_RGB"]
    if store.left_out:
        reasons = [f"{path} ({reason})" for path, reason in store.left_out.items()]
        counts.append(f"left out: {escaping.first(reasons)}")
    copies = [line for each in store.stores for line in _copies(each)]
    return [*([f"images: {'; '.join(counts)}"] if counts else []), *copies, *_copies_between(store.stores)]


def _copies_between(stores: Sequence[Store]) -> list[str]:
    """Returns a line about validation images of a target that are training images of its source, another data set."""
    if len(stores) == 1:
        return []
    validation, training = (
        each.select(subset, range(len(each.class_names))) for each, subset in zip(stores, ("val", "train"), strict=True)
    )
    found = duplicates.found_between(validation, training, _NAMED)
    if not found["first"]:
        return []
    alike = "" if found["near"] is None else f" and {found['near']} nearly equal"
    named = escaping.first([f"{one} = {other}" for one, other, _ in found["first"]], 2 * _NAMED)
    return [
        f"duplicates: of {len(validation)} validation images, {found['identical']} equal{alike} training images of the "
        f"source: {named}"
    ]


def _copies(store: Store) -> list[str]:
    """Returns a line about validation images that are training images too, and images in two classes, of all halves."""
    training, validation = (store.select(subset, range(len(store.class_names))) for subset in SUBSETS)
    found = duplicates.found_in(training, validation, _NAMED)
    texts = {
        "training": (len(validation), "validation images", "training images"),
        "classes": (len(training) + len(validation), "images", "images of another class"),
    }
    parts = []
    for where, (count, what, others) in texts.items():
        identical, near, first = (found[where][name] for name in ("identical", "near", "first"))
        if first:
            alike = "" if near is None else f" and {near} nearly equal"
            named = escaping.first([f"{one} = {other}" for one, other, _ in first], 2 * _NAMED)
            parts.append(f"of {count} {what}, {identical} equal{alike} {others}: {named}")
    return [f"duplicates: {'; '.join(parts)}"] if parts else []


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
