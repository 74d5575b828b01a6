"""Errors of commands that are called as functions."""

from typing import Any

MEANINGS = {
    1: "a fault of the package",
    2: "bad input, or a file that cannot be read or written",
    3: "a network diverged, ran out of memory or could not be trained",
    130: "interrupted",
    143: "ended by SIGTERM",
}
"""The exit codes of commands in words."""


class CommandError(RuntimeError):
    """A command that was called as a function and ended badly; wrong options raise ValueError instead.

    Args:
        message: The command's own message.
        exit_code: Exit code that the command ends with in a shell; negative for a signal.
        result: What it made nevertheless, such as the record of a network that diverged; None if nothing.

    Attributes:
        exit_code: As above.
        meaning: The exit code in words.
        result: As above.
    """

    def __init__(self, message: str, exit_code: int, result: Any = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.meaning = MEANINGS.get(exit_code, f"ended by signal {-exit_code}" if exit_code < 0 else "failed")
        self.result = result
