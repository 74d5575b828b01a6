"""Worker processes that run functions of this package.

Not `multiprocessing`: its workers import the user's main module again, which fails for a script without a guard, and
inherit or load whatever is imported there. These know this package alone, so that preparing images never loads
TensorFlow a second time.
"""

import collections
import concurrent.futures
import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator


class WorkerError(RuntimeError):
    """A worker process ended before it had answered."""


class Workers:
    """A fixed number of worker processes, started on entry of a `with` block and ended on its exit."""

    def __init__(self, count: int):
        """Takes the number of processes, 1 or more."""
        self.count = count

    def __enter__(self) -> "Workers":
        # One thread per process feeds it and waits for its answer.
        self._threads = concurrent.futures.ThreadPoolExecutor(self.count)
        self._idle: queue.SimpleQueue[subprocess.Popen] = queue.SimpleQueue()
        self._processes = [_start() for _ in range(self.count)]
        for process in self._processes:
            self._idle.put(process)
        return self

    def __exit__(self, kind, *_):
        for process in self._processes:
            if kind is not None:
                process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()  # Its end of file ends the worker.
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.wait()
            process.stdout.close()

    def map(self, function: Callable, calls: Iterable[tuple]) -> Iterator:
        """Yields `function(*arguments)` for each of `calls`, in their order; only a few are taken ahead.

        Raises:
            WorkerError: If a worker was killed.
            Exception: What `function` raised.
        """
        ahead: collections.deque[concurrent.futures.Future] = collections.deque()
        for arguments in calls:
            ahead.append(self._threads.submit(self._call, function, arguments))
            if len(ahead) > self.count + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _call(self, function: Callable, arguments: tuple):
        """Runs one call in an idle process."""
        process = self._idle.get()
        try:
            pickle.dump((function, arguments), process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            succeeded, value = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            process.kill()
            raise WorkerError(
                f"A worker process ended with status {process.wait()} (-9: killed, most often for want of memory). "
                "What was finished is kept; the same command goes on from there."
            ) from error
        finally:
            self._idle.put(process)
        if not succeeded:
            raise value
        return value


def _start() -> subprocess.Popen:
    """Starts one worker with the search path of this process."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "tftransfer.data.workers"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _serve() -> None:
    """Answers calls from standard input until its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers.
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments = pickle.load(calls)
            try:
                answer = (True, function(*arguments))
            except Exception as error:
                answer = (False, error)
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


if __name__ == "__main__":
    _serve()
