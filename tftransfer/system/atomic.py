"""Files that other processes, and a crash, see as a whole or not at all; who may read them is what the umask says."""

import os
import pathlib
import secrets
from collections.abc import Callable
from typing import BinaryIO


def write(path: str | os.PathLike[str], content: bytes | Callable[[BinaryIO], None]) -> None:
    """Writes a file beside its place, brings it to the disk, and then renames it.

    Args:
        path: Its place; what is there gives way.
        content: Its bytes, or a function that writes them into an open file.

    Raises:
        OSError: If it cannot be written; then nothing has changed.
    """
    goal = pathlib.Path(path)
    beside = goal.with_name(f".{goal.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, goal)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file so that other processes, and a crash, see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text.encode())
