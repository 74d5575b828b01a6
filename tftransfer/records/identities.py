"""Which records belong together: the only module that tells whether a record is that of a network asked for.

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
    """A record is in the way that is not of the network which is wanted here."""


@dataclasses.dataclass(frozen=True)
class Versions:
    """What decides results besides the options, as far as it is known already.

    Attributes:
        fingerprint: SHA-256 of the data set's content; None if the images were not looked at yet.
        architecture: As `models.architectures.identity` gives it; None for our own, whose names say it.
        model_is_known: False if the model was not built yet, so that `architecture` says nothing.
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
        versions: What decides results besides its options.

    Raises:
        AnotherNetworkError: If the record under its name is that of another network.
        ValueError: If there is a record that cannot be used.
    """
    record = record_files.read(study / cell.name)
    if record:
        check(record, cell, versions)
    return record


def what_differs(record: Record, cell: Cell, versions: Versions = UNKNOWN) -> list[str]:
    """Returns what tells a record from a network, one line each; its source's weights do not count.

    Raises:
        AnotherNetworkError: If the record does not say what decided its result.
    """
    found = record.identity
    try:
        fingerprint = versions.fingerprint or found["data"]["fingerprint"]
        architecture = versions.architecture if versions.model_is_known else found.get("architecture")
        wanted = cell.identity(fingerprint, found["source"], architecture)
    except (KeyError, TypeError) as error:
        raise AnotherNetworkError(
            f"The record in {record.folder} cannot be used: its identity lacks {error}. Move its folder away to train "
            f"it again."
        ) from error
    return [] if record.key == record_files.key(wanted) else record_files.differences(found, wanted)


def check(record: Record, cell: Cell, versions: Versions = UNKNOWN) -> None:
    """Raises AnotherNetworkError, with what differs, if the record under a cell's name is not that network's."""
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
    """Returns what a network's identity keeps of the base that it copies from: another training is another source."""
    return {"key": source.key, "weights": source.weights_digest}


def copies_from(record: Record, source: Record | None) -> bool:
    """Whether a network was made from this very training of its source; True if it has no source."""
    return source is None or record.identity["source"] == origin(source)


def digest(identity: Mapping[str, Any]) -> str:
    """Returns 8 digits which are equal for networks that compare: same recipe, protocol, data set and architecture."""
    return hashlib.sha256(json.dumps(list(_common(identity).values())).encode()).hexdigest()[:8]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Returns why two identities have different digests, one line each."""
    return record_files.differences(*(_common(identity, whole=True) for identity in (one, other)))


def _common(identity: Mapping[str, Any], whole: bool = False) -> dict[str, Any]:
    """Returns what networks that compare have in common; the recipe as its hash, or whole."""
    recipe, architecture = identity["recipe"], identity.get("architecture")
    return {
        "recipe": recipe if whole else record_files.key(recipe),
        "protocol": identity["protocol"],
        "fingerprint": identity["data"]["fingerprint"],
        **({"architecture": architecture if whole else record_files.key(architecture)} if architecture else {}),
    }


def strays(found: Iterable[Record]) -> Iterator[tuple[Record, str]]:
    """Yields records that were made with another base than the one that lies beside them, and which of their bases.

    Args:
        found: Records of a study. Bases are known by half, split, seed and images per class, not by recipe or data, so
            that a base of another recipe in the place of the right one is found, too.
    """
    found = tuple(found)
    bases: dict[tuple[Any, ...], list[dict[str, str]]] = {}
    for record in found:
        treatment = Treatment(**record.identity["treatment"])
        if treatment.is_reference:
            bases.setdefault(_place(record, treatment.target), []).append(origin(record))
    for record in found:
        treatment = Treatment(**record.identity["treatment"])
        made_with = {SOURCE: record.identity.get("source"), REFERENCE: record.content.get("reference")}
        halves = {SOURCE: treatment.source_base, REFERENCE: treatment.target}
        for role, base in made_with.items():
            here = bases.get(_place(record, halves[role]), [])
            if here and isinstance(base, Mapping) and "key" in base and base not in here:
                yield record, role


def _place(record: Record, half: str | None) -> tuple[Any, ...]:
    """Returns what names the base of a half beside a record; another half's base sees all images."""
    identity = record.identity
    keeps = identity["images_per_class"] if half == identity["treatment"]["target"] else 0
    return half, identity["split"], identity["seed"], keeps
