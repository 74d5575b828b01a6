"""`store.json`: what a finished store says about itself. Written last; without it a store is not finished."""

import dataclasses
import hashlib
import json
import os

from tftransfer.data.shards import file_sha256, write_atomically

FORMAT_VERSION = 1
FILE_NAME = "store.json"


class StoreError(RuntimeError):
    """A store cannot be made or must not be read; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The content of `store.json`.

    Attributes:
        dataset: Name of the data set.
        identity: SHA-256 over the source's identity, size, encoding and format version.
        fingerprint: SHA-256 over the class names and, per image in source order, split, label, key and original bytes.
            It says which data this is, whatever its size, encoding and place.
        size: Side of the images in pixels.
        encoding: "raw" or "jpeg".
        class_names: Names of the classes by label.
        class_kinds: "manmade", "natural" or None for each class.
        examples: Number of images by split.
        files: Bytes and SHA-256 of every file, by path below the store.
        notes: Counts worth knowing: originals by mode, ignored files.
        format_version: Version of this layout.
    """

    dataset: str
    identity: str
    fingerprint: str
    size: int
    encoding: str
    class_names: tuple[str, ...]
    class_kinds: tuple[str | None, ...]
    examples: dict[str, int]
    files: dict[str, tuple[int, str]]
    notes: dict[str, int]
    format_version: int = FORMAT_VERSION

    def write(self, store: str) -> None:
        """Writes it into the folder `store`, with a checksum of its own."""
        content = dataclasses.asdict(self)
        text = json.dumps(content | {"checksum": _checksum(content)}, indent=1, sort_keys=True)
        write_atomically(os.path.join(store, FILE_NAME), lambda file: file.write(text.encode()))

    @classmethod
    def read(cls, store: str) -> "Manifest":
        """Reads it from the folder `store`.

        Raises:
            StoreError: If it is not there, damaged, or of another format version.
        """
        path = os.path.join(store, FILE_NAME)
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            checksum = content.pop("checksum")
            version = content["format_version"]
        except FileNotFoundError as error:
            raise StoreError(
                f"No finished store at {store}: {FILE_NAME} is missing. Prepare the data set first."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path} is damaged ({error}). Prepare the data set again.") from error
        if version != FORMAT_VERSION:
            raise StoreError(
                f"The store {store} has format version {version}, expected {FORMAT_VERSION}. Prepare the data set "
                "again."
            )
        if checksum != _checksum(content):
            raise StoreError(f"{path} is damaged: its checksum does not match. Prepare the data set again.")
        content["files"] = {name: tuple(entry) for name, entry in content["files"].items()}
        for name in ("class_names", "class_kinds"):
            content[name] = tuple(content[name])
        return cls(**content)

    def check_files(self, store: str, verify: bool) -> None:
        """Raises `StoreError` unless every file is there with its size and SHA-256.

        The SHA-256 of shards, which are nearly all of a store, is only compared if `verify`, and where a shard was
        written to after this manifest.
        """
        finished = os.stat(os.path.join(store, FILE_NAME)).st_mtime_ns
        for name, (size, sha256) in self.files.items():
            path = os.path.join(store, name)
            found = os.path.getsize(path) if os.path.isfile(path) else None
            if found is None:
                problem = "is missing"
            elif found != size:
                problem = f"has {found} bytes, expected {size}"
            elif (verify or not name.startswith("shards/") or os.stat(path).st_mtime_ns > finished) and file_sha256(
                path
            ) != sha256:
                problem = "does not have its recorded SHA-256"
            else:
                continue
            raise StoreError(
                f"{path} {problem}: the store is damaged. Prepare the data set again; what is whole is kept."
            )


def _checksum(content: dict) -> str:
    """Returns the SHA-256 of `content` without regard to the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
