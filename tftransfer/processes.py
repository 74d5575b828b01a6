"""Python processes that a command starts for its own modules, and that end with it."""

import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

import tftransfer

_LONGEST_REASON = 500


def words(module: str, *arguments: str) -> list[str]:
    """Returns the command line of a module of this package."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Returns this process's environment, in which the package is found wherever it was started from."""
    package = str(pathlib.Path(tftransfer.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "PYTHONPATH": path}


def start(
    words: Sequence[str], log: pathlib.Path, more: Mapping[str, str] | None = None, own_session: bool = False
) -> subprocess.Popen:
    """Starts a module of this package.

    Args:
        words: As from `words`.
        log: File of all that it says, written anew.
        more: What its environment has besides this process's.
        own_session: True keeps Ctrl-C from it, so that whoever started it ends it.
    """
    with log.open("wb") as said:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment() | (more or {}),
            start_new_session=own_session,
        )


def end(running: Sequence[subprocess.Popen], grace_seconds: float) -> None:
    """Ends processes, giving them some time, all together, to save what they have."""
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace_seconds
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_with_parent() -> None:
    """Ends this process soon after the one that started it, which may have been killed and cannot do it itself."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def reason(code: int, log: pathlib.Path) -> str:
    """Returns why a process failed: by which signal, or the last thing that it said.

    Args:
        code: Its exit code, negative for a signal.
        log: What it wrote.
    """
    if code < 0:
        return f"ended by signal {-code}" + (", as a system out of memory does" if code == -9 else "")
    said = last_lines(log, 1)
    return said[0][:_LONGEST_REASON] if said else f"ended with exit code {code} and said nothing"


def last_lines(log: pathlib.Path, count: int) -> Sequence[str]:
    """Returns the last lines of a log that are not empty."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]
