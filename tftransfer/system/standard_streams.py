"""Standard input, output and error: a process may be started without them, and lose them while it runs."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE
EXIT_UNWRITTEN = 2  # as of any file that cannot be written


class _Terminal(io.FileIO):
    """A terminal: what is written after it has been closed goes nowhere, so that a training can still save itself."""

    def write(self, content: Any) -> int | None:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            _silence(self.fileno())
            return len(content)


def open_all() -> None:
    """Opens those that are closed as /dev/null, and makes the others take any text.

    Where one is closed, the next file that is opened would have its number: libraries would write into a record.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _silence(number)
    _open_missing()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if number and _is_terminal(stream, number):
            raw = io.BufferedWriter(_Terminal(number, "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, line_buffering=True))
        if number and hasattr(getattr(sys, name), "reconfigure"):  # names of files may hold what no encoding can say
            getattr(sys, name).reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Gives the streams back as they were, whatever somebody else's code does with them inside."""
    streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
    copies = {}
    for number in range(3):
        with contextlib.suppress(OSError):
            copies[number] = os.dup(number)
    try:
        yield
    finally:
        for number, copy in copies.items():
            os.dup2(copy, number)
            os.close(copy)
        for name, stream in streams.items():
            setattr(sys, name, None if getattr(stream, "closed", False) else stream)
        _open_missing()


def say(line: str) -> None:
    """Writes a line to standard error, if there is anybody to read it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _silence(2)


def flushed(code: int) -> int:
    """Writes what waits to be written; returns the exit code, another if that fails and the code was 0."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(1)
        return code or EXIT_BROKEN_PIPE
    except OSError as error:
        _silence(1)
        say(f"Cannot write to standard output: {error.strerror}.")
        return code or EXIT_UNWRITTEN
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    return code


def _open_missing() -> None:
    """Makes a stream of each descriptor that has none."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _is_terminal(stream: TextIO, number: int) -> bool:
    """Returns True for this process's own stream, if it is a terminal; tests put others in its place."""
    try:
        return stream.isatty() and stream.fileno() == number
    except (OSError, ValueError):
        return False


def _silence(number: int) -> None:
    """Makes a file descriptor that of /dev/null."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
