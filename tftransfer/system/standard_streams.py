"""Standard input, output and error, without which a process may be started, and which it may lose."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE
EXIT_UNWRITTEN = 2  # as for any file that cannot be written


class _Terminal(io.FileIO):
    """A terminal that drops output after it was closed, so that a training can still save its state."""

    def write(self, content: Any) -> int | None:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            _silence(self.fileno())
            return len(content)


def open_all() -> None:
    """Opens closed streams as /dev/null, and makes the others accept any text.

    The next file that is opened would have the number of a closed stream: libraries would write into a record.
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
        if number and hasattr(getattr(sys, name), "reconfigure"):  # names of files may hold bytes that are no text
            getattr(sys, name).reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Restores the streams after the block, whatever code of others does with them inside."""
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
    """Writes a line to standard error, unless that is closed."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _silence(2)


def flushed(code: int) -> int:
    """Flushes standard output and error; returns the exit code, or that of a failed flush if the code was 0."""
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
    """Makes Python's streams of the descriptors that have none."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _is_terminal(stream: TextIO, number: int) -> bool:
    """Whether a stream is a terminal and has its standard number; tests replace streams."""
    try:
        return stream.isatty() and stream.fileno() == number
    except (OSError, ValueError):
        return False


def _silence(number: int) -> None:
    """Redirects a file descriptor to /dev/null."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
