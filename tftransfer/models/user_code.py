"""Code of a user, such as `--model=module:function`, or of a layer: it may raise anything, close and move things."""

import contextlib
import os
import traceback
from collections.abc import Iterator

from tftransfer.system import signals, standard_streams

_SHOWN = 300  # characters


@contextlib.contextmanager
def guarded(what: str, ours: bool = False) -> Iterator[None]:
    """Turns whatever code of others raises into one message; folder and standard streams are afterwards as before.

    Args:
        what: What could not be done, the message's beginning.
        ours: True passes on the messages of this package, which say it themselves.

    Raises:
        ValueError: With the message. Signals and Ctrl-C stay what they are.
    """
    try:
        with standard_streams.kept(), contextlib.chdir(os.getcwd()):  # options' paths are meant from this folder
            yield
    except (KeyboardInterrupt, signals.Terminated):
        raise
    except BaseException as error:  # GeneratorExit, SystemExit and classes of its own among them
        if ours and isinstance(error, ValueError) and _raised_here(error):
            raise
        where = " Is the module in this folder?" if isinstance(error, ModuleNotFoundError) else ""
        raise ValueError(f"{what}: {type(error).__name__}: {said(error)}{where}") from error


def said(error: BaseException) -> str:
    """Returns what an error of somebody else's code says, short and on one line."""
    try:
        return " ".join(str(error).split())[:_SHOWN]
    except (KeyboardInterrupt, signals.Terminated):
        raise
    except BaseException as fault:
        return f"its text cannot be shown ({type(fault).__name__})"


def _raised_here(error: BaseException) -> bool:
    """Returns True if a module of this package raised the error."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").startswith("tftransfer")
