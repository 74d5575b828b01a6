"""Reading of small files that may come from anybody: records, descriptions, splits, options.

Only regular files are read, to a limit: a pipe or a device may never end, and opening one may block. JSON has limits on
bytes, levels and containers; names must be unique in an object, and numbers finite.
"""

import json
import math
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 20_000_000
"""Size of a file: names of a million classes fit; a record has some thousand bytes."""
DEEPEST = 100
"""Levels of JSON; a model inside a model inside a model has some 30."""
_MOST_CONTAINERS = 1_000_000  # empty ones take 20 times the memory that they take on disk
_LARGEST_WHOLE = 2**63  # exclusive: of tables and arrays
_CHUNK_BYTES = 2**20


def content(path: str | os.PathLike, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns the bytes of a regular file, or of the one that a symbolic link leads to.

    Args:
        path: The file.
        most_bytes: Largest size.

    Raises:
        OSError: If it does not exist or cannot be read.
        ValueError: If it is a folder, a pipe, a device or a socket, or is larger.
    """
    _refuse_irregular(os.stat(path))  # opening a device may already do something
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe in its place must not wait for a writer
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        _refuse_irregular(status)
        if status.st_size > most_bytes:
            raise ValueError(f"it has {status.st_size:,} bytes; {most_bytes:,} are read at most")
        read = b"".join(_pieces(file, most_bytes + 1))
    if len(read) > most_bytes:  # it grows, or its file system reports no sizes
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    return read


def _refuse_irregular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file but a pipe or a device, which may never end")


def _pieces(file: Any, most_bytes: int) -> Iterator[bytes]:
    while most_bytes and (piece := file.read(min(_CHUNK_BYTES, most_bytes))):
        most_bytes -= len(piece)
        yield piece


def read_json(path: str | os.PathLike, most_bytes: int = MOST_BYTES) -> Any:
    """Returns the value in a JSON file.

    Raises:
        OSError: If it does not exist or cannot be read.
        ValueError: If it is not a regular file, not JSON, or beyond the limits.
    """
    return parsed(content(path, most_bytes))


def parsed(text: bytes, infinite: bool = False) -> Any:
    """Returns the value of a JSON text.

    Args:
        text: The JSON, in UTF-8.
        infinite: True allows `Infinity` and `NaN`, which Keras writes.

    Raises:
        ValueError: If it is not JSON, is nested too deeply, has a name twice in an object, or a number out of range.
    """
    containers = text.count(b"[") + text.count(b"{")
    if containers > _MOST_CONTAINERS:
        raise ValueError(f"it has {containers:,} lists and objects; {_MOST_CONTAINERS:,} are read at most")
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_named_once)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from error
    _check(value, infinite)
    return value


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object; one with a name twice, which programs read differently, is refused."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1) if len(names) < 1000 else "something"
        raise ValueError(f"it names {twice[:80]!a} twice in one object")
    return value


def _check(value: Any, infinite: bool) -> None:
    """Raises ValueError if a value is nested too deeply, or has numbers that no table can hold."""
    level = [value]
    for _ in range(DEEPEST + 1):
        if not infinite:
            fault = next((number for number in level if _is_no_number(number)), None)
            if fault is not None:
                raise ValueError(f"it holds {str(fault)[:30]}, which is no number that can be used")
        containers = [outer for outer in level if isinstance(outer, dict | list)]
        if not containers:
            return
        level = [inner for outer in containers for inner in _inside(outer)]
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _inside(value: dict | list) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _is_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) >= _LARGEST_WHOLE


def inside(path: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether a path, its links followed, lies inside a folder."""
    return pathlib.Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
