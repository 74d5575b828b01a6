"""The making of a store: images are decoded and resized once, by several processes, in shards that survive a kill."""

import contextlib
import hashlib
import itertools
import json
import logging
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping

import filelock
import numpy as np

from tftransfer.data import duplicates
from tftransfer.data.datasets.dataset import SUBSETS, Dataset, Digest
from tftransfer.data.manifest import FILE_NAME, FORMAT_VERSION, NEAR_FILE, TOO_ALIKE, Manifest, StoreError
from tftransfer.data.shards import (
    INDEX_DTYPE,
    SHARD_EXAMPLES,
    ShardIndex,
    ShardReport,
    ShardRequest,
    check_shard,
    file_sha256,
    make_shard,
)
from tftransfer.data.workers import Workers
from tftransfer.system import atomic, environment, escaping

# More would wait for the one reader of TensorFlow Datasets, and hold more originals in memory.
MOST_WORKERS = 16
# A process takes about as long to start as to prepare some hundred images.
SHARDS_PER_WORKER = 4
SECONDS_BEFORE_NOTICE = 3.0
BROKEN = "broken_images_left_out"
# Images that were left out and are listed in the manifest.
MOST_NAMED = 1000

Progress = Callable[[int, int], None]


def store_path(dataset: Dataset, cache_dir: str, size: int, encoding: str, version: int = FORMAT_VERSION) -> str:
    """Returns the folder of the store, named for data set, size, encoding and 12 digits of its identity."""
    name, digest = re.sub(r"[^\w.-]+", "-", dataset.name), store_identity(dataset, size, encoding, version)
    return os.path.join(cache_dir, f"{name}-{size}px-{encoding}-{digest[:12]}")


def store_identity(dataset: Dataset, size: int, encoding: str, version: int = FORMAT_VERSION) -> str:
    """Returns the SHA-256 over the data set's identity, all options, and the version of a store's layout."""
    return Digest(dataset.identity, size, encoding, SHARD_EXAMPLES, version).hexdigest()


def shard_path(store: str, subset: str, number: int) -> str:
    """Returns the path of a shard without its extension."""
    return os.path.join(store, "shards", f"{subset}-{number:05d}")


@contextlib.contextmanager
def only_one(store: str) -> Iterator[None]:
    """Lets one process at a time work on `store`; one that waits logs for which process."""
    lock, owner = filelock.FileLock(f"{store}.lock"), f"{store}.owner"
    try:
        lock.acquire(timeout=SECONDS_BEFORE_NOTICE)
    except filelock.Timeout:
        with contextlib.suppress(OSError), open(owner, encoding="utf-8") as file:
            logging.getLogger(__name__).warning("Waiting for %s, which prepares %s.", file.read(), store)
        lock.acquire()
    try:
        with open(owner, "w", encoding="utf-8") as file:
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with contextlib.suppress(OSError):
            os.remove(owner)
        lock.release()


def of_older_format(dataset: Dataset, cache_dir: str, size: int, encoding: str) -> str | None:
    """Returns the folder of a finished store that an older version of this package made; None if there is none."""
    paths = (store_path(dataset, cache_dir, size, encoding, version) for version in range(1, FORMAT_VERSION))
    return next((path for path in paths if os.path.exists(os.path.join(path, FILE_NAME))), None)


def build(
    dataset: Dataset, store: str, size: int, encoding: str, workers: int | None, progress: Progress | None
) -> None:
    """Makes the files of a store that are missing or damaged. Call it inside `only_one`.

    Raises:
        StoreError: If images are broken (all are counted, ten are named), or files cannot be written.
        WorkerError: If a worker was killed.
    """
    try:
        _require_space(dataset, store, size, encoding)
        os.makedirs(os.path.join(store, "shards"), exist_ok=True)
        _remove_leftovers(store)
        requests = _requests(dataset, store, size, encoding)
        reports = _make_shards(dataset, requests, workers, progress)
        _finish(dataset, store, size, encoding, requests, reports)
    except OSError as error:
        raise StoreError(
            f"Cannot write the prepared data of {dataset.name!r} in {store}: {error}. Free some space there, or choose "
            "another --cache_dir. What was finished is kept."
        ) from error


def _requests(dataset: Dataset, store: str, size: int, encoding: str) -> dict[tuple[str, int], ShardRequest]:
    """Returns the requests for all shards, by subset and number, in the order of the data set."""
    identity = store_identity(dataset, size, encoding)
    return {
        (subset, number): ShardRequest(shard_path(store, subset, number), identity, size, encoding, dataset.skip_broken)
        for subset in SUBSETS
        for number in range(-(-len(dataset.examples(subset)) // SHARD_EXAMPLES))
    }


def _make_shards(
    dataset: Dataset, requests: dict[tuple[str, int], ShardRequest], workers: int | None, progress: Progress | None
) -> list[ShardReport]:
    """Returns the report of every shard in order; shards that are finished and whole are kept."""
    count = workers or min(environment.usable_cores(), MOST_WORKERS, -(-len(requests) // SHARDS_PER_WORKER))
    total = sum(len(dataset.examples(subset)) for subset in SUBSETS)
    done, reports, broken = 0, {}, []

    def advance(place: tuple[str, int], report: ShardReport) -> None:
        nonlocal done
        reports[place] = report
        broken.extend(report.broken)
        done += _examples_in(dataset, *place)
        if progress is not None:
            progress(done, total)

    with Workers(count) as pool:
        finished = [place for place, request in requests.items() if os.path.exists(request.path + ".npz")]
        checks = pool.map(check_shard, ((requests[place], _examples_in(dataset, *place)) for place in finished))
        for place, report in zip(finished, checks, strict=True):
            if report is not None:
                advance(place, report)
        missing = [place for place in requests if place not in reports]
        chunks = _chunks(dataset, missing)
        made = pool.map(make_shard, ((requests[place], chunk) for place, chunk in zip(missing, chunks, strict=True)))
        for place, report in zip(missing, made, strict=True):
            advance(place, report)
    if broken and not dataset.skip_broken:
        named = "\n".join(f"  {escaping.terminal(key)}: {escaping.terminal(reason)}" for key, reason in broken[:10])
        raise StoreError(
            f"{len(broken)} of the {total} images of {dataset.name!r} cannot be read. Replace or remove them, or leave "
            f"them out with --skip_broken; what was finished is kept."
            f"{' The first ten:' if len(broken) > 10 else ''}\n{named}",
            in_lines=True,
        )
    return [reports[place] for place in requests]


def _examples_in(dataset: Dataset, subset: str, number: int) -> int:
    """Returns the number of examples in a shard."""
    return min(SHARD_EXAMPLES, len(dataset.examples(subset)) - number * SHARD_EXAMPLES)


def _chunks(dataset: Dataset, places: list[tuple[str, int]]) -> Iterator[list]:
    """Yields the examples of each shard; neighbours are read at once, as data sets of TFDS are slow to open."""
    runs = itertools.groupby(enumerate(places), key=lambda item: (item[1][0], item[1][1] - item[0]))
    for (subset, _), run in runs:
        numbers = [number for _, (_, number) in run]
        stop = min((numbers[-1] + 1) * SHARD_EXAMPLES, len(dataset.examples(subset)))
        examples = dataset.examples(subset).between(numbers[0] * SHARD_EXAMPLES, stop)
        for number in numbers:
            chunk = list(itertools.islice(examples, SHARD_EXAMPLES))
            if len(chunk) != _examples_in(dataset, subset, number):
                raise StoreError(
                    f"{dataset.name!r} ended early: shard {number} of {subset!r} got {len(chunk)} examples, expected "
                    f"{_examples_in(dataset, subset, number)}. Prepare or download the data set again."
                )
            yield chunk


def _finish(
    dataset: Dataset,
    store: str,
    size: int,
    encoding: str,
    requests: dict[tuple[str, int], ShardRequest],
    reports: list[ShardReport],
) -> None:
    """Writes the index of each subset and, last, the manifest."""
    files = {f"shards/{name}": entry for report in reports for name, entry in report.files.items()}
    broken = dict(itertools.chain.from_iterable(report.broken for report in reports))
    fingerprint = hashlib.sha256(json.dumps(dataset.class_names).encode())
    notes, shards, indices = dict(dataset.notes) | ({BROKEN: len(broken)} if broken else {}), {}, {}
    for subset in SUBSETS:
        parts = [ShardIndex.read(request.path) for (name, _), request in requests.items() if name == subset]
        shards[subset] = [len(part.labels) for part in parts]
        fingerprint.update(f"{subset} {sum(shards[subset])}\n".encode())
        for part in parts:
            fingerprint.update(part.digests.tobytes())
            for mode, count in part.modes.items():
                notes[f"mode_{mode}"] = notes.get(f"mode_{mode}", 0) + count
        rows = _index_rows(parts)
        files[f"{subset}-index.npy"] = _write_array(os.path.join(store, f"{subset}-index.npy"), rows)
        _refuse_empty_classes(dataset, subset, rows["label"], len(broken))
        indices[subset] = rows
    files[NEAR_FILE], is_searched = _write_near_copies(dataset, store, indices, shards)
    notes |= {} if is_searched else {TOO_ALIKE: 1}
    Manifest(
        dataset=dataset.name,
        identity=store_identity(dataset, size, encoding),
        fingerprint=fingerprint.hexdigest(),
        size=size,
        encoding=encoding,
        class_names=dataset.class_names,
        class_kinds=dataset.class_kinds,
        shards=shards,
        files=files,
        notes=notes,
        left_out=dict(itertools.islice((dict(dataset.left_out) | broken).items(), MOST_NAMED)),
    ).write(store)


def _index_rows(parts: list[ShardIndex]) -> np.ndarray:
    """Returns label, length, content and hash of every image of some shards, `INDEX_DTYPE` `(images,)`."""
    rows = np.zeros(sum(len(part.labels) for part in parts), INDEX_DTYPE)
    if parts:  # an empty subset has nothing to concatenate
        rows["label"] = np.concatenate([part.labels for part in parts])
        rows["length"] = np.concatenate([part.lengths for part in parts])
        rows["content"] = np.concatenate([part.contents for part in parts])
        rows["hash"] = np.concatenate([part.hashes for part in parts])
    return rows


def images_to_compare(
    store: str, indices: Mapping[str, np.ndarray], shards: Mapping[str, list[int]]
) -> duplicates.Images:
    """Returns all images of a store, subset by subset, for the search of copies.

    Args:
        store: Folder of the store.
        indices: Rows of `INDEX_DTYPE` by subset.
        shards: Number of images in each shard, by subset.
    """
    files = [shard_path(store, subset, n) + ".grey" for subset in SUBSETS for n in range(len(shards[subset]))]
    firsts = np.cumsum([0, *(count for subset in SUBSETS for count in shards[subset])])

    def thumbnails(positions: np.ndarray) -> np.ndarray:
        read = np.empty((len(positions), duplicates.THUMBNAIL_BYTES), np.uint8)
        numbers = np.searchsorted(firsts, positions, side="right") - 1
        for number in np.unique(numbers):
            here = numbers == number
            held = np.memmap(files[number], np.uint8, "r").reshape(-1, duplicates.THUMBNAIL_BYTES)
            read[here] = held[positions[here] - firsts[number]]
        return read

    rows = np.concatenate([indices[subset] for subset in SUBSETS])
    places = [2 * indices[subset]["label"].astype(np.int64) + number for number, subset in enumerate(SUBSETS)]
    return duplicates.Images(rows["content"], rows["hash"], np.concatenate(places), thumbnails)


def _write_near_copies(
    dataset: Dataset, store: str, indices: Mapping[str, np.ndarray], shards: Mapping[str, list[int]]
) -> tuple[tuple[int, str], bool]:
    """Writes the contents of near copies; returns the file's bytes and SHA-256, and whether there could be a search."""
    pairs, is_searched = np.zeros((0, 2), np.uint64), True
    try:
        pairs = duplicates.near_pairs(images_to_compare(store, indices, shards))
    except duplicates.TooAlikeError as error:
        is_searched = False
        logging.getLogger(__name__).warning("Near copies are not looked for in %s: %s.", dataset.name, error)
    return _write_array(os.path.join(store, NEAR_FILE), pairs), is_searched


def _write_array(path: str, rows: np.ndarray) -> tuple[int, str]:
    """Writes an array; returns the file's bytes and SHA-256."""
    atomic.write(path, lambda file: np.save(file, rows))
    return os.path.getsize(path), file_sha256(path)


def _refuse_empty_classes(dataset: Dataset, subset: str, labels: np.ndarray, broken: int) -> None:
    """Raises StoreError if a class has no image in a subset, of which `broken` images were left out."""
    absent = np.setdiff1d(np.arange(len(dataset.class_names)), labels)
    if not absent.size:
        return
    names = escaping.first([dataset.class_names[label] for label in absent])
    cause = f" --skip_broken left out {broken} broken images: replace them, or remove these classes." if broken else ""
    raise StoreError(f"{absent.size} class(es) of {dataset.name!r} have no image in {subset!r}: {names}.{cause}")


def _require_space(dataset: Dataset, store: str, size: int, encoding: str) -> None:
    """Raises if the disk cannot hold the images; only the size of raw ones is known beforehand."""
    if encoding != "raw" or os.path.isdir(store):
        return
    needed = sum(len(dataset.examples(subset)) for subset in SUBSETS)
    needed *= size * size * 3 + duplicates.THUMBNAIL_BYTES
    free = shutil.disk_usage(os.path.dirname(store)).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def _remove_leftovers(store: str) -> None:
    """Removes half-written files of killed processes, and the manifest and means of the images before."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(store, FILE_NAME))
    for folder in (store, os.path.join(store, "shards")):
        for entry in os.scandir(folder):
            if entry.name.endswith(".tmp"):
                os.remove(entry.path)
    shutil.rmtree(os.path.join(store, "means"), ignore_errors=True)
