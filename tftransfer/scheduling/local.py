"""Runs jobs in processes on this machine: one for each GPU, or as many as the user asks for."""

import contextlib
import glob
import os
import pathlib
import secrets
import subprocess
import time
from collections.abc import Sequence

from tftransfer.scheduling import jobs
from tftransfer.scheduling.jobs import OK, End, Job
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import processes

# A process that is asked to end finishes the step in hand and writes a checkpoint.
_GRACE_SECONDS = 10.0
_MEMORY_USED = 0.9  # of what is available, by all processes together


class LocalRunner:
    """Processes on this machine.

    Args:
        study: Folder of the study; the processes write their records there themselves.
        stores: Folders of the prepared images, the target's first.
        workers: Processes at a time; 0 for one on each GPU, or one if there is none, as it uses all cores.
    """

    def __init__(self, study: pathlib.Path, stores: Sequence[str], workers: int = 0) -> None:
        self._study, self._stores = study.resolve(), [str(store) for store in stores]
        self._gpus = gpus()
        self._slots: dict[int, tuple[Job, subprocess.Popen] | None] = dict.fromkeys(
            range(workers or len(self._gpus) or 1)
        )
        self._sweep_folder = SweepFolder(self._study)
        self._own = secrets.token_hex(3)

    @property
    def free(self) -> int:
        """Jobs that may be started now."""
        return sum(taken is None for taken in self._slots.values())

    def start(self, job: Job, again: frozenset[str] = frozenset()) -> None:
        """Starts a job; there must be a free slot.

        Args:
            job: The networks.
            again: Names of those that are trained though they have a record.
        """
        slot = next(number for number, taken in self._slots.items() if taken is None)
        path = self._sweep_folder.jobs / f"{self._file(job)}.json"
        job.write(
            path,
            study=str(self._study),
            stores=self._stores,
            memory_fraction=0.9 / len(self._slots),
            again=sorted(again),
        )
        with contextlib.suppress(OSError):  # on a full disk the process itself says so
            networks, now = dict.fromkeys(cell.name for cell in job.cells), time.time()
            self._sweep_folder.write_heartbeat(
                self._file(job), Heartbeat(networks, 0, 0, None, now, now, "", "loading TensorFlow")
            )
        words = processes.words("tftransfer.scheduling.worker", str(path))
        # Ctrl-C goes to the sweep, which ends its processes in order.
        process = processes.start(words, path.with_suffix(".log"), self._devices(slot), own_session=True)
        self._slots[slot] = (job, process)

    def finished(self) -> list[tuple[Job, End]]:
        """Returns the jobs that ended since the last call."""
        ended = []
        for slot, taken in self._slots.items():
            if taken and taken[1].poll() is not None:
                job, process = taken
                self._slots[slot] = None
                ended.append((job, self._end(job, process.returncode)))
        return ended

    def stop(self) -> None:
        """Ends all jobs, giving each time to save what it has."""
        processes.end([process for _, process in filter(None, self._slots.values())], _GRACE_SECONDS)

    def _file(self, job: Job) -> str:
        """Returns the name of a job's files, unique to this sweep: another one may be doing the same job."""
        return f"{job.name}-{self._own}"

    def _end(self, job: Job, code: int) -> End:
        """Returns the end of a job; its files are removed if it ended well, and its log stays otherwise."""
        end = jobs.ended(self._sweep_folder.jobs, self._file(job), code)
        if end.status == OK:
            self._sweep_folder.clear(self._file(job))
        else:
            self._sweep_folder.end_heartbeat(self._file(job))
        return end

    def _devices(self, slot: int) -> dict[str, str]:
        """Returns the environment that gives a process its own GPU, or its share of the cores."""
        if self._gpus:
            return {"CUDA_VISIBLE_DEVICES": self._gpus[slot % len(self._gpus)]}
        if len(self._slots) == 1:
            return {}
        threads = str(max(1, (os.cpu_count() or 1) // len(self._slots)))
        return {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}


def gpus() -> list[str]:
    """Returns the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them, without TensorFlow."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name and name != "-1"]
    return [str(number) for number in range(len(glob.glob("/dev/nvidia[0-9]*")))]
