"""Commands as Python functions: their options as keyword arguments, a process of their own, one progress bar."""

from tftransfer.calls.commands import make_callable
from tftransfer.calls.errors import CommandError

__all__ = ["CommandError", "make_callable"]
