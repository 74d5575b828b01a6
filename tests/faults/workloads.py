"""Processes that are killed while they work. They never load TensorFlow, so that a kill costs a second.

python tests/faults/workloads.py store|records|checkpoints|speeds|sweep|worker ARGUMENTS
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import sys
import time
import traceback

import filelock
import numpy as np

import fake_study
from tftransfer.data.datasets import open_dataset
from tftransfer.data.store import prepare
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.experiment.plan import Cell
from tftransfer.records import record_files
from tftransfer.scheduling import jobs, local, scheduler, speeds
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import atomic, processes
from tftransfer.training.checkpoints import Checkpoints

NETWORKS = ("first", "second", "third")
STEPS = 300
STORE_SIZE = 24


def store(images: str, cache: str) -> None:
    """Prepares images and prints whether this process made the store."""
    made = []
    prepared = prepare(
        open_dataset("folder", images), cache, STORE_SIZE, workers=2, progress=lambda done, total: made.append(done)
    )
    print("made" if made else "found", prepared.fingerprint, flush=True)


def weights_of(name: str, generation: int) -> bytes:
    """Returns bytes in place of a network's trained weights."""
    return np.random.default_rng([len(name), generation]).bytes(200_000)


def write_network(study: pathlib.Path, name: str, generation: int) -> None:
    """Writes a network's folder in the order of a real training: events, weights, diagnostics, record."""
    folder = study / name
    with filelock.FileLock(record_files.lock_path(study, name)), record_files.replacing(folder):
        (folder / "events.out.tfevents.0").write_bytes(b"events")
        kept = weights_of(name, generation)
        (folder / record_files.WEIGHTS).write_bytes(kept)
        (folder / "diagnostics.npz").write_bytes(b"diagnostics")
        cell = fake_study.cell("A1B")
        digest = hashlib.sha256(kept).hexdigest()
        content = fake_study.content(cell, 0.5 + generation / 1e6, name=name, weights={"kept": True, "sha256": digest})
        record_files.write(folder, content)


def write_networks(study: str) -> None:
    """Trains networks again and again, until it is killed."""
    root = pathlib.Path(study)
    root.joinpath(".locks").mkdir(parents=True, exist_ok=True)
    for generation in range(10**6):
        for name in NETWORKS:
            write_network(root, name, generation)


def save_checkpoints(folder: str, result: str) -> None:
    """Computes something that depends on every step, with a checkpoint after each."""
    checkpoints = Checkpoints(pathlib.Path(folder), {"about": "a test"}, minutes=0)
    snapshot = checkpoints.restore({"steps": STEPS})
    state = snapshot.arrays["state"] if snapshot else np.zeros(20_000)
    for step in range(snapshot.step if snapshot else 0, STEPS):
        state = np.cos(state + step)
        checkpoints.save(step + 1, {"state": state}, {"training_history": step})
    atomic.write_text(pathlib.Path(result), hashlib.sha256(state.tobytes()).hexdigest())
    checkpoints.clear()


def remember_speeds(cache: str) -> None:
    """Keeps speeds until it is killed."""
    for number in range(1, 10**6):
        speeds.remember(Config(cache_dir=cache), "base", number / 1000)


def cells() -> list[Cell]:
    """Returns the networks of the sweep: four bases and eight copies."""
    asked = Grid("AnB,BnB", "1-2", seeds="0-1")
    return grids.union([asked], Config(steps=10), lambda kind, seed: splits.random_split(10, seed))


def sweep(study: str, clock: str = "") -> None:
    """Runs the real scheduler and the real runner of processes; these write records without training."""
    if clock:
        jumping_clock()
    root = pathlib.Path(study)
    root.mkdir(parents=True, exist_ok=True)
    words = processes.words
    local.processes.words = lambda module, *arguments: words("workloads", "worker", *arguments)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    scheduler._POLL_SECONDS, scheduler._LOOK_ELSEWHERE_SECONDS = 0.02, 0.1
    SweepFolder(root).write_plan(cells())
    work = scheduler.Scheduler(cells(), root, local.LocalRunner(root, "no store", 2))
    work.run()
    states = {state.state for state in work.states.values()}
    print(states, flush=True)
    raise SystemExit(0 if states == {scheduler.DONE} else 3)


def worker(path: str) -> None:
    """Does a job of the sweep as the real one does: locks, signs of life, records, its end."""
    request = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    root, name = pathlib.Path(request["study"]), pathlib.Path(path).name.removesuffix(".json")
    cells_of_job, elsewhere = [Cell.from_json(cell) for cell in request["cells"]], []
    heartbeat = Heartbeat({cell.name: None for cell in cells_of_job}, 1, 2, 1.0, time.time(), time.time(), "here")
    SweepFolder(root).write_heartbeat(name, heartbeat)
    for cell in cells_of_job:
        lock = record_files.lock_path(root, cell.name)
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(lock, timeout=0):
                record_files.restore(root / cell.name)
                if record_files.read(root / cell.name) is None:
                    train(root, cell)
        except filelock.Timeout:
            elsewhere.append(cell.name)
        except OSError:  # as the real one ends
            traceback.print_exc()
            raise SystemExit(os.EX_IOERR) from None
    end = jobs.End(jobs.OK, elsewhere=tuple(elsewhere))
    atomic.write_text(pathlib.Path(path).with_name(f"{name}.end.json"), json.dumps(end.as_json()))


def train(root: pathlib.Path, cell: Cell) -> None:
    """Writes a network's folder, slowly."""
    kept = hashlib.sha256(cell.name.encode()).digest() * 100
    digest = hashlib.sha256(kept).hexdigest()
    with (root / "trained.txt").open("a") as file:
        file.write(f"{cell.name}\n")
    with record_files.replacing(root / cell.name):
        time.sleep(0.05)
        base = cell.treatment.is_reference
        if base:
            (root / cell.name / record_files.WEIGHTS).write_bytes(kept)
        content = fake_study.content(cell, 0.5, weights={"kept": base, "sha256": digest}, finished="now")
        record_files.write(root / cell.name, content)


def jumping_clock() -> None:
    """Makes the clock of this process jump, at each look, by up to a day."""
    rng, real = random.Random(0), time.time
    time.time = lambda: real() + rng.uniform(-86400, 86400)


if __name__ == "__main__":
    print("begun", flush=True)
    time.sleep(float(os.environ.get("TFTRANSFER_SLOW_START", 0)) if "worker" in sys.argv[:2] else 0)
    parts = {"store": store, "records": write_networks, "checkpoints": save_checkpoints, "speeds": remember_speeds}
    with contextlib.suppress(BrokenPipeError):
        {**parts, "sweep": sweep, "worker": worker}[sys.argv[1]](*sys.argv[2:])
    os._exit(0)
