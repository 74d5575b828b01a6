"""Small files that anybody may have written: records, descriptions, splits, options. Read to a limit, or refused.

What is read is a regular file: a pipe or a device may never end, and opening one may wait for ever. JSON in it has no
more bytes, levels and containers than such a file can need, names nothing twice, and its numbers are numbers.
"""

import json
import math
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 20_000_000
"""Of a file: names of a million classes; a record has some thousand bytes."""
DEEPEST = 100
"""Levels of JSON; a model inside a model inside a model has some 30."""
_MOST_CONTAINERS = 1_000_000  # empty ones take 20 times the memory that they take on disk
_LARGEST_WHOLE = 2**63  # exclusive; what tables and arrays can hold
_CHUNK_BYTES = 2**20


def content(path: str | os.PathLike, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns the bytes of a regular file, or of the one that a symbolic link leads to.

    Args:
        path: The file.
        most_bytes: No more are read.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If it is a folder, a pipe, a device or a socket, or has more bytes.
    """
    _refuse_irregular(os.stat(path))  # opening a device may already do something
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe in its place must not wait for a writer
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        _refuse_irregular(found)
        if found.st_size > most_bytes:
            raise ValueError(f"it has {found.st_size:,} bytes; {most_bytes:,} are read at most")
        read = b"".join(_pieces(file, most_bytes + 1))
    if len(read) > most_bytes:  # it grows, or lies in a file system that tells no sizes
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    return read


def _refuse_irregular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file but a pipe or a device, which may never end")


def _pieces(file: Any, most_bytes: int) -> Iterator[bytes]:
    while most_bytes and (piece := file.read(min(_CHUNK_BYTES, most_bytes))):
        most_bytes -= len(piece)
        yield piece


def read_json(path: str | os.PathLike, most_bytes: int = MOST_BYTES) -> Any:
    """Returns the value in a file of JSON.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If it is no regular file, is no JSON, or has more than such files can need.
    """
    return parsed(content(path, most_bytes))


def parsed(text: bytes, infinite: bool = False) -> Any:
    """Returns the value of JSON that was read to a limit.

    Args:
        text: The JSON, in UTF-8.
        infinite: True allows `Infinity` and `NaN`, which Keras writes.

    Raises:
        ValueError: If it is no JSON, is nested too deeply, names something twice, or a number in it is none.
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
    """Returns an object; one that says two things under one name would be read differently by different programs."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1) if len(names) < 1000 else "something"
        raise ValueError(f"it names {twice[:80]!a} twice in one object")
    return found


def _check(value: Any, infinite: bool) -> None:
    """Raises ValueError for what is too deep, and for numbers that no table can hold."""
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
    """Returns True unless links lead from a path to what lies outside of a folder."""
    return pathlib.Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
