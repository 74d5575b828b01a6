"""Comparison of records: whether one is of the network asked for, and which of them may be averaged together.

Everything asks `find` or `check`: `run` and a group's process before they copy from a base or compare with it, a sweep
before it starts. A report asks `digest` and `strays` before it averages.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tftransfer.experiment.plan import Cell
from tftransfer.experiment.treatments import Treatment
from tftransfer.records import record_files
from tftransfer.records.record_files import Record

SOURCE, REFERENCE = "source", "reference"


class AnotherNetworkError(ValueError):
    """The record under a network's name is that of another network."""


@dataclasses.dataclass(frozen=True)
class Versions:
    """Images and architecture, which decide results besides the options, as far as they are known.

    Attributes:
        fingerprint: SHA-256 of the data set's content; None if the images were not read yet.
        architecture: From `models.architectures.identity`; None for AlexNet.
        model_is_known: False if the model was not built yet; `architecture` is not compared then.
    """

    fingerprint: str | None = None
    architecture: Mapping[str, Any] | None = None
    model_is_known: bool = False


UNKNOWN = Versions()


def find(study: pathlib.Path, cell: Cell, versions: Versions = UNKNOWN) -> Record | None:
    """Returns a network's record, or None if the network was not finished.

    Args:
        study: The study's folder.
        cell: The network.
        versions: Images and architecture here, as far as they are known.

    Raises:
        AnotherNetworkError: If the record under its name is that of another network.
        ValueError: If there is a record that cannot be used.
    """
    record = record_files.read(study / cell.name)
    if record:
        check(record, cell, versions)
    return record


def what_differs(record: Record, cell: Cell, versions: Versions = UNKNOWN) -> list[str]:
    """Returns the differences between a record's identity and a network's, one line each, without those of the source.

    Raises:
        AnotherNetworkError: If the record's identity is not complete.
    """
    there = record.identity
    try:
        fingerprint = versions.fingerprint or there["data"]["fingerprint"]
        architecture = versions.architecture if versions.model_is_known else there.get("architecture")
        here = cell.identity(fingerprint, there["source"], architecture)
    except (KeyError, TypeError) as error:
        raise AnotherNetworkError(
            f"The record in {record.folder} cannot be used: its identity lacks {error}. Move its folder away to train "
            f"it again."
        ) from error
    return [] if record.key == record_files.key(here) else record_files.differences(there, here)


def check(record: Record, cell: Cell, versions: Versions = UNKNOWN) -> None:
    """Raises AnotherNetworkError, with the differences, if the record under a cell's name is not that network's."""
    differs = what_differs(record, cell, versions)
    if not differs:
        return
    if what_differs(record, cell):
        kind = "of another configuration"
    elif record.identity["data"]["fingerprint"] != (versions.fingerprint or record.identity["data"]["fingerprint"]):
        kind = "on another version of the data set"
    else:
        kind = f"of another architecture under the name {record.identity['recipe']['model']}"
    raise AnotherNetworkError(
        f"{record.folder} holds a network {kind}; nothing was overwritten. What differs: {'; '.join(differs)}. Give "
        f"this study another name with --study=NAME."
    )


def origin(source: Record) -> dict[str, str]:
    """Returns the `key` and `weights` (SHA-256) of a source: another training of it is another source."""
    return {"key": source.key, "weights": source.weights_digest}


def copies_from(record: Record, source: Record | None) -> bool:
    """Whether a network copies from this training of its source; True without a source."""
    return source is None or record.identity["source"] == origin(source)


def digest(identity: Mapping[str, Any]) -> str:
    """Returns 8 hexadecimal digits that networks of the same recipe, protocol, data set and architecture share."""
    return hashlib.sha256(json.dumps(list(_common(identity).values())).encode()).hexdigest()[:8]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Returns the differences that give two identities different digests, one line each."""
    return record_files.differences(*(_common(identity, whole=True) for identity in (one, other)))


def _common(identity: Mapping[str, Any], whole: bool = False) -> dict[str, Any]:
    """Returns the parts that networks to compare have in common; recipe and architecture as hashes, or whole."""
    recipe, architecture = identity["recipe"], identity.get("architecture")
    return {
        "recipe": recipe if whole else record_files.key(recipe),
        "protocol": identity["protocol"],
        "fingerprint": identity["data"]["fingerprint"],
        **({"exclude_duplicates": True} if identity.get("exclude_duplicates") else {}),
        **({"architecture": architecture if whole else record_files.key(architecture)} if architecture else {}),
    }


def strays(records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
    """Yields records that were made with another base than the one beside them, each with `SOURCE` or `REFERENCE`.

    Args:
        records: Records of a study. Bases are known by half, split, seed and images per class, not by recipe or data,
            so that a base of another recipe in the place of the right one is found, too.
    """
    records = tuple(records)
    bases: dict[tuple[Any, ...], list[dict[str, str]]] = {}
    for record in records:
        treatment = Treatment(**record.identity["treatment"])
        if treatment.is_reference:
            bases.setdefault(_place(record, treatment.target), []).append(origin(record))
    for record in records:
        treatment = Treatment(**record.identity["treatment"])
        made_with = {SOURCE: record.identity.get("source"), REFERENCE: record.content.get("reference")}
        halves = {SOURCE: treatment.source_base, REFERENCE: treatment.target}
        for role, base in made_with.items():
            here = bases.get(_place(record, halves[role]), [])
            if here and isinstance(base, Mapping) and "key" in base and base not in here:
                yield record, role


def _place(record: Record, half: str | None) -> tuple[Any, ...]:
    """Returns half, split, seed and images per class of a record's base; the other half's base sees all images."""
    identity = record.identity
    keeps = identity["images_per_class"] if half == identity["treatment"]["target"] else 0
    return half, identity["split"], identity["seed"], keeps
