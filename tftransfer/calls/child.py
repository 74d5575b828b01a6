"""The process of a command that was called as a function, its progress, and its end."""

import collections
import contextlib
import pathlib
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from tftransfer.calls import bars
from tftransfer.calls.errors import CommandError
from tftransfer.system import caller, processes

_LOOK_SECONDS = 0.1
# A training that is asked to end finishes the step in hand and writes a checkpoint; a sweep waits for its trainings.
_GRACE_SECONDS = 30.0
_LINES_KEPT = 30


class Ended(NamedTuple):
    """The end of a command.

    Attributes:
        code: Its exit code: 0, or 4 for a sweep with warnings.
        result: What it told that it made, by name; empty if nothing.
    """

    code: int
    result: dict[str, Any]


def run(module: str, words: Sequence[str], title: str, lines: bool = False) -> Ended:
    """Runs a command in a process of its own, with one progress bar, and waits for its end.

    An interrupt (Ctrl-C, or the stop button of a notebook) ends the process in order, so that the same call goes on.

    Args:
        module: Full name of the command's module.
        words: Its options.
        title: What the bar says.
        lines: True prints the command's lines in place of a bar, as for a command that answers a question.

    Raises:
        ValueError: If the command refuses its input, with its message.
        CommandError: If it ended badly otherwise.
        KeyboardInterrupt: After an interrupt, when the process has ended.
    """
    with tempfile.TemporaryDirectory(prefix="tftransfer-") as folder:
        channel = pathlib.Path(folder) / "messages.jsonl"
        channel.touch()
        with bars.PlainLines() if lines else bars.bar(title) as bar:
            process = processes.start(
                processes.words(module, *words), None, {caller.CHANNEL: str(channel)}, own_session=True, piped=True
            )
            listener = _Listener(process, channel, bar)
            try:
                listener.wait()
            except KeyboardInterrupt:
                bar.show(None, "ending in order")
                raise
            finally:
                processes.end([process], _GRACE_SECONDS)
                listener.close()
        return _judged(process.returncode, listener)


class _Listener:
    """What a process prints and tells while it runs."""

    def __init__(self, process: subprocess.Popen, channel: pathlib.Path, bar: bars.Bar) -> None:
        self._process, self._channel, self._bar, self._offset = process, channel, bar, 0
        self.result: dict[str, Any] = {}
        self.failure: dict[str, Any] = {}
        self.last: collections.deque[str] = collections.deque(maxlen=_LINES_KEPT)
        self._waiting: collections.deque[str] = collections.deque()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Reads the output; only the main thread shows it, to which a notebook assigns the cell."""
        with contextlib.suppress(ValueError):  # closed
            for line in self._process.stdout:
                self._waiting.append(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))

    def wait(self) -> None:
        """Waits for the end of the process, and shows its progress."""
        while True:
            try:
                self._process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self._look()
                continue
            self._reader.join(1.0)  # a process of its own may hold the pipe open
            self._look()
            return

    def close(self) -> None:
        """Shows what is left, and closes the pipe."""
        self._reader.join(1.0)
        self._look()
        if not self._reader.is_alive():
            self._process.stdout.close()

    def _look(self) -> None:
        """Shows new lines and takes new messages."""
        while self._waiting:
            line = self._waiting.popleft()
            self.last.append(line)
            self._bar.line(line)
        for message, offset in caller.messages(self._channel, self._offset):
            self._offset = offset
            if message["kind"] == caller.PROGRESS:
                self._bar.show(message["fraction"], message["text"])
            else:
                setattr(self, message["kind"], message)


def _judged(code: int, listener: _Listener) -> Ended:
    """Returns the end of a process; raises the error that it told of."""
    if code in (0, 4):
        return Ended(code, listener.result)
    failure, made = listener.failure, listener.result
    if code == 2 and failure.get("error") in ("ValueError", "RuntimeError"):
        raise ValueError(failure["message"])
    lines = [line for line in listener.last if line.strip()]
    number = processes.signal_of(code)
    message = failure.get("message") or (processes.by_signal(number) if number else "\n".join(lines[-5:]))
    raise CommandError(message or f"ended with exit code {code}", code, made or None)
