"""Processes of cases, none of which outlives the command. Nothing here loads TensorFlow."""

import contextlib
import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from tftransfer.experiment.config import Config
from tftransfer.system import processes

_LONGEST_REASON = 400


class WorkerError(RuntimeError):
    """A case's process ended or took too long."""


class Worker:
    """A case in a process of its own, so that its memory can be measured and is freed.

    Args:
        config: The recipe.
        kind: Kind of measurement, one of `speeds.KINDS` or `cases.REPLICAS`.
        frozen: Source and number of frozen blocks of each network.
    """

    def __init__(self, config: Config, kind: str, frozen: Sequence[tuple[str, int]] = ()) -> None:
        self.kind = kind
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        self._answers: queue.Queue[str] = queue.Queue()
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            processes.words("tftransfer.benchmarking.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env=processes.environment(),
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        with contextlib.suppress(WorkerError):  # one that ended at once says why when it is asked for its answer
            self._send(json.dumps({"config": config.shared(), "kind": kind, "frozen": list(frozen)}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def age_seconds(self) -> float:
        """Seconds since the process was started."""
        return time.perf_counter() - self._started

    def answer(self, limit_seconds: float) -> dict[str, Any]:
        """Waits for the next answer.

        Raises:
            WorkerError: If the process ended, with the last line of its output, or did not answer in time.
        """
        try:
            line = self._answers.get(timeout=max(0.1, limit_seconds))
        except queue.Empty:
            raise WorkerError(f"the time was over after {self.age_seconds:.0f} s") from None
        if not line:
            raise WorkerError(self._reason())
        return json.loads(line)

    def ask(self, seconds: float, limit_seconds: float) -> dict[str, Any]:
        """Makes it train for about `seconds`; returns the fields of a `stepping.Turn`."""
        self._send(repr(seconds))
        return self.answer(limit_seconds)

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):  # what it had not read yet concerns nobody
            self._process.stdin.close()
        self._output.close()

    def _send(self, line: str) -> None:
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._reason()) from None

    def _listen(self) -> None:
        """Passes answers on; an empty one means that there will be no more."""
        with self._process.stdout:
            for line in self._process.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _reason(self) -> str:
        """Returns the reason for the end of the process: a signal, or the last line of its output."""
        code = self._process.wait()
        if number := processes.signal_of(code):
            return processes.by_signal(number)
        self._output.seek(0)
        lines = [line.strip() for line in self._output.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:_LONGEST_REASON] if lines else f"ended with exit code {code} and said nothing"
