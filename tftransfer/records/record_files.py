"""The folder that proves a network was trained: what it holds, and what "done" means.

runs/<study>/<network>/record.json       written last and atomically: its presence means done
                       weights.weights.h5  bases, others with --keep_weights
                       mean.npy  beside the weights, with what the record says of inputs: how to predict
                       model.json  beside the weights, if the architecture is not built in
                       events.out.tfevents...  TensorBoard's view of the record
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tftransfer.records import fields
from tftransfer.system import atomic, escaping, locks, untrusted_files

FORMAT = 4
RECORD = "record.json"
WEIGHTS = "weights.weights.h5"
ARCHITECTURE = "model.json"
PUBLISHED = "published"
DONE, DIVERGED = "done", "diverged"


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished network.

    Attributes:
        folder: Where it lies.
        content: The JSON object of `record.json`.
    """

    folder: pathlib.Path
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The network's name, `random0-B4B-seed0`."""
        return self.content["name"]

    @property
    def key(self) -> str:
        """Hash of the identity."""
        return self.content["key"]

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return self.content["identity"]

    @property
    def status(self) -> str:
        """`done` or `diverged`."""
        return self.content["status"]

    @property
    def result(self) -> Mapping[str, Any]:
        """Scores on the whole validation half, as shares (0 to 1)."""
        return self.content["result"]

    @property
    def weights_file(self) -> pathlib.Path | None:
        """The file of weights, if the record says that they were kept and they are there."""
        path = self.folder / WEIGHTS
        there = path.is_file() and untrusted_files.inside(path, _study_of(self.folder))
        return path if self.content["weights"]["kept"] and there else None

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the trained weights, kept or not."""
        return self.content["weights"]["sha256"]


def top5(content: Mapping[str, Any]) -> float | None:
    """Returns a record's top-5, a share; None with five classes or fewer, where all answers are among the five."""
    classes = content["identity"].get("data", {}).get("class_count")
    return None if classes is not None and classes <= 5 else content["result"].get("top5")


def key(identity: Mapping[str, Any]) -> str:
    """Returns the hash of an identity, 64 hexadecimal digits.

    Values which say nothing (0, "", false, null) do not count, so that an option which is added later, and is empty by
    default, leaves the keys of older records as they are.
    """
    return hashlib.sha256(json.dumps(_telling(identity), sort_keys=True).encode()).hexdigest()


def _telling(value: Any) -> Any:
    """Returns a mapping without its empty values."""
    if not isinstance(value, Mapping):
        return value
    return {name: telling for name, v in value.items() if (telling := _telling(v))}


def weights_digest(weights: Mapping[str, list[np.ndarray]]) -> str:
    """Returns the SHA-256 of named weights: names, types, shapes and bits."""
    digest = hashlib.sha256()
    for layer in sorted(weights):
        for array in weights[layer]:
            digest.update(f"{layer} {array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: pathlib.Path) -> Record | None:
    """Returns the record in `folder`, or None if no network was finished there.

    It may be anybody's: no more is read than a record can need, nothing outside of the study, and what readers rely on
    is of the right kind.

    Raises:
        ValueError: If there is a record which cannot be used.
    """
    path = folder / RECORD
    try:
        if not untrusted_files.inside(path, _study_of(folder)):
            raise ValueError("it is a link that leads out of the study")
        content = untrusted_files.read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"The record {path} is damaged: {error}. Move its folder away to train it again.") from error
    fault = _fault(content)
    if fault:
        raise ValueError(f"The record {path} cannot be used: {fault}. Move its folder away to train it again.")
    return Record(folder, content)


def _study_of(folder: pathlib.Path) -> pathlib.Path:
    """Returns the folder of the study that a network's folder lies in."""
    return pathlib.Path(os.path.abspath(folder)).parent


def _fault(content: Any) -> str | None:
    """Returns what is wrong with the content of a record."""
    if not isinstance(content, dict):
        return "it is not a JSON object"
    if content.get("format") != FORMAT or isinstance(content["format"], bool):
        return f"expected format {FORMAT}, received {fields.shown(content.get('format'))}"
    if content.get("sha256") != _content_digest(content):
        return "its content has not the SHA-256 that it says; it was changed or damaged"
    fault = fields.fault(content)
    if fault:
        return fault
    if key(content["identity"]) != content["key"]:
        return "its key is not the hash of its identity"
    return None


def _content_digest(content: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a record's content, without regard to the order of names."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write(folder: pathlib.Path, content: Mapping[str, Any]) -> Record:
    """Writes `record.json`, atomically; everything else in the folder must have been written before."""
    # As it will be read, so that its SHA-256 is that of what stands in the file.
    content = json.loads(json.dumps({**content, "format": FORMAT, "key": key(content["identity"])}))
    content = {"format": FORMAT, **content}
    content["sha256"] = _content_digest(content)
    atomic.write_text(folder / RECORD, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return Record(folder, content)


@contextlib.contextmanager
def replacing(folder: pathlib.Path) -> Iterator[None]:
    """Gives a network's folder to a new training; if that fails, what was finished there before comes back.

    If the process itself is killed, `restore` does it at the next call. Only one process may be inside, for one folder.
    """
    restore(folder)
    aside = _aside(folder)
    if (folder / RECORD).exists():
        os.rename(folder, aside)
    elif folder.exists():
        shutil.rmtree(folder)  # an attempt that was interrupted; TensorBoard would show it beside the new one
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        restore(folder)
        if not (folder / RECORD).exists():
            shutil.rmtree(folder, ignore_errors=True)


def restore(folder: pathlib.Path) -> None:
    """Ends a replacement: a finished folder stays, an unfinished one gives way to what was there before."""
    aside = _aside(folder)
    if not aside.exists():
        return
    if (folder / RECORD).exists():
        shutil.rmtree(aside)
        return
    if folder.exists():
        shutil.rmtree(folder)
    os.rename(aside, folder)


def _aside(folder: pathlib.Path) -> pathlib.Path:
    """Returns where a finished network waits while it is trained again."""
    return folder.with_name(f".before-{folder.name}")


def lock_path(study: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the file whose lock a process holds while it trains a network."""
    return study / ".locks" / f"{name}.lock"


def check_writable(folder: pathlib.Path) -> None:
    """Raises ValueError if records cannot be written into the runs folder `folder`; makes it if need be."""
    if folder.resolve().name == PUBLISHED:
        raise ValueError(
            f"{folder} holds published records, which are never counted as done nor added to by a command. Use another "
            f"--runs_dir."
        )
    refuse_unwritable(folder, "runs folder", "--runs_dir")
    locks.require(folder, "--runs_dir")
    if said := locks.warning(folder):
        escaping.say(f"WARNING: {said}", sys.stderr)


def refuse_unwritable(folder: pathlib.Path, what: str, option: str) -> None:
    """Raises ValueError, naming the option that chooses a folder, if it takes no files; makes it if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"test")
    except OSError as error:
        said = f"{folder} is a file" if isinstance(error, FileExistsError) else error
        raise ValueError(
            f"Cannot write into the {what}: {said}. Use {option}=FOLDER with one that can be written."
        ) from error


def read_study(study: pathlib.Path) -> list[Record]:
    """Returns the finished networks of a study, by name."""
    folders = sorted(path.parent for path in study.glob(f"*/{RECORD}") if not path.parent.name.startswith("."))
    return [record for folder in folders if (record := read(folder))]


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns what differs between two identities, one line each: `recipe.epochs: 3 there, 12 here`."""
    lines = []
    for name in sorted(set(found) | set(wanted)):
        there, here = found.get(name), wanted.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            lines += differences(there, here, f"{prefix}{name}.")
        elif there != here:
            lines.append(f"{prefix}{name}: {_short(there)} there, {_short(here)} here")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
