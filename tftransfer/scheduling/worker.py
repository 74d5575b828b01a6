"""The process of one job: trains its networks in lockstep and writes their records.

python -m tftransfer.scheduling.worker JOB.json
"""

import dataclasses
import json
import os
import pathlib
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tftransfer.cli import command_line
from tftransfer.data import store_pair
from tftransfer.data.store import StoreError
from tftransfer.execution import pretrained_base, pretrained_file, studies
from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.experiment.plan import Cell
from tftransfer.records.identities import AnotherNetworkError
from tftransfer.scheduling import speeds
from tftransfer.scheduling.jobs import FAILED, NO_DISK, NO_MEMORY, OK, REFUSED, End, Job
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import atomic, escaping, signals, untrusted_files
from tftransfer.training import memory
from tftransfer.training.checkpoints import CannotResumeError

_HEARTBEAT_SECONDS = 5.0
_STEADY_STEPS = 50  # fewer say little about speed


class HeartbeatThread:
    """Writes the progress of a job every few seconds, from a thread that ends with the process.

    Args:
        sweep_folder: The study's folder of sweeps.
        name: The job's name.
        job: The job.
    """

    def __init__(self, sweep_folder: SweepFolder, name: str, job: Job) -> None:
        self._sweep_folder, self._name, self._job = sweep_folder, name, job
        self._started = time.monotonic()  # the clock of the machine may be set meanwhile
        self._step = self._steps = 0
        self._seconds = 0.0
        self._stage = "starting"
        self._top1: dict[str, float | None] = {cell.name: None for cell in job.cells}
        self._lock = threading.Lock()
        self._write()
        threading.Thread(target=self._beat, daemon=True).start()

    def evaluated(self, step: int, steps: int, rows: Mapping[str, Mapping[str, float]]) -> None:
        """Takes the newest evaluation."""
        with self._lock:
            self._step, self._steps, self._stage = step, steps, ""
            self._top1 |= {name: row["val_top1"] for name, row in rows.items()}
            self._seconds = max(row["seconds"] for row in rows.values())
        self._write()

    def reached(self, stage: str) -> None:
        """Takes the present stage of the job."""
        with self._lock:
            self._stage = stage
        self._write()

    def _beat(self) -> None:
        while True:
            time.sleep(_HEARTBEAT_SECONDS)
            self._write()

    def _write(self) -> None:
        with self._lock:
            batch = self._job.cells[0].config.batch_size
            speed = self._step * batch / self._seconds if self._step else None
            where = f"{socket.gethostname()} {os.getpid()}"
            now = time.time()
            started = now - (time.monotonic() - self._started)
            heartbeat = Heartbeat(self._top1, self._step, self._steps, speed, now, started, where, self._stage)
            try:
                self._sweep_folder.write_heartbeat(self._name, heartbeat)
            except OSError as error:  # a full disk must not end a training that could still be saved
                escaping.say(f"Cannot say how far it is: {error}")


def work(study: studies.Study, cells: tuple[Cell, ...], again: frozenset[str]) -> End:
    """Does a job and returns its end; an unexpected error leaves its traceback in the log."""
    try:
        left = study.train_group(cells, again)
    except (MemoryError, tf.errors.ResourceExhaustedError, memory.NoRoomError) as error:
        return End(NO_MEMORY, str(error).partition("\n")[0][:500] or "out of memory")
    except (OSError, StoreError) as error:
        return End(NO_DISK, _reason(error))
    except (CannotResumeError, AnotherNetworkError) as error:
        return End(REFUSED, str(error))
    except Exception as error:  # the log has all of it
        traceback.print_exc()
        return End(FAILED, _reason(error))
    _remember_speed(study, cells)
    return End(OK, elsewhere=tuple(left.elsewhere), lost=tuple(left.lost))


def pretrained_weights(cells: Sequence[Cell], class_names: Sequence[str]) -> PretrainedBase | None:
    """Returns the weights that cells copy from in place of a base of the study, None if none of them does.

    Args:
        cells: The networks.
        class_names: Names of the classes of the data set.

    Raises:
        ValueError: If their file cannot be read, or is not the one that the sweep began with.
    """
    cell = next((cell for cell in cells if cell.treatment.pretrained), None)
    if cell is None:
        return None
    file = pretrained_file.opened(cell.config, download=False)
    if file.described.sha256 != cell.treatment.pretrained:
        raise ValueError(f"{file.path} was changed after this sweep had begun; it is not used.")
    base = pretrained_base.load(file.path, file.described, file.config)
    return dataclasses.replace(base, seen=base.described.classes_in(tuple(class_names)))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:500]


def _remember_speed(study: studies.Study, cells: tuple[Cell, ...]) -> None:
    """Writes the speed of the group, from which the hours of later sweeps are estimated."""
    trained = [cell for cell in cells if (network := study.finished(cell)) and network.trained_here]
    if trained:
        content = study.finished(trained[0]).record.content
        cost, from_features = content["cost"], content["integrity"].get("trained_from_features")
        if cost["train_steps"] >= _STEADY_STEPS and cost["images_per_second"] and not from_features:
            kind = speeds.kind_of([cell.treatment.frozen_blocks for cell in trained])
            config = trained[0].config
            speeds.remember(config, kind, config.batch_size / cost["images_per_second"], len(trained))


def main(path: pathlib.Path) -> None:
    """Does the job in a request file."""
    request = untrusted_files.read_json(path)
    job = Job(tuple(Cell.from_json(cell) for cell in request["cells"]))
    root = pathlib.Path(request["study"])
    name = path.name.removesuffix(".json")
    heartbeat_thread = HeartbeatThread(SweepFolder(root), name, job)
    try:
        store = store_pair.open_stores(request["stores"])
        pretrained = pretrained_weights(job.cells, store.class_names)
    except StoreError as error:  # somebody has removed it since the sweep began
        end = End(NO_DISK, _reason(error))
    except ValueError as error:  # of the pretrained weights
        end = End(REFUSED, str(error))
    else:
        study = studies.Study(
            root,
            store,
            say=escaping.say,
            on_evaluation=heartbeat_thread.evaluated,
            memory_fraction=request["memory_fraction"],
            pretrained=pretrained,
            keep_best=True,
            stage=heartbeat_thread.reached,
        )
        end = work(study, job.cells, frozenset(request["again"]))
    atomic.write_text(path.with_name(f"{name}.end.json"), json.dumps(end.as_json()) + "\n")


if __name__ == "__main__":
    try:
        with signals.raising():
            main(pathlib.Path(sys.argv[1]))
    except OSError as error:  # not even how it ended can be written
        escaping.say(_reason(error))
        raise SystemExit(os.EX_IOERR) from None
    except signals.Terminated as ended:  # if the sweep ends, it has said so; else it reads it from the code
        raise SystemExit(ended.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(command_line.EXIT_INTERRUPTED) from None
