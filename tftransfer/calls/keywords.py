"""Keyword arguments to options: Python values in place of texts and comma lists, unknown names refused."""

import dataclasses
import datetime
import difflib
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

FLAGFILE = "flagfile"


def words(config_class: type, options: Mapping[str, Any]) -> list[str]:
    """Returns the options of a command line that keyword arguments stand for.

    Args:
        config_class: A dataclass of `cli.options.option` fields, whose names the keywords have.
        options: Values by name: numbers, texts, paths, bools, `range` and other collections (written with commas),
            mappings (`name:value` with commas), `datetime.timedelta`. None stands for the default.

    Raises:
        ValueError: If a name is unknown, with the nearest ones, or a value is of a type that its option does not take.

    Example:
        >>> from tftransfer.experiment.config import Config
        >>> words(Config, {"steps": 20, "keep_weights": False, "blocks": ["conv1", "conv3"]})
        ['--steps=20', '--nokeep_weights', '--blocks=conv1,conv3']
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    given = {name: value for name, value in options.items() if value is not None}
    _check_names(given, fields)
    found = []
    for name, value in given.items():
        if name == FLAGFILE:
            found += [f"--{FLAGFILE}={path}" for path in _each(value)]
        elif isinstance(fields[name].default, bool):
            found.append(f"--{'' if _truth(name, value) else 'no'}{name}")
        elif isinstance(fields[name].default, tuple):  # an option that may be repeated
            found += [f"--{name}={_grid(one)}" for one in ([value] if isinstance(value, str | Mapping) else value)]
        else:
            found.append(f"--{name}={_text(name, value, fields[name].default)}")
    return found


def _check_names(given: Iterable[str], fields: Mapping[str, Any]) -> None:
    """Raises ValueError if one of the names is no option."""
    known = [*fields, FLAGFILE]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f" Did you mean: {', '.join(near)}?" if near else " The options are those of the command."
            raise ValueError(f"Unknown option {name!r}.{hint}")


def _truth(name: str, value: Any) -> bool:
    """Returns the value of a switch."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is a switch. Expected True or False. Received: {value!r}")
    return bool(value)


def _text(name: str, value: Any, default: Any) -> str:
    """Returns a value as the text of an option with the given default."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{_one(name, one)}" for key, one in value.items())
    if isinstance(value, Iterable) and not isinstance(default, int | float):
        return ",".join(_one(name, one) for one in value)
    return _one(name, value)


def _one(name: str, value: Any) -> str:
    """Returns a number or a text as it stands on a command line."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is no switch. Received: {value!r}")
    if isinstance(value, float | np.floating):
        return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    try:
        return repr(operator.index(value))
    except TypeError:
        raise ValueError(
            f"{name} takes numbers, texts, and lists of them where the command takes commas. Received: {value!r}"
        ) from None


def _each(value: Any) -> list[str]:
    """Returns one path or several as a list."""
    return [os.fspath(value)] if isinstance(value, str | os.PathLike) else [os.fspath(one) for one in value]


def _grid(value: Any) -> str:
    """Returns one more grid of a sweep, a text or axes by name, as `--cells` takes it."""
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_text(name, axis, '')}" for name, axis in value.items())
    return os.fspath(value)
