"""A job on a node of a cluster: a scratch folder, a process that trains in it, and the networks as bytes.

Nothing here imports TensorFlow or Ray.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tftransfer
from tftransfer.data import datasets
from tftransfer.data.manifest import Manifest, StoreError
from tftransfer.experiment.plan import Cell
from tftransfer.records import record_files
from tftransfer.scheduling import jobs, prepare
from tftransfer.scheduling.jobs import OK, Job
from tftransfer.scheduling.ray import payloads
from tftransfer.scheduling.ray.payloads import Payload
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.system import processes

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 10.0
_LOG_LINES = 200
_MEMORY_USED = 0.9  # of a node's memory that is available, by all jobs on it together
# Waits for the end of the process that holds the other end of its input, then for its children, and removes the folder.
_GUARD = 'exec 3<&0; (read -r _; sleep 3; exec rm -rf -- "$1") <&3 3<&- >/dev/null 2>&1 &'


class UnusableNodeError(Exception):
    """This machine cannot train networks of the sweep."""


def train(request: Mapping[str, Any], known: Mapping[str, Payload]) -> Iterator[Any]:
    """Does a job in a scratch folder, which is removed at the end however that comes.

    Args:
        request: The request, from `request_for`.
        known: Finished networks by name: the bases that the job needs, and those of its own that were trained before.

    Yields:
        `{"where": host}` first. Then `{"unusable": why}` and nothing else; or any number of `{"heartbeat": ...}`, one
        `{"end": ..., "networks": names, "log": text, "experiment": files}`, and the payload of each of these networks.
    """
    yield {"where": socket.gethostname()}
    with _scratch() as scratch:
        try:
            stores = _find_stores(request, scratch)
        except UnusableNodeError as error:
            yield {"unusable": str(error)}
            return
        study = scratch / request["study"]
        study.mkdir()
        for name, payload in known.items():
            if payload:
                payloads.unpack(payload, study / name)
        yield from _work(request, study, stores, known)


def request_for(job: Job, study: str, store: Any, again: frozenset[str], cpus: int) -> dict[str, Any]:
    """Returns the request for a job.

    Args:
        job: The networks.
        study: Name of the study.
        store: The prepared images, as they are seen here.
        again: Names of networks that are trained though they have a record.
        cpus: Cores that the job may use.
    """
    options = job.cells[0].as_json()["config"]
    for option in ("data_dir", "source_dir", "cache_dir"):  # the node has another working directory
        options[option] = options[option] and os.path.abspath(os.path.expanduser(options[option]))
    return {
        "version": tftransfer.__version__,
        "cells": [cell.as_json() for cell in job.cells],
        "study": study,
        "stores": [
            {"path": each.path, "identity": each.identity, "fingerprint": each.fingerprint} for each in store.stores
        ],
        "options": options,
        "again": sorted(again),
        "cpus": cpus,
    }


def _work(
    request: Mapping[str, Any], study: pathlib.Path, stores: list[str], known: Mapping[str, Payload]
) -> Iterator[Any]:
    """Runs the job's process and yields its progress, its end, and its networks."""
    job, sweep_folder = Job(tuple(Cell.from_json(cell) for cell in request["cells"])), SweepFolder(study)
    fraction = min(1.0, request["cpus"] / (os.cpu_count() or 1))
    path = sweep_folder.jobs / f"{job.name}.json"
    job.write(path, study=str(study), stores=stores, memory_fraction=_MEMORY_USED * fraction, again=request["again"])
    words = processes.words("tftransfer.scheduling.worker", str(path))
    process = processes.start(words, path.with_suffix(".log"), _threads(request["cpus"]))
    try:
        yield from _heartbeats(process, sweep_folder, job)
    finally:
        processes.end([process], _GRACE_SECONDS)
    end = jobs.ended(sweep_folder.jobs, job.name, process.returncode)
    packed = {cell.name: payloads.pack(study / cell.name) for cell in job.cells}
    new = [name for name, payload in packed.items() if payload and _record(payload) != _record(known.get(name, {}))]
    yield {
        "end": end.as_json(),
        "networks": new,
        "log": "" if end.status == OK else "\n".join(processes.last_lines(path.with_suffix(".log"), _LOG_LINES)),
        "experiment": {file.name: file.read_bytes() for file in study.glob("events.out.tfevents.*")},
    }
    for name in new:
        yield packed[name]


def _heartbeats(process: subprocess.Popen, sweep_folder: SweepFolder, job: Job) -> Iterator[dict[str, Any]]:
    """Yields each new heartbeat of a process until it ends."""
    last = None
    while process.poll() is None:
        time.sleep(_POLL_SECONDS)
        heartbeat = sweep_folder.heartbeats().get(job.name)
        if heartbeat and heartbeat != last:
            last = heartbeat
            yield {"heartbeat": dataclasses.asdict(heartbeat)}


def _threads(cpus: int) -> dict[str, str]:
    """Returns the environment that limits a process to some of the cores."""
    if cpus >= (os.cpu_count() or 1):
        return {}
    return dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), str(cpus))


def _record(payload: Payload) -> bytes | None:
    return payload.get(record_files.RECORD)


def _find_stores(request: Mapping[str, Any], scratch: pathlib.Path) -> list[str]:
    """Returns the folders of the prepared images on this machine; prepares them where their source is visible."""
    if request["version"] != tftransfer.__version__:
        raise UnusableNodeError(
            f"it has tftransfer {tftransfer.__version__}, the sweep has {request['version']}: install the same"
        )
    expected, options = request["stores"], request["options"]
    paths = [each["path"] for each in expected]
    why = _why_not(expected, paths)
    if not why:
        return paths
    if {options["dataset"], options["source_dataset"] or options["dataset"]} <= datasets.OWN_DATASETS.keys():
        made, why_not = _prepare(request, scratch)  # others would be downloaded by every node
        if made and not _why_not(expected, made):
            return made
        why = f"{why}; nor can it prepare them: {why_not or 'its source holds other images'}"
    raise UnusableNodeError(
        f"it does not see the prepared images {' and '.join(paths)} ({why}). Name a folder that all nodes share with "
        f"--cache_dir=FOLDER, or have the data set under the same path there"
    )


def _why_not(expected: Sequence[Mapping[str, str]], paths: Sequence[str]) -> str:
    """Returns the reason why stores are not those of the sweep; empty if they are."""
    try:
        fine = all(_is_expected(one, path) for one, path in zip(expected, paths, strict=True))
    except StoreError as error:
        return str(error).partition("\n")[0]
    return "" if fine else "other images are there"


def _is_expected(expected: Mapping[str, str], path: str) -> bool:
    """Whether a store holds the images of the sweep; raises StoreError if it is incomplete."""
    manifest = Manifest.read(path)
    manifest.check_files(path, verify=False)
    return (manifest.identity, manifest.fingerprint) == (expected["identity"], expected["fingerprint"])


def _prepare(request: Mapping[str, Any], scratch: pathlib.Path) -> tuple[list[str], str]:
    """Prepares the images on this machine; returns their folders and the reason of a failure, one of them empty."""
    answer = processes.ask(prepare.MODULE, {"config": request["options"], "given": []}, scratch)
    return (answer.content["stores"], "") if answer.content else ([], answer.reason)


@contextlib.contextmanager
def _scratch() -> Iterator[pathlib.Path]:
    """Makes a folder that does not outlive this process, even if that is killed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tftransfer-ray-"))
    theirs, ours = os.pipe()
    try:
        # In a session of its own and no child of this process: Ray ends both kinds with a task.
        subprocess.run(["sh", "-c", _GUARD, "sh", str(folder)], stdin=theirs, start_new_session=True, check=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(theirs)
        os.close(ours)
