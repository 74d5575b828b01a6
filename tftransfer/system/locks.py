"""Checks that files of a study can be locked, so that only one of several processes trains a network."""

import fcntl
import os
import pathlib
import tempfile

_LOCAL = {"nolock", "local_lock=all", "local_lock=flock", "localflock"}  # of NFS and Lustre
_MOUNTS = pathlib.Path("/proc/self/mountinfo")


def require(folder: pathlib.Path, option: str) -> None:
    """Raises ValueError, naming the option that chooses a folder, if files in it cannot be locked."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"Files in {folder} cannot be locked: {error.strerror}. Without locks two processes could train and "
                f"write the same network. Use {option}=FOLDER on another file system, or mount this one with locks."
            ) from error


def warning(folder: pathlib.Path) -> str:
    """Returns a sentence if locks in a folder hold on this machine only, by its mount options; else an empty text."""
    local = _options(os.path.realpath(folder)) & _LOCAL
    if not local:
        return ""
    return (
        f"Locks in {folder} hold on this machine only (mounted with {', '.join(sorted(local))}): do not train one "
        f"study from several machines at once."
    )


def _options(path: str) -> set[str]:
    """Returns the options of the file system that a path lies on."""
    try:
        lines = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return set()
    above = [words for words in lines if len(words) > 6 and os.path.commonpath([path, words[4]]) == words[4]]
    words = max(above, key=lambda words: len(words[4]), default=[])
    return {option for text in (*words[5:6], *words[-1:]) for option in text.split(",")}
