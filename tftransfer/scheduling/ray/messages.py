"""The messages that a node may send about a job. All others are refused, by name, before anything is written."""

import pathlib
from collections.abc import Collection, Mapping
from typing import Any

from tftransfer.scheduling.jobs import End
from tftransfer.scheduling.sweep_folder import heartbeat_of

_LONGEST_TEXT = 10_000  # of a name or a reason
_LONGEST_LOG = 1_000_000
_EVENTS = "events.out.tfevents."
_MOST_EVENT_FILES, _MOST_EVENT_BYTES = 10, 100_000_000


class RefusedError(ValueError):
    """A node sent something that is not accepted."""


def check(item: Any, names: Collection[str]) -> None:
    """Raises RefusedError for all but the messages that `node.train` yields before the networks.

    Args:
        item: The item.
        names: Names of the requested networks.
    """
    if not isinstance(item, Mapping) or len(item) not in (1, len(_END)):
        raise RefusedError(f"it sent no message: {type(item).__name__!a}")
    for kind in ("node", "where", "unusable"):
        if kind in item:
            if not is_text(item[kind], _LONGEST_TEXT):
                raise RefusedError(f"it sent no text as {kind}")
            return
    if "heartbeat" in item:
        _check_heartbeat(item["heartbeat"], names)
    elif set(item) == set(_END):
        _check_end(item, names)
    else:
        raise RefusedError(f"it sent an unknown message: {ascii(sorted(map(str, item)))[:200]}")


_END = ("end", "networks", "log", "experiment")


def _check_heartbeat(content: Any, names: Collection[str]) -> None:
    heartbeat = heartbeat_of(content) if isinstance(content, Mapping) else None
    if heartbeat is None or not set(heartbeat.networks) <= set(names):
        raise RefusedError("it said how far networks are that nobody asked for, or said nothing")


def _check_end(item: Mapping[str, Any], names: Collection[str]) -> None:
    try:
        end = End.from_json(item["end"])
    except ValueError as error:
        raise RefusedError(f"it did not say how the job ended. {error}") from error
    sent = item["networks"]
    if not isinstance(sent, list | tuple) or not all(isinstance(name, str) for name in sent):
        raise RefusedError("it did not say which networks it sends")
    foreign = sorted(set(sent) - set(names))
    if foreign or len(set(sent)) < len(sent) or not set(end.elsewhere) <= set(names):
        raise RefusedError(f"it sent networks that nobody asked for: {ascii(foreign)[1:-1][:300]}")
    if not (isinstance(item["log"], str) and len(item["log"]) <= _LONGEST_LOG):
        raise RefusedError("its log is no text, or endless")
    _check_files(item["experiment"])


def _check_files(files: Any) -> None:
    """Raises RefusedError unless files for the study's folder are TensorBoard's, and small."""
    fine = isinstance(files, Mapping) and len(files) <= _MOST_EVENT_FILES
    fine = fine and all(isinstance(content, bytes) for content in files.values())
    if not fine or sum(map(len, files.values())) > _MOST_EVENT_BYTES:
        raise RefusedError("its event files are none, or too large")
    wrong = [name for name in files if not (is_plain(name) and name.startswith(_EVENTS))]
    if wrong:
        raise RefusedError(f"it sent files of another name: {ascii(wrong)[1:-1][:300]}")


def is_text(value: Any, longest: int) -> bool:
    """Whether a value is a text that may be shown."""
    return isinstance(value, str) and len(value) <= longest and value.isprintable()


def printable(text: str) -> str:
    """Returns the beginning of a text, without characters that control a terminal."""
    return "".join(character if character.isprintable() else " " for character in text[:_LONGEST_TEXT])


def is_plain(name: Any) -> bool:
    """Whether a name is that of a file of a network: no path, not hidden, not half written."""
    fine = is_text(name, 255) and name and pathlib.PurePath(name).name == name
    return bool(fine) and not name.startswith(".") and "\\" not in name
