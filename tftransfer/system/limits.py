"""Limits of the shell and the machine: on address space (`ulimit -v`) and on open files (`ulimit -n`)."""

import errno
import math
import resource

import psutil

# Measured with TensorFlow 2.21: 1.9 GB when it is loaded, 2.3 GB after its first operation, more than 2.7 GB when it
# trains. With less it fails in many ways, some of which end the process without a message.
NEEDED_BYTES = 4_000_000_000


def require_address_space() -> None:
    """Raises MemoryError if this process may use less address space than TensorFlow maps."""
    if (limit := _limit()) < NEEDED_BYTES:
        raise MemoryError(
            f"This process may use {limit / 1e9:.1f} GB of addresses, and TensorFlow needs about "
            f"{NEEDED_BYTES / 1e9:.1f} GB. Use `ulimit -v unlimited` or more."
        )


def address_space_left() -> float:
    """Returns the bytes of address space that this process may still take; infinite without a limit."""
    return max(0.0, _limit() - psutil.Process().memory_info().vms)


def _limit() -> float:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else float(limit)


def open_files_exhausted(error: OSError) -> str:
    """Returns a sentence on the limit of open files that an error is about, with the remedy; empty without one."""
    if error.errno == errno.EMFILE:
        return "This process may open no more files: raise its limit in the shell, as with `ulimit -n 4096`."
    if error.errno == errno.ENFILE:
        return "This machine has too many files open: end other programs, or raise its limit (sysctl fs.file-max)."
    return ""


def reraise_if_exhausted(error: BaseException) -> None:
    """Raises an error again if it is about the limit of open files, and so not about the content of a file."""
    if isinstance(error, OSError) and open_files_exhausted(error):
        raise error
