"""Signs of life of processes, told by clocks that nobody sets.

A sign says when and by which process it was given. On the same machine its age is a difference of the clock that runs
since the machine was started; from another machine it is one of the file system's own times. The time of day, which may
be set and differs between machines, is only the last resort.
"""

import contextlib
import os
import pathlib
import tempfile
import time
from typing import Any

ALIVE, STOPPED, GONE, UNKNOWN = "alive", "stopped", "gone", "unknown"


def sign() -> dict[str, Any]:
    """Returns a sign of this process, now."""
    own, parent = os.getpid(), os.getppid()
    now = time.monotonic()
    return {"machine": _machine(), "seconds": now, "process": own, "started": _stat(own)[1], "parent": parent}


def age(given: Any, path: pathlib.Path, written: float, now: float) -> float:
    """Returns how many seconds ago a sign was given.

    Args:
        given: What a file says of it; None if it says nothing.
        path: The file.
        written: The time of day that it says.
        now: The time of day.
    """
    seconds = given.get("seconds") if isinstance(given, dict) else None
    if not isinstance(seconds, int | float):
        return abs(now - written)
    if given.get("machine") == _machine():
        return abs(time.monotonic() - seconds)
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=path.parent) as file:
        file.write(b"x")
        file.flush()
        return abs(os.fstat(file.fileno()).st_mtime - path.stat().st_mtime)
    return abs(now - written)


def state(given: Any) -> str:
    """Returns what became of the process that gave a sign: alive, stopped, gone, or unknown on another machine."""
    process = given.get("process") if isinstance(given, dict) else None
    if not isinstance(process, int) or not _machine() or given.get("machine") != _machine():
        return UNKNOWN
    letter, started, _ = _stat(process)
    if not started or started != given.get("started") or letter in "ZX":
        return GONE
    return STOPPED if letter in "Tt" else ALIVE


def is_orphan(given: Any) -> bool:
    """Returns True if the process that started the one of a sign has gone; a worker ends then as soon as it runs."""
    known = isinstance(given, dict) and state(given) in (ALIVE, STOPPED) and isinstance(given.get("parent"), int)
    return known and _stat(given["process"])[2] != str(given["parent"])


def _machine() -> str:
    """Returns what tells this machine, since it was started, and this view of its processes from others; or nothing."""
    with contextlib.suppress(OSError):
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _stat(process: int) -> tuple[str, str, str]:
    """Returns the state of a process, a letter, when it was started, and its parent; empty texts if there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError, OverflowError):
        text = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return fields[0], fields[19], fields[1]
    return "", "", ""
