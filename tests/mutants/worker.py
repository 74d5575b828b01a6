"""Runs tests in forks of a process that has loaded the libraries: a fresh process would load them for 10 s each time.

Takes jobs as lines of JSON, `{"tests": [...], "seconds": limit}`, and answers each with `{"code": ..., "output": ...}`.
Nothing of the checkout is imported before a fork, so that every job sees the files as they are then.
"""

import contextlib
import importlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

_LIBRARIES = ("tensorflow", "keras", "tensorboard", "numpy", "pandas", "scipy.special", "h5py", "filelock", "PIL.Image",
              "matplotlib", "pytest", "keras.src.applications")  # fmt: skip
_LINES = 15


def main() -> None:
    """Answers jobs until there are no more."""
    sys.path.pop(0)  # the folder of this file
    for name in _LIBRARIES:
        importlib.import_module(name)
    if any(name.partition(".")[0] == "tftransfer" for name in sys.modules):
        raise RuntimeError("The package was loaded before the first job.")
    for line in sys.stdin:
        print(json.dumps(_answer(**json.loads(line))), flush=True)


def _answer(tests: list[str], seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        process = os.fork()
        if not process:
            _run(tests, log, pathlib.Path(folder, "tests"))
        code = _code(process, time.monotonic() + seconds)
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {"code": code, "output": "\n".join(f"    {line}" for line in said[-_LINES:])}


def _run(tests: list[str], log: pathlib.Path, temporary: pathlib.Path) -> None:
    """Runs tests in this fork, which ends with them."""
    code = 3  # pytest's own word for a fault of its own
    try:
        os.setsid()  # what the tests start ends with them
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        import pytest

        options = ["-q", "-x", "--tb=line", "-p", "no:cacheprovider", f"--basetemp={temporary}"]
        collected = _Collected()
        code = int(pytest.main([*options, *tests], plugins=[collected]))
        code = code if collected.whole else int(pytest.ExitCode.INTERRUPTED)
        sys.stdout.flush()
    finally:
        os._exit(code)


class _Collected:
    """Sees whether test modules could be imported: with `-x` pytest ends with 1 in either case."""

    whole = True

    def pytest_collectreport(self, report) -> None:
        self.whole = self.whole and not report.failed


def _code(process: int, end: float) -> int | None:
    """Returns the exit code of a fork, None if it had to be ended."""
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            _end_group(process)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    _end_group(process)
    os.waitpid(process, 0)
    return None


def _end_group(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
