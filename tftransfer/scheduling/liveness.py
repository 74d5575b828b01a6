"""Signs of life of processes, measured by clocks that nobody sets.

A stamp holds a process and the time at which it was made. On the same machine its age is a difference of the monotonic
clock; on another machine it is a difference of the file system's own times. The time of day, which may be set and
differs between machines, is only the last resort.
"""

import contextlib
import os
import pathlib
import tempfile
import time
from typing import Any

ALIVE, STOPPED, GONE, UNKNOWN = "alive", "stopped", "gone", "unknown"


def stamp_now() -> dict[str, Any]:
    """Returns a stamp of this process: machine, seconds of its monotonic clock, process, its start, its parent."""
    own, parent = os.getpid(), os.getppid()
    now = time.monotonic()
    return {"machine": _machine(), "seconds": now, "process": own, "started": _stat(own)[1], "parent": parent}


def age(stamp: Any, path: pathlib.Path, written: float, now: float) -> float:
    """Returns the age of a stamp in seconds.

    Args:
        stamp: The stamp in a file, which may be damaged; None if there is none.
        path: The file.
        written: The time of day in the file, seconds since 1970.
        now: The time of day, seconds since 1970.
    """
    seconds = stamp.get("seconds") if isinstance(stamp, dict) else None
    if not isinstance(seconds, int | float):
        return abs(now - written)
    if stamp.get("machine") == _machine():
        return abs(time.monotonic() - seconds)
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=path.parent) as file:
        file.write(b"x")
        file.flush()
        return abs(os.fstat(file.fileno()).st_mtime - path.stat().st_mtime)
    return abs(now - written)


def state(stamp: Any) -> str:
    """Returns the state of a stamp's process: alive, stopped, gone, or unknown if it is on another machine."""
    process = stamp.get("process") if isinstance(stamp, dict) else None
    if not isinstance(process, int) or not _machine() or stamp.get("machine") != _machine():
        return UNKNOWN
    letter, started, _ = _stat(process)
    if not started or started != stamp.get("started") or letter in "ZX":
        return GONE
    return STOPPED if letter in "Tt" else ALIVE


def is_orphan(stamp: Any) -> bool:
    """Whether the parent of a stamp's process has gone; a worker then ends as soon as it runs."""
    known = isinstance(stamp, dict) and state(stamp) in (ALIVE, STOPPED) and isinstance(stamp.get("parent"), int)
    return known and _stat(stamp["process"])[2] != str(stamp["parent"])


def _machine() -> str:
    """Returns an identifier of this boot of this machine and its PID namespace, empty where /proc has none."""
    with contextlib.suppress(OSError):
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _stat(process: int) -> tuple[str, str, str]:
    """Returns the state letter of a process, its start time and its parent; empty texts if there is no such process."""
    with contextlib.suppress(OSError, ValueError, IndexError, OverflowError):
        text = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return fields[0], fields[19], fields[1]
    return "", "", ""
