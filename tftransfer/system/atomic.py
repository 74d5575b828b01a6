"""Files that are written as a whole or not at all, also for other processes and after a crash; the umask applies."""

import os
import pathlib
import secrets
from collections.abc import Callable
from typing import BinaryIO


def write(path: str | os.PathLike[str], content: bytes | Callable[[BinaryIO], None]) -> None:
    """Writes a temporary file beside a path, brings it to the disk, and then renames it.

    Args:
        path: Path of the file; a file that is there is replaced.
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
    """Writes a text file, in UTF-8, as a whole or not at all; makes its folder if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text.encode())
