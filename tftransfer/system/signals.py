"""Signals that end a process, handled at once or after the current step."""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Callable, Iterator

# A system without terminals has no SIGHUP.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
ASKING = (*_ENDING, signal.SIGINT)
"""Signals that ask a process to end in order; its exit code is then 128 and the signal."""
_Handler = Callable[[int, types.FrameType | None], None]


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as `KeyboardInterrupt` is SIGINT: sent before a machine or a terminal is taken away.

    Args:
        number: The signal.

    Attributes:
        name: Its name, `SIGTERM`.
        exit_code: Exit code of a process that it ended: 128 and its number.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


class Interruption:
    """The signal that `deferred` has received.

    Attributes:
        received: The first signal that arrived; None if there was none.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def act(self) -> None:
        """Raises `KeyboardInterrupt` or `Terminated` if a signal arrived."""
        if self.received is not None:
            _raise(self.received, None)


def _raise(number: int, _: types.FrameType | None) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def _handles_signals() -> bool:
    """Whether this is the main thread, the only one that may set handlers."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _handlers(handlers: dict[int, _Handler]) -> Iterator[None]:
    """Sets handlers inside the block; a signal that the process was started to ignore stays ignored."""
    before = {number: signal.getsignal(number) for number in handlers}
    mine = [number for number in handlers if before[number] not in (signal.SIG_IGN, None)] if _handles_signals() else []
    for number in mine:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise `Terminated` in the main thread, so that open files are closed."""
    with _handlers(dict.fromkeys(_ENDING, _raise)):
        yield


@contextlib.contextmanager
def deferred() -> Iterator[Interruption]:
    """Keeps SIGTERM, SIGHUP and Ctrl-C in the yielded object, whose `act` raises them; a second signal acts at once.

    A signal that is still kept at the end of the block is raised there.
    """
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in ASKING}

    def note(number: int, frame: types.FrameType | None) -> None:
        if interruption.received is None:
            interruption.received = number
        elif callable(before[number]):
            before[number](number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    with _handlers(dict.fromkeys(before, note)):
        yield interruption
    interruption.act()
