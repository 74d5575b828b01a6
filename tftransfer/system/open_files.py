"""The limits on open files, of a process and of a machine: no file that could not be opened for them is gone."""

import errno


def exhausted(error: OSError) -> str:
    """Returns which limit an error is about and what to do, in a sentence; an empty text if it is about none."""
    if error.errno == errno.EMFILE:
        return "This process may open no more files: raise its limit in the shell, as with `ulimit -n 4096`."
    if error.errno == errno.ENFILE:
        return "This machine has too many files open: end other programs, or raise its limit (sysctl fs.file-max)."
    return ""


def require(error: BaseException) -> None:
    """Raises an error again if it is about such a limit: then it says nothing of what a file holds."""
    if isinstance(error, OSError) and exhausted(error):
        raise error
