"""Shards: files with the prepared images of some hundred consecutive examples. Runs in worker processes.

A shard is a `.bin` file with the images one after the other and a `.npz` file beside it that says what they are and
proves that the first one is whole. Both appear at once or not at all, so a shard either is finished or has to be made
again.
"""

import collections
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable

import numpy as np

from tftransfer.atomic import write as write_atomically
from tftransfer.data.decode import ImageError, decode_with_mode, encode_jpeg, resize
from tftransfer.data.sources.source import Example

# Enough to make a file worth opening, few enough that the originals of some shards in flight fit in memory (28 MB each
# for ImageNet).
SHARD_EXAMPLES = 256
ENCODINGS = ("raw", "jpeg")


@dataclasses.dataclass(frozen=True)
class ShardRequest:
    """What a worker has to make.

    Attributes:
        path: Path of the shard without its ending.
        identity: What the store is made of; a shard with another one is not taken for this one's.
        size: Side of the images in pixels.
        encoding: "raw" or "jpeg".
    """

    path: str
    identity: str
    size: int
    encoding: str


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What became of a shard.

    Attributes:
        files: Bytes and SHA-256 of its two files by name; empty if there were broken images, and nothing was written.
        broken: Key and reason of every broken image.
    """

    files: dict[str, tuple[int, str]]
    broken: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """What a shard says about its images.

    Attributes:
        labels: int32 `(examples,)`.
        lengths: Bytes of each image, int32 `(examples,)`.
        digests: SHA-256 over label, key and original bytes of each image, uint8 `(examples, 32)`.
        modes: Number of images by Pillow mode of the original.
        data_sha256: Of the `.bin` file.
        identity: As in `ShardRequest`.
    """

    labels: np.ndarray
    lengths: np.ndarray
    digests: np.ndarray
    modes: dict[str, int]
    data_sha256: str
    identity: str

    @classmethod
    def read(cls, path: str) -> "ShardIndex":
        """Reads the `.npz` file of the shard at `path`."""
        with np.load(path + ".npz", allow_pickle=False) as held:
            about = json.loads(held["about"].tobytes())
            return cls(held["labels"], held["lengths"], held["digests"], **about)

    def write(self, file) -> None:
        """Writes it as `.npz`, which holds no time and so repeats byte for byte."""
        about = {"modes": self.modes, "data_sha256": self.data_sha256, "identity": self.identity}
        about = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        np.savez(file, labels=self.labels, lengths=self.lengths, digests=self.digests, about=about)


def make_shard(request: ShardRequest, examples: Iterable[Example]) -> ShardReport:
    """Decodes, resizes and encodes `examples`, and writes them unless one is broken.

    Returns:
        The report; broken images are named in it rather than raised, so that all of a data set come together.

    Raises:
        OSError: If the files cannot be written.
    """
    images, labels, digests, broken = [], [], [], []
    modes: collections.Counter[str] = collections.Counter()
    for example in examples:
        try:
            image, mode, original = _prepare(example, request)
        except (ImageError, OSError) as error:
            broken.append((example.key, str(error)))
            continue
        modes[mode] += 1
        images.append(image)
        labels.append(example.label)
        digests.append(image_digest(example.label, example.key, original))
    if broken:
        return ShardReport({}, tuple(broken))
    data = b"".join(images)
    index = ShardIndex(
        labels=np.array(labels, np.int32),
        lengths=np.array([len(image) for image in images], np.int32),
        digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        modes=dict(modes),
        data_sha256=hashlib.sha256(data).hexdigest(),
        identity=request.identity,
    )
    write_atomically(request.path + ".bin", lambda file: file.write(data))
    write_atomically(request.path + ".npz", index.write)
    return ShardReport(shard_files(request.path))


def check_shard(request: ShardRequest, examples: int) -> ShardReport | None:
    """Returns the report of a shard that is there, whole, of this store, and has as many `examples`; else None."""
    try:
        index = ShardIndex.read(request.path)
        files = shard_files(request.path)
    except Exception:  # A damaged archive makes its reader raise nearly anything; either way it is made again.
        return None
    name = os.path.basename(request.path) + ".bin"
    whole = files[name] == (int(index.lengths.sum()), index.data_sha256)
    return (
        ShardReport(files) if whole and index.identity == request.identity and len(index.labels) == examples else None
    )


def image_digest(label: int, key: str, original: bytes) -> bytes:
    """Returns the SHA-256 over label, key and SHA-256 of the original."""
    named = f"{label}\n{key}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(named + hashlib.sha256(original).digest()).digest()


def shard_files(path: str) -> dict[str, tuple[int, str]]:
    """Returns bytes and SHA-256 of the shard's two files, by file name."""
    return {
        os.path.basename(path + end): (os.path.getsize(path + end), file_sha256(path + end)) for end in (".bin", ".npz")
    }


def file_sha256(path: str) -> str:
    """Returns the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepare(example: Example, request: ShardRequest) -> tuple[bytes, str, bytes]:
    """Returns the prepared image, the mode of the original, and the original's bytes."""
    original = example.load()
    if isinstance(original, np.ndarray):
        image, mode = original, "RGB"
        original = getattr(example, "content", None) or np.ascontiguousarray(original).tobytes()
    else:
        image, mode = decode_with_mode(original, at_least=request.size)
    image = resize(image, request.size)
    return (image.tobytes() if request.encoding == "raw" else encode_jpeg(image)), mode, original
