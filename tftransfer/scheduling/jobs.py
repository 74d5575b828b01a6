"""A job: networks which train in lockstep in one process. Nothing here imports TensorFlow."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.experiment.plan import Cell
from tftransfer.system import atomic, processes, signals, untrusted_files

OK, NO_MEMORY, CRASHED, FAILED, NO_DISK = "ok", "no_memory", "crashed", "failed", "no_disk"
REFUSED, TERMINATED = "refused", "terminated"
FAILURE_WORDS = {
    NO_MEMORY: "no memory", CRASHED: "killed", FAILED: "failed", NO_DISK: "no disk", REFUSED: "refused",
    TERMINATED: "killed",
}  # fmt: skip
"""The words of tables for a network that could not be trained, by status."""
STATUSES = (OK, *FAILURE_WORDS)
PASSING = (NO_DISK, REFUSED, TERMINATED)
"""Statuses that say nothing of the network: the same command, or one on other devices, tries again."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Networks of one target, seed and recipe.

    Attributes:
        cells: The networks.
    """

    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Readable and safe in paths: what the networks share, and a digest of which they are."""
        first = self.cells[0]
        which = hashlib.sha256(" ".join(cell.name for cell in self.cells).encode()).hexdigest()[:8]
        return f"{first.split.name}-target{first.treatment.target}-seed{first.config.seed}-{which}"

    def bisect(self) -> "tuple[Job, Job]":
        """Returns two jobs with half of the networks each, in order: neighbours share most of a source."""
        middle = (len(self.cells) + 1) // 2
        return Job(self.cells[:middle]), Job(self.cells[middle:])

    def write(self, path: pathlib.Path, **request: Any) -> None:
        """Writes the job for the process that does it, with further entries of the request."""
        atomic.write_text(path, json.dumps({**request, "cells": [cell.as_json() for cell in self.cells]}) + "\n")


@dataclasses.dataclass(frozen=True)
class End:
    """The end of a job.

    Attributes:
        status: `ok`, `no_memory`, `crashed` (by a signal), `terminated` (by one that asks it to end), `no_disk` (full,
            read-only or gone), `refused` (its checkpoint cannot be resumed here, or a record of another network
            is in the way) or `failed`.
        message: The reason, empty for `ok`.
        elsewhere: Names of networks that another process is training.
        lost: Names of bases whose weights are gone or damaged.
    """

    status: str
    message: str = ""
    elsewhere: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "End":
        """Returns the end in the output of `as_json`.

        Raises:
            ValueError: If the content has other fields or types.
        """
        lists = [content.get(name) for name in ("elsewhere", "lost")] if isinstance(content, Mapping) else [None]
        texts = all(isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) for names in lists)
        if not texts or content.get("status") not in STATUSES or not isinstance(content.get("message"), str):
            raise ValueError("Expected how a job ended: a status, a message and two lists of names.")
        elsewhere, lost = map(tuple, lists)
        return cls(content["status"], content["message"], elsewhere, lost)

    def as_json(self) -> dict[str, Any]:
        """Returns plain data."""
        return dataclasses.asdict(self)


def ended(folder: pathlib.Path, name: str, code: int) -> End:
    """Returns the end of a job's process, from its exit code and its files.

    Args:
        folder: Folder of its files.
        name: The job's name.
        code: Exit code of the process, negative for a signal that it had no time to handle.
    """
    if code == 0:
        with contextlib.suppress(OSError, ValueError):  # then its log says why
            return End.from_json(untrusted_files.read_json(folder / f"{name}.end.json"))
    number = processes.signal_of(code)
    status = TERMINATED if number in signals.ASKING else CRASHED if number else FAILED
    status = NO_DISK if code == os.EX_IOERR else status
    return End(status, processes.reason(code, folder / f"{name}.log"))


def group_key(cell: Cell) -> tuple[Any, ...]:
    """Returns the properties that networks of one group share; bases go alone, as others wait for them."""
    treatment = cell.treatment
    alone = cell.name if cell.config.precision == "mixed_float16" else ""  # loss scaling couples towers
    return (
        cell.split.name,
        treatment.target,
        cell.config.seed,
        cell.images_per_class,
        treatment.longer_by,
        treatment.is_reference,
        alone,
    )


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Returns a group's networks so that neighbours share most of a source: frozen ones first, by source, then n."""
    return sorted(
        cells,
        key=lambda cell: (not cell.treatment.frozen, cell.treatment.source or "", cell.treatment.n, cell.name),
    )


def pieces(cells: Sequence[Cell], most: int) -> list[Job]:
    """Returns jobs of about equal size with at most `most` networks each; 0 puts all into one."""
    ordered = in_order(cells)
    count = -(-len(ordered) // most) if most else 1
    size = -(-len(ordered) // count)
    return [Job(tuple(ordered[start : start + size])) for start in range(0, len(ordered), size)]
