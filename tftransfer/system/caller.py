"""Messages of a command to the Python program that called it as a function: progress, results and failures.

The caller names a file in the environment of the process that it starts; each message is one line of JSON in it. A
command that nobody called writes nothing.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

CHANNEL = "TFTRANSFER_CALLER"
PROGRESS, RESULT, FAILURE = "progress", "result", "failure"


def listens() -> bool:
    """Whether a Python program called this command."""
    return bool(os.environ.get(CHANNEL))


def progress(fraction: float | None, text: str) -> None:
    """Tells how far the work is.

    Args:
        fraction: From 0 to 1; None if it is not known.
        text: What is being done, in a few words.
    """
    _send({"kind": PROGRESS, "fraction": fraction, "text": text})


def result(**values: Any) -> None:
    """Tells what was made, such as the folder of a network: texts, numbers, lists and mappings of them."""
    _send({"kind": RESULT, **values})


def failure(message: str, error: str) -> None:
    """Tells why the command ends.

    Args:
        message: The text that the command also prints.
        error: Name of the exception's class.
    """
    _send({"kind": FAILURE, "message": message, "error": error})


class Parts:
    """Progress of work in parts that follow each other, such as networks.

    Args:
        count: Number of parts.
    """

    def __init__(self, count: int) -> None:
        self._count, self._begun = count, []

    def tell(self, part: str, fraction: float, text: str) -> None:
        """Tells how far a part is, from 0 to 1, and in a few words what it has reached."""
        if part not in self._begun:
            self._begun.append(part)
        of_all = f" ({len(self._begun)} of {self._count})" if self._count > 1 else ""
        progress(min(1.0, (len(self._begun) - 1 + fraction) / max(1, self._count)), f"{text}{of_all}")


def _send(message: Mapping[str, Any]) -> None:
    """Appends a message to the caller's file, if there is a caller that still listens."""
    path = os.environ.get(CHANNEL)
    if not path:
        return
    with contextlib.suppress(OSError), open(path, "ab") as file:  # one write: several processes may send
        file.write(f"{json.dumps({'pid': os.getpid(), **message})}\n".encode())


def messages(path: pathlib.Path, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields the messages of a file from an offset on, each with the offset after it; an unfinished line waits."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield json.loads(line), offset
