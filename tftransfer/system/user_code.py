"""Calls of user code, such as `--model=module:function`, which may raise anything, close streams or change folders."""

import contextlib
import os
import traceback
from collections.abc import Iterator

from tftransfer.system import signals, standard_streams

_SHOWN = 300  # characters


@contextlib.contextmanager
def guarded(what: str, ours: bool = False) -> Iterator[None]:
    """Turns any error of user code into one message; restores the working folder and the standard streams.

    Args:
        what: Beginning of the message, such as "The model cannot be built".
        ours: True passes on errors of this package, whose messages are complete.

    Raises:
        ValueError: With the message. Signals and Ctrl-C are passed on.
    """
    try:
        with standard_streams.kept(), contextlib.chdir(os.getcwd()):  # paths in options are relative to this folder
            yield
    except (KeyboardInterrupt, signals.Terminated):
        raise
    except BaseException as error:  # SystemExit, GeneratorExit and classes of users among them
        if ours and isinstance(error, ValueError) and _raised_here(error):
            raise
        where = " Is the module in this folder?" if isinstance(error, ModuleNotFoundError) else ""
        raise ValueError(f"{what}: {type(error).__name__}: {message_of(error)}{where}") from error


def message_of(error: BaseException) -> str:
    """Returns the message of an error of user code, short and on one line."""
    try:
        return " ".join(str(error).split())[:_SHOWN]
    except (KeyboardInterrupt, signals.Terminated):
        raise
    except BaseException as fault:
        return f"its text cannot be shown ({type(fault).__name__})"


def _raised_here(error: BaseException) -> bool:
    """Whether a module of this package raised the error."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").startswith("tftransfer")
