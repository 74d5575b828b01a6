"""Shards: files with the prepared images of some hundred consecutive examples. Runs in worker processes.

A shard is a `.bin` file with the images one after the other, a `.grey` file with their thumbnails, for the search of
near copies, and a `.npz` file with their labels, names, lengths and digests and the SHA-256 of the other two. Each
appears whole or not at all, the `.npz` last; a shard that lacks one of them, or whose digests differ, is made again.
"""

import collections
import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable

import numpy as np

from tftransfer.data import duplicates
from tftransfer.data.datasets.dataset import Example
from tftransfer.data.decode import ImageError, decode_with_mode, encode_jpeg, resize
from tftransfer.system import atomic

# Enough to make a file worth opening, few enough that the originals of some shards in flight fit in memory (28 MB each
# for ImageNet).
SHARD_EXAMPLES = 256
ENCODINGS = ("raw", "jpeg")
ENDINGS = (".bin", ".grey", ".npz")
MOST_OF_A_REASON = 200  # characters
INDEX_DTYPE = np.dtype([("label", "<i4"), ("length", "<i4"), ("content", "<u8"), ("hash", "<u8")])


@dataclasses.dataclass(frozen=True)
class ShardRequest:
    """The order for one shard, as a worker gets it.

    Attributes:
        path: Path of the shard without its extension.
        identity: Identity of the store; a shard of another identity is made again.
        size: Side of the images in pixels.
        encoding: "raw" or "jpeg".
        skip_broken: True leaves broken images out; False writes no shard that has one.
    """

    path: str
    identity: str
    size: int
    encoding: str
    skip_broken: bool = False


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """The outcome of one request.

    Attributes:
        files: Bytes and SHA-256 of its files by name; empty if broken images kept them from being written.
        broken: Key and reason of every broken image.
    """

    files: dict[str, tuple[int, str]]
    broken: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """The index of a shard: labels, names, lengths and digests of its images.

    Attributes:
        labels: int32 `(examples,)`.
        lengths: Bytes of each image, int32 `(examples,)`.
        digests: SHA-256 over label, key and original bytes of each image, uint8 `(examples, 32)`.
        contents: 64 bits of the SHA-256 of each original alone, uint64 `(examples,)`: equal for copies of one image.
        hashes: By which near copies are found, uint64 `(examples,)`; see `duplicates.signature`.
        keys: Names of the images in the data set, with a zero byte after each, uint8.
        modes: Number of images by Pillow mode of the original.
        data_sha256: Of the `.bin` file.
        thumbnails_sha256: Of the `.grey` file.
        identity: As in `ShardRequest`.
        broken: Key and reason of every image that was left out.
    """

    labels: np.ndarray
    lengths: np.ndarray
    digests: np.ndarray
    contents: np.ndarray
    hashes: np.ndarray
    keys: np.ndarray
    modes: dict[str, int]
    data_sha256: str
    thumbnails_sha256: str
    identity: str
    broken: list[list[str]]

    @classmethod
    def read(cls, path: str) -> "ShardIndex":
        """Reads the `.npz` file of the shard at `path`."""
        refuse_packed(path + ".npz")
        with np.load(path + ".npz", allow_pickle=False) as archive:
            about = json.loads(archive["about"].tobytes())
            return cls(**{name: archive[name] for name in _ARRAYS}, **about)

    def write(self, file) -> None:
        """Writes it as `.npz`, which holds no time of writing, so that equal shards are equal byte for byte."""
        about = {name: getattr(self, name) for name in _ABOUT}
        about = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        np.savez(file, **{name: getattr(self, name) for name in _ARRAYS}, about=about)

    def names(self) -> list[str]:
        """Returns the name of each image in the data set."""
        return self.keys.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


_ARRAYS = ("labels", "lengths", "digests", "contents", "hashes", "keys")
_ABOUT = ("modes", "data_sha256", "thumbnails_sha256", "identity", "broken")


def make_shard(request: ShardRequest, examples: Iterable[Example]) -> ShardReport:
    """Decodes, resizes and encodes `examples`, and writes them unless one is broken that must not be left out.

    Returns:
        The report. It names the broken images, which are not raised, so that those of all shards can be listed at once.

    Raises:
        OSError: If the files cannot be written.
    """
    images, thumbnails, rows, keys, digests, broken = [], [], [], [], [], []
    modes: collections.Counter[str] = collections.Counter()
    for example in examples:
        try:
            image, mode, original, (difference_hash, thumbnail) = _prepare(example, request)
        except (ImageError, OSError) as error:
            broken.append((example.key, str(error)[:MOST_OF_A_REASON]))
            continue
        modes[mode] += 1
        images.append(image)
        thumbnails.append(thumbnail.tobytes())
        content = hashlib.sha256(original).digest()
        rows.append((example.label, len(image), int.from_bytes(content[:8], "little"), int(difference_hash)))
        keys.append(example.key.replace("\0", "") + "\0")
        digests.append(image_digest(example.label, example.key, content))
    if broken and not request.skip_broken:
        return ShardReport({}, tuple(broken))
    data, grey = b"".join(images), b"".join(thumbnails)
    table = np.array(rows, INDEX_DTYPE)
    index = ShardIndex(
        labels=table["label"],
        lengths=table["length"],
        digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        contents=table["content"],
        hashes=table["hash"],
        keys=np.frombuffer("".join(keys).encode("utf-8", "surrogateescape"), np.uint8),
        modes=dict(modes),
        data_sha256=hashlib.sha256(data).hexdigest(),
        thumbnails_sha256=hashlib.sha256(grey).hexdigest(),
        identity=request.identity,
        broken=[list(named) for named in broken],
    )
    atomic.write(request.path + ".bin", data)
    atomic.write(request.path + ".grey", grey)
    atomic.write(request.path + ".npz", index.write)
    return ShardReport(shard_files(request.path), tuple(broken))


def check_shard(request: ShardRequest, examples: int) -> ShardReport | None:
    """Returns the report of a finished shard; None if it is missing, damaged, or not of this store and length."""
    try:
        index = ShardIndex.read(request.path)
        files = shard_files(request.path)
    except Exception:  # a damaged archive makes its reader raise nearly anything; it is made again
        return None
    name = os.path.basename(request.path)
    whole = files[name + ".bin"] == (int(index.lengths.sum()), index.data_sha256)
    grey = duplicates.THUMBNAIL_BYTES * len(index.labels), index.thumbnails_sha256
    whole = whole and files[name + ".grey"] == grey and len(index.names()) == len(index.labels)
    complete = len(index.labels) + len(index.broken) == examples
    if not (whole and complete and index.identity == request.identity):
        return None
    return ShardReport(files, tuple((key, reason) for key, reason in index.broken))


def image_digest(label: int, key: str, content: bytes) -> bytes:
    """Returns the SHA-256 over label, key and `content`, the SHA-256 of the original."""
    named = f"{label}\n{key}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(named + content).digest()


def shard_files(path: str) -> dict[str, tuple[int, str]]:
    """Returns bytes and SHA-256 of the shard's files, by file name."""
    return {os.path.basename(path + end): (os.path.getsize(path + end), file_sha256(path + end)) for end in ENDINGS}


def file_sha256(path: str) -> str:
    """Returns the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_packed(path: str) -> None:
    """Raises ValueError if an archive would unpack to more than itself: ours are not compressed, a bomb is."""
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > os.path.getsize(path):
            raise ValueError(f"{path} is compressed, which no archive of ours is")


def _prepare(example: Example, request: ShardRequest) -> tuple[bytes, str, bytes, tuple[np.uint64, np.ndarray]]:
    """Returns the prepared image, the original's mode and bytes, and by what its near copies are found."""
    original = example.load()
    if isinstance(original, np.ndarray):
        image, mode = original, "RGB"
        original = getattr(example, "content", None) or np.ascontiguousarray(original).tobytes()
    else:
        image, mode = decode_with_mode(original, at_least=request.size)
    signature = duplicates.signature(image)
    image = resize(image, request.size)
    return (image.tobytes() if request.encoding == "raw" else encode_jpeg(image)), mode, original, signature
