"""Python processes that a command starts for its own modules, and that end with it."""

import os
import pathlib
import sys
import threading
import time
from collections.abc import Sequence

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
