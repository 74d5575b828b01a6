"""Command modules that can be called: `tftransfer.run("AnB", n=4)` does what `python -m tftransfer.run` does."""

import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from tftransfer.calls import child, keywords, objects
from tftransfer.calls.errors import CommandError
from tftransfer.cli import command_line

_ANSWERS = ("dry_run", "list", "list_blocks", "status", "version")  # options that print and stop


def make_callable(
    name: str, config_class: type, doc: str, first: str = "", returns: Callable[[Mapping[str, Any]], Any] | None = None
) -> None:
    """Makes the module of a command callable, with the command's options as keyword arguments.

    The call runs the command in a process of its own, with the same checks, defaults and records.

    Args:
        name: The module's `__name__`; nothing is done for `__main__`.
        config_class: The dataclass of its options.
        doc: Docstring of the call.
        first: The option that may be given without its name.
        returns: Function from what the command told its caller (`caller.result`) to what the call returns.
    """
    if name == "__main__":
        return
    command = name.rpartition(".")[2]

    def call(self: types.ModuleType, *values: Any, **options: Any) -> Any:
        return _call(command, config_class, _named(command, first, values, options), returns)

    call.__doc__, call.__name__, call.__signature__ = doc, command, _signature(config_class, first)
    sys.modules[name].__class__ = type("Command", (types.ModuleType,), {"__call__": call, "__doc__": None})


def _named(command: str, first: str, values: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Returns options by name, the first of which may have come without."""
    if len(values) > bool(first):
        which = f"{first} may come without its name; all others" if first else "All options"
        raise ValueError(f"{command}() takes its options by name. {which} are keyword arguments. Received: {values!r}")
    if values and first in options:
        raise ValueError(f"{first} is given twice: {values[0]!r} and {options[first]!r}.")
    return {first: values[0], **options} if values else options


def _signature(config_class: type, first: str) -> inspect.Signature:
    """Returns the signature of a command's call, for help and completion."""
    kinds = inspect.Parameter
    parameters = [kinds("self", kinds.POSITIONAL_ONLY)]
    fields = sorted(dataclasses.fields(config_class), key=lambda field: field.name != first)
    for field in fields:
        kind = kinds.POSITIONAL_OR_KEYWORD if field.name == first else kinds.KEYWORD_ONLY
        parameters.append(kinds(field.name, kind, default=field.default))
    return inspect.Signature([*parameters, kinds(keywords.FLAGFILE, kinds.KEYWORD_ONLY, default=None)])


def _call(
    command: str, config_class: type, options: Mapping[str, Any], returns: Callable[[Mapping[str, Any]], Any] | None
) -> Any:
    """Runs a command with options by name; returns what it made, or None."""
    words = keywords.words(config_class, objects.replaced(config_class, options))
    command_line.parse(config_class, words, "")  # refuses wrong options before a process starts
    answers = any(options.get(name) for name in _ANSWERS)
    try:
        ended = child.run(f"tftransfer.{command}", words, command, lines=answers)
    except CommandError as error:
        error.result = returns(error.result) if returns and error.result else None
        raise
    return returns(ended.result) if returns and ended.result else None
