"""Python processes that a command starts for its own modules, and that end with it.

    python -m tftransfer.system.processes MODULE ARGUMENTS

runs a module of this package as `python -m MODULE ARGUMENTS` does, and ends with the process that started it, however
that ends. It watches before the module is loaded: TensorFlow alone takes seconds, and a parent that is killed meanwhile
would leave a training behind that nobody waits for.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tftransfer
from tftransfer.system import atomic, caller, signals, untrusted_files

_LONGEST_REASON = 500
_PARENT = "TFTRANSFER_PARENT"
_LOOK_SECONDS = 0.5
REQUEST, ANSWER, LOG = "request.json", "answer.json", "log.txt"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a process that was asked one thing, and how it ended.

    Attributes:
        content: Its answer, any JSON; None if it gave none.
        code: Its exit code, negative for a signal that it could not handle; None if it was ended at the time limit.
        reason: Why there is no answer, in words; empty if there is one, or if the process told the user itself.
    """

    content: Any
    code: int | None
    reason: str = ""


def words(module: str, *arguments: str) -> list[str]:
    """Returns the command line of a module of this package, which ends with this process."""
    return [sys.executable, "-m", "tftransfer.system.processes", module, *arguments]


def environment() -> dict[str, str]:
    """Returns the environment of a process that this one starts, with its parent's number and the package's path."""
    package = str(pathlib.Path(tftransfer.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    defaults = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}  # whatever a keras.json says
    return {**defaults, **os.environ, "PYTHONPATH": path, _PARENT: str(os.getpid())}


def start(
    words: Sequence[str],
    log: pathlib.Path | None,
    extra_env: Mapping[str, str] | None = None,
    own_session: bool = False,
    piped: bool = False,
) -> subprocess.Popen:
    """Starts a module of this package.

    Args:
        words: Command line, from `words`.
        log: File of all its output, written anew; None to show it to the user.
        extra_env: Variables that its environment has besides this process's.
        own_session: True keeps Ctrl-C from it, so that whoever started it ends it.
        piped: True gives all its output to whoever reads `stdout` of the result; `log` is None then.
    """
    own = environment() | (extra_env or {})
    if log:  # who is not shown to the user does not speak to the user's program either
        own.pop(caller.CHANNEL, None)
    with log.open("wb") if log else contextlib.nullcontext() as output:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else output,
            stderr=subprocess.STDOUT if log or piped else None,
            env=own,
            start_new_session=own_session,
        )


def ask(
    module: str,
    request: Any,
    folder: pathlib.Path,
    shown: bool = False,
    limit_seconds: float | None = None,
    grace_seconds: float = 10.0,
) -> Answer:
    """Asks a module of this package one thing, in a process of its own, whose memory and faults end with it.

    The module is run as `python -m MODULE REQUEST.json ANSWER.json`: it reads the first file and writes the second.

    Args:
        module: Its full name.
        request: What it is asked, any JSON.
        folder: Where request, answer and log are kept, as `REQUEST`, `ANSWER` and `LOG`; earlier ones are replaced.
        shown: True shows its output to the user, in place of a log.
        limit_seconds: Time after which it is ended; None for no limit.
        grace_seconds: Time that it has to end in order, at the limit or after Ctrl-C, before it is killed.

    Raises:
        ValueError: If the answer is no JSON that can be read.
    """
    request_path, answer_path, log = (folder.resolve() / name for name in (REQUEST, ANSWER, LOG))
    atomic.write_text(request_path, json.dumps(request, indent=1) + "\n")
    answer_path.unlink(missing_ok=True)
    command = words(module, str(request_path), str(answer_path))
    process = start(command, None if shown else log)
    try:
        code = process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return Answer(None, None, f"ended after {limit_seconds:g} seconds, its limit")
    finally:  # also after Ctrl-C
        end([process], grace_seconds)
    if code == 0 and answer_path.is_file():
        return Answer(untrusted_files.read_json(answer_path), 0)
    if shown:
        return Answer(None, code, by_signal(signal_of(code)) if signal_of(code) else "")
    return Answer(None, code, reason(code, log))


def end(running: Sequence[subprocess.Popen], grace_seconds: float) -> None:
    """Ends processes: asks all of them, and kills those that are still running after `grace_seconds` together."""
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
    """Makes this process end soon after the one that started it, even if that is killed.

    The parent names itself in the environment: once it has gone, its children belong to another process.
    """
    named = os.environ.pop(_PARENT, "")  # a process that this one starts has another
    parent = int(named) if named.isdecimal() else os.getppid()
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def reason(code: int, log: pathlib.Path) -> str:
    """Returns the reason of a process's failure: the signal that ended it, or the last line that it wrote.

    Args:
        code: Its exit code, negative for a signal that it had no time to handle.
        log: File of its output.
    """
    if number := signal_of(code):
        return by_signal(number)
    last = last_lines(log, 1)
    return last[0][:_LONGEST_REASON] if last else f"ended with exit code {code} and said nothing"


def signal_of(code: int) -> int:
    """Returns the number of the signal that ended a process; 0 if none did.

    Args:
        code: Its exit code: negative for a signal, or 128 and the signal if the package's handler ended it in order.
    """
    return -code if code < 0 else code - 128 if code - 128 in signals.ASKING else 0


def by_signal(number: int) -> str:
    """Returns the end of a process by a signal in words, with the usual senders of that signal."""
    name = signal.Signals(number).name if number in iter(signal.Signals) else f"signal {number}"
    if number in signals.ASKING:
        who = ": somebody asked it to end, as an administrator, systemd or a watch over memory does"
    else:
        who = ", as a system out of memory does" if name == "SIGKILL" else ""
    return f"ended by signal {number} ({name}){who}" if name.startswith("SIG") else f"ended by {name}"


def last_lines(log: pathlib.Path, count: int) -> Sequence[str]:
    """Returns the last lines of a log, without empty ones; none if there is no log."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]


if __name__ == "__main__":
    end_with_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
