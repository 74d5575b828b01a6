"""The networks of a study whose weights a sweep keeps though nobody asked: the best of each half's classes.

Every group keeps the weights of its best network; what another group beats is removed when it is beaten, and at the
end. Bases, and what `--keep_weights` keeps, are never touched. The order of networks is the same for all who look, so
two sweeps of one study never remove each other's best.
"""

import contextlib
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from tftransfer.records import record_files
from tftransfer.records.record_files import RECORD, Record

BEST = "best"
"""The value of `weights.kept_as` in records whose weights were kept as the best of their group."""


def of_group(scores: Mapping[str, float]) -> str | None:
    """Returns the name of the best of some networks; of equal ones the last by name."""
    return max(scores, key=lambda name: (scores[name], name), default=None)


def prune(study: pathlib.Path) -> list[Record]:
    """Removes the weights of all networks that were kept as the best of their group, but of the best of each target.

    Args:
        study: The study's folder.

    Returns:
        The records of those that stay, by split and target.
    """
    groups: dict[tuple[Any, ...], dict[str, Record]] = {}
    for record in _kept(study):
        key = str(record.identity["split"]), str(record.identity["treatment"]["target"])
        groups.setdefault(key, {})[record.name] = record
    stay = []
    for _, group in sorted(groups.items()):
        first = of_group({name: record.result["top1"] for name, record in group.items()})
        stay.append(group.pop(first))
        for record in group.values():
            with contextlib.suppress(OSError):  # on a disk that cannot be written it stays, which harms nothing
                (record.folder / record_files.WEIGHTS).unlink()
    return stay


def _kept(study: pathlib.Path) -> Iterable[Record]:
    """Yields the records of networks whose weights were kept as the best of their group and are there."""
    for path in sorted(study.glob(f"*/{RECORD}")):
        record = None
        with contextlib.suppress(ValueError, OSError):  # a damaged record is told by whoever needs it
            record = record_files.read(path.parent)
        if record and record.content["weights"].get("kept_as") == BEST and record.weights_file:
            yield record
