"""The folder of a finished network and its record, which is checked whenever it is read.

runs/<study>/<network>/
    record.json             written last and atomically: its presence means done
    weights.weights.h5      bases, others with --keep_weights
    mean.npy                beside the weights: mean image, for the preprocessing of other images
    model.json              beside the weights, if the architecture is not AlexNet
    diagnostics.npz         first-layer filters and similarity of features, for reports
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
        folder: The network's folder.
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
        """All settings that decide the result."""
        return self.content["identity"]

    @property
    def status(self) -> str:
        """`done` or `diverged`."""
        return self.content["status"]

    @property
    def result(self) -> Mapping[str, Any]:
        """Scores on all validation images of its target; accuracies from 0 to 1."""
        return self.content["result"]

    @property
    def weights_file(self) -> pathlib.Path | None:
        """The file of weights; None if they were not kept or are gone."""
        path = self.folder / WEIGHTS
        exists = path.is_file() and untrusted_files.inside(path, _study_of(self.folder))
        return path if self.content["weights"]["kept"] and exists else None

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the trained weights, kept or not."""
        return self.content["weights"]["sha256"]


def top5(content: Mapping[str, Any]) -> float | None:
    """Returns a record's top-5 accuracy, 0 to 1; None with five classes or fewer, where it is always 1."""
    classes = content["identity"].get("data", {}).get("class_count")
    return None if classes is not None and classes <= 5 else content["result"].get("top5")


def key(identity: Mapping[str, Any]) -> str:
    """Returns the hash of an identity, 64 hexadecimal digits.

    Empty values (0, "", false, null) do not count, so that an option which is added later, and is empty by default,
    leaves the keys of older records as they are.
    """
    return hashlib.sha256(json.dumps(_without_empty(identity), sort_keys=True).encode()).hexdigest()


def _without_empty(value: Any) -> Any:
    """Returns a mapping without its empty values, at all levels; other values as they are."""
    if not isinstance(value, Mapping):
        return value
    return {name: kept for name, inner in value.items() if (kept := _without_empty(inner))}


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

    It may come from anybody: no more is read than a record can need, nothing outside of the study, and the types and
    ranges of its parts are checked.

    Raises:
        ValueError: If there is a record that cannot be used.
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
    """Returns the folder of a network's study."""
    return pathlib.Path(os.path.abspath(folder)).parent


def _fault(content: Any) -> str | None:
    """Returns the fault of a record's content; None if it can be used."""
    if not isinstance(content, dict):
        return "it is not a JSON object"
    if content.get("format") != FORMAT or isinstance(content["format"], bool):
        return f"expected format {FORMAT}, received {fields.shown(content.get('format'))}"
    if content.get("sha256") != _content_digest(content):
        return "its content does not have the SHA-256 in it; it was changed or damaged"
    fault = fields.fault(content)
    if fault:
        return fault
    if key(content["identity"]) != content["key"]:
        return "its key is not the hash of its identity"
    return None


def _content_digest(content: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a record's content, whatever the order of its names."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write(folder: pathlib.Path, content: Mapping[str, Any]) -> Record:
    """Writes `record.json` atomically, after all other files of the folder; returns the record."""
    # As it will be read, so that its SHA-256 is that of the file's content.
    content = json.loads(json.dumps({**content, "format": FORMAT, "key": key(content["identity"])}))
    content = {"format": FORMAT, **content}
    content["sha256"] = _content_digest(content)
    atomic.write_text(folder / RECORD, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return Record(folder, content)


@contextlib.contextmanager
def replacing(folder: pathlib.Path) -> Iterator[None]:
    """Gives a network's folder to a new training; if that fails, the network that was there before comes back.

    If the process is killed, `restore` brings it back at the next call. Only one process may be inside for one folder.
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
    """Ends a replacement: a finished folder stays; an unfinished one gives way to the network that was there before."""
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
    """Returns the folder of a finished network while it is trained again."""
    return folder.with_name(f".before-{folder.name}")


def lock_path(study: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the file that a process locks while it trains a network."""
    return study / ".locks" / f"{name}.lock"


def check_writable(folder: pathlib.Path) -> None:
    """Raises ValueError if records cannot be written into the folder of all studies; makes it if it does not exist."""
    if folder.resolve().name == PUBLISHED:
        raise ValueError(
            f"{folder} holds published records, which are never counted as done nor added to by a command. Use another "
            f"--runs_dir."
        )
    refuse_unwritable(folder, "runs folder", "--runs_dir")
    locks.require(folder, "--runs_dir")
    if warning := locks.warning(folder):
        escaping.say(f"WARNING: {warning}", sys.stderr)


def refuse_unwritable(folder: pathlib.Path, what: str, option: str) -> None:
    """Raises ValueError if no file can be written into a folder; makes it if it does not exist.

    Args:
        folder: The folder.
        what: What it is, for the message.
        option: The option that names it, for the message.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"test")
    except OSError as error:
        reason = f"{folder} is a file" if isinstance(error, FileExistsError) else error
        raise ValueError(
            f"Cannot write into the {what}: {reason}. Use {option}=FOLDER with one that can be written."
        ) from error


def read_study(study: pathlib.Path) -> list[Record]:
    """Returns the finished networks of a study, by name."""
    folders = sorted(path.parent for path in study.glob(f"*/{RECORD}") if not path.parent.name.startswith("."))
    return [record for folder in folders if (record := read(folder))]


def differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns the differences between two identities, one line each: `recipe.epochs: 3 there, 12 here`."""
    lines = []
    for name in sorted(set(there) | set(here)):
        one, other = there.get(name), here.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += differences(one, other, f"{prefix}{name}.")
        elif one != other:
            lines.append(f"{prefix}{name}: {_short(one)} there, {_short(other)} here")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
