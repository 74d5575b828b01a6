"""Options as dataclass fields with section, help and check, from which flags are made."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

DATA, SPLIT, MODEL, RECIPE, MACHINE, COMMAND = "data", "split", "model", "recipe", "machine", "command"
SECTIONS = {
    COMMAND: "What to do",
    DATA: "Images",
    SPLIT: "Halves A and B",
    MODEL: "Network",
    RECIPE: "Training",
    MACHINE: "Where and how it runs (does not change results)",
}
MOST = 1e9  # the largest count: far beyond any use, and no arithmetic with it overflows

Check = Callable[[Any], str | None]


def at_least(low: float) -> Check:
    """Accepts `low <= value <= MOST`."""
    return lambda value: None if low <= value <= MOST else f"at least {low}, at most {MOST:,.0f}"


def above(low: float) -> Check:
    """Accepts `low < value`."""
    return lambda value: None if value > low else f"more than {low}"


def within(low: float, high: float) -> Check:
    """Accepts `low <= value < high`."""
    return lambda value: None if low <= value < high else f"from {low} to below {high}"


def one_of(known: Mapping[str, Any] | tuple[str, ...]) -> Check:
    """Accepts known names; the expectation for others has the names nearest to them."""

    def check(value: str) -> str | None:
        if value in known:
            return None
        near = difflib.get_close_matches(value, known, n=3)
        return "one of " + ", ".join(known) + (f" (did you mean {' or '.join(near)}?)" if near else "")

    return check


def plain_name(value: str) -> str | None:
    """Accepts names that are safe as one component of a path and of a URL."""
    fine = all(c.isascii() and (c.isalnum() or c in "._-") for c in value) and not value.startswith((".", "-"))
    return None if fine and len(value) <= 120 else "at most 120 ASCII letters, digits, '.', '_', '-', no '.' first"


def name_list(value: str) -> str | None:
    """Accepts names with commas between them, each once, or an empty text."""
    names = value.split(",")
    return None if not value or (all(names) and len(set(names)) == len(names)) else "NAME,NAME,... each once"


def auto_or_minutes(value: str) -> str | None:
    """Accepts `auto` and numbers of minutes of at least 0."""
    try:
        fine = value == "auto" or 0 <= float(value) < math.inf
    except ValueError:
        fine = False
    return None if fine else "auto or a number of minutes of at least 0"


def no_nul(value: str) -> str | None:
    """Accepts texts that can be paths."""
    return None if "\0" not in value else "a path without NUL characters"


def some_path(value: str) -> str | None:
    """Accepts texts that can be paths, except the empty one, which would mean this folder."""
    return no_nul(value) if value else "a folder, which may be . for this one"


def option(default: Any, section: str, help_: str, check: Check | None = None, choices: Any = None) -> Any:
    """Returns a dataclass field with the metadata of a flag.

    Args:
        default: Default value; the flag has its type.
        section: Key of `SECTIONS`.
        help_: Text in `--help`.
        check: Function from a value to the expectation that it breaks; None if the value is fine.
        choices: Names that it accepts, in place of a check.
    """
    check = one_of(choices) if choices else check
    return dataclasses.field(
        default=default, metadata={"section": section, "help": help_, "check": check, "choices": choices}
    )


def check_fields(config: Any) -> None:
    """Raises ValueError, with option, expectation and value, if a field fails its check."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"Bad --{field.name}. Expected a finite number. Received: {value}")
        check = field.metadata["check"]
        expected = check(value) if check and value is not None else None
        if expected:
            raise ValueError(f"Bad --{field.name} ({field.metadata['help']}). Expected {expected}. Received: {value!r}")
