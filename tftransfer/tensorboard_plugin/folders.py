"""Studies below TensorBoard's logdir and whether they changed, from listings of folders: no file is opened."""

import dataclasses
import hashlib
import os
import pathlib
import stat
from collections.abc import Iterator

from tftransfer.records import record_files
from tftransfer.system import escaping, untrusted_files

DEPTH = 4  # logdir/published/study/network is 3 below the logdir
MOST_FOLDERS = 20_000  # of a logdir that is a whole disk; the search takes about a second
MOST_BYTES = untrusted_files.MOST_BYTES
EVENTS = "events.out.tfevents."


@dataclasses.dataclass(frozen=True)
class Study:
    """A folder with at least one finished network.

    Attributes:
        name: Its path below the logdir, or the logdir's own name.
        run: Prefix of TensorBoard's run names of its networks: the path below the logdir, "" for the logdir.
        records: Folder of each network with a record -> a text that changes when the record is written again.
        unfinished: Folder of each network with event files only -> a text that changes when they grow.
        refused: Sentences, one per record that is not read.
    """

    name: str
    run: str
    records: dict[pathlib.Path, str]
    unfinished: dict[pathlib.Path, str]
    refused: tuple[str, ...]

    @property
    def version(self) -> str:
        """A hash that changes with every record and every line of progress, 16 hexadecimal digits."""
        parts = [*sorted(f"{path} {seen}" for path, seen in (self.records | self.unfinished).items()), *self.refused]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Folders:
    """The folders under a logdir.

    Args:
        logdir: As TensorBoard was given it. An empty one, and one that is no folder of this machine, holds nothing.
    """

    def __init__(self, logdir: str | None) -> None:
        local = logdir and "://" not in logdir
        self._root = pathlib.Path(os.path.abspath(os.path.expanduser(logdir))) if local else None

    def any(self) -> bool:
        """Whether there is a study; stops at the first."""
        return next(self._studies(), None) is not None

    def all(self) -> dict[str, Study]:
        """Returns the studies by name."""
        return dict(sorted((study.name, study) for study in self._studies()))

    def _studies(self) -> Iterator[Study]:
        budget = [MOST_FOLDERS]
        if self._root is not None:
            yield from self._below(self._root, DEPTH, budget)

    def _below(self, folder: pathlib.Path, depth: int, budget: list[int]) -> Iterator[Study]:
        """Finds studies in a folder and below; links are not followed, so that nothing outside is read."""
        inside = [_Seen(path) for path in _folders(folder)[: budget[0]]]
        budget[0] -= len(inside)
        if any(seen.record for seen in inside):
            yield self._study(folder, inside)
        if depth > 1:
            for seen in inside:
                if not seen.record:
                    yield from self._below(seen.path, depth - 1, budget)

    def _study(self, folder: pathlib.Path, inside: list["_Seen"]) -> Study:
        below = folder.relative_to(self._root)
        return Study(
            name=escaping.tensorboard(str(below) if below.parts else self._root.name or "logdir"),
            run=str(below) if below.parts else "",
            records={seen.path: seen.record for seen in inside if seen.record and not seen.refused},
            unfinished={seen.path: seen.events for seen in inside if seen.events and not seen.record},
            refused=tuple(seen.refused for seen in inside if seen.refused),
        )


class _Seen:
    """The listing of a network's folder: `record`, `events` (both "" if there are none) and `refused`."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.record, self.events, self.refused = path, "", "", ""
        for entry in _listing(path):
            if entry.name == record_files.RECORD:
                self._look(entry)
            elif entry.name.startswith(EVENTS):
                self.events += _mark(entry)

    def _look(self, entry: os.DirEntry) -> None:
        self.record = _mark(entry)
        found, path = entry.stat(follow_symlinks=False), escaping.tensorboard(entry.path, escaping.MOST_OF_TEXT)
        if not stat.S_ISREG(found.st_mode):
            self.refused = f"{path} is a link or no plain file, and is not read."
        elif found.st_size > MOST_BYTES:
            self.refused = f"{path} has {found.st_size} bytes, far too many for a record."


def _mark(entry: os.DirEntry) -> str:
    """Returns a text that changes when a file is written or replaced."""
    found = entry.stat(follow_symlinks=False)
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} "


def _listing(folder: pathlib.Path) -> list[os.DirEntry]:
    """Returns the entries of a folder by name; none if it is gone or may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders in a folder, without links and what is set aside under a name with a dot."""
    return [
        pathlib.Path(entry.path)
        for entry in _listing(folder)
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
    ]
