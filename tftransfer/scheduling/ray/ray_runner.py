"""Runs jobs as tasks of a Ray cluster. Nodes train in scratch folders; only this process writes into the study."""

import collections
import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import filelock

from tftransfer.experiment.plan import Cell
from tftransfer.records import identities, record_files
from tftransfer.records.record_files import Record
from tftransfer.scheduling.jobs import CRASHED, FAILED, NO_MEMORY, OK, End, Job
from tftransfer.scheduling.ray import messages, node, payloads
from tftransfer.scheduling.ray.cluster import Cluster, LostError, NoMemoryError, TaskError
from tftransfer.scheduling.ray.messages import RefusedError
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder
from tftransfer.system import atomic

_MOST_LOSSES = 3  # how often a job is started again because its node died
_BASES_KEPT = 8  # in Ray's memory; others are read from the study again when they are needed
_GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.1
_WAIT_FOR_NODES_SECONDS = 60.0


@dataclasses.dataclass
class _Task:
    """A job that was started.

    Attributes:
        job: The networks.
        cells: The networks that no other process trains.
        elsewhere: Names of the others.
        again: Names of those that are trained though they have a record.
        locks: Locks of the cells, held until the job ends.
        stream: The items of the task, for `Cluster.read`.
        node: Ray's name of the node that it runs on; empty while it waits for room.
        where: Host of that node.
        losses: How often it was lost.
        end: Its end, once that is known.
        coming: Names of networks that are still to come, in order.
    """

    job: Job
    cells: tuple[Cell, ...]
    elsewhere: tuple[str, ...]
    again: set[str]
    locks: contextlib.ExitStack
    stream: Any = None
    node: str = ""
    where: str = ""
    losses: int = 0
    end: End | None = None
    coming: collections.deque[str] = dataclasses.field(default_factory=collections.deque)


class RayRunner:
    """Tasks of a Ray cluster.

    The result of a base is a Ray object which its dependants take as an argument, so that weights travel from node to
    node; bases that were done before are put there once.

    Args:
        study: Folder of the study.
        store: The prepared images, a `data.store.Store`.
        cluster: Where the tasks run.
        workers: Tasks at a time; 0 for as many as the cluster has room for.
        say: Takes lines for the user.
    """

    def __init__(
        self, study: pathlib.Path, store: Any, cluster: Cluster, workers: int = 0, say: Callable[[str], None] = print
    ) -> None:
        self._study, self._store, self._cluster = study.resolve(), store, cluster
        self._workers, self._say = workers, say
        self._sweep_folder = SweepFolder(self._study)
        self._tasks: list[_Task] = []
        self._bases: dict[str, tuple[str, Any]] = {}  # weights' SHA-256 and reference by name, newest last
        self._unusable: dict[str, str] = {}  # nodes, and why
        self._last_seen = time.monotonic()

    @property
    def free(self) -> int:
        """Jobs that may be started now.

        Raises:
            RuntimeError: If the cluster has had no node for a minute.
        """
        slots = self._cluster.slots(self._unusable)
        if slots or self._tasks:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > _WAIT_FOR_NODES_SECONDS:
            raise RuntimeError("The Ray cluster has no node left that can train. The same command goes on from here.")
        return max(0, (self._workers or slots) - len(self._tasks)) if slots else 0

    def start(self, job: Job, again: frozenset[str] = frozenset()) -> None:
        """Starts a job as soon as a node has room.

        Args:
            job: The networks.
            again: Names of those that are trained though they have a record.
        """
        locks = contextlib.ExitStack()
        held = tuple(cell for cell in job.cells if self._lock(cell, locks))
        elsewhere = tuple(cell.name for cell in job.cells if cell not in held)
        task = _Task(job, held, elsewhere, set(again), locks)
        self._tasks.append(task)
        if held:
            self._submit(task)
        else:
            task.end = End(OK)

    def finished(self) -> list[tuple[Job, End]]:
        """Returns the jobs that ended since the last call."""
        ended = []
        for task in list(self._tasks):
            end = self._follow(task)
            if end is not None:
                self._tasks.remove(task)
                task.locks.close()
                ended.append((task.job, end))
        return ended

    def stop(self) -> None:
        """Ends all jobs and waits until their processes and scratch folders are gone."""
        streams = [task.stream for task in self._tasks if task.stream is not None]
        for stream in streams:
            self._cluster.cancel(stream)
        deadline = time.monotonic() + _GRACE_SECONDS
        while (streams := [stream for stream in streams if not self._is_over(stream)]) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        for stream in streams:
            self._cluster.cancel(stream, force=True)
        for task in self._tasks:
            task.locks.close()
        self._tasks.clear()

    def _lock(self, cell: Cell, locks: contextlib.ExitStack) -> bool:
        """Takes a network's lock if it is free."""
        path = record_files.lock_path(self._study, cell.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            locks.enter_context(filelock.FileLock(path).acquire(timeout=0))
        except filelock.Timeout:
            return False
        record_files.restore(self._study / cell.name)
        return True

    def _submit(self, task: _Task) -> None:
        """Hands a task to Ray, with its request and the networks that it needs."""
        job = Job(task.cells)
        self._sweep_folder.clear(task.job.name)
        own = {cell.name for cell in task.cells}
        bases = {base.name for cell in task.cells for base in cell.waits_for()} - own
        known = {name: self._base(name) for name in sorted(bases)}
        for name in sorted(own):
            if payload := payloads.pack(self._study / name):
                known[name] = self._cluster.put(payload)
        again = frozenset(task.again & own)
        request = node.request_for(job, self._study.name, self._store, again, self._cluster.demand.cpus)
        task.node, task.end = "", None
        task.coming.clear()
        task.stream = self._cluster.start(request, known, self._unusable)

    def _base(self, name: str) -> Any:
        """Returns the reference of a finished base: its task's own result, or its files, put into Ray once."""
        record = record_files.read(self._study / name)
        digest = record.weights_digest if record else ""
        if name not in self._bases or self._bases[name][0] != digest:
            self._keep(name, digest, self._cluster.put(payloads.pack(self._study / name)))
        return self._bases[name][1]

    def _keep(self, name: str, digest: str, reference: Any) -> None:
        self._bases.pop(name, None)
        self._bases[name] = (digest, reference)
        while len(self._bases) > _BASES_KEPT:
            del self._bases[next(iter(self._bases))]

    def _follow(self, task: _Task) -> End | None:
        """Takes the new items of a task; returns its end if that has come."""
        try:
            while task.stream is not None and (item := self._cluster.read(task.stream)) is not None:
                self._take(task, *item)
                if task.end and not task.coming:
                    break
        except LostError as error:
            self._lose(task, str(error))
        except NoMemoryError as error:
            self._give_up(task, End(NO_MEMORY, str(error)))
        except RefusedError as error:
            self._cluster.cancel(task.stream)
            self._give_up(task, End(FAILED, f"{task.where or 'a node'} sent what is refused: {error}"))
        except TaskError as error:
            self._give_up(task, End(FAILED, f"{task.where or 'the task'}: {error}"))
        if task.end is None or task.coming:
            return None
        return dataclasses.replace(task.end, elsewhere=(*task.end.elsewhere, *task.elsewhere))

    def _take(self, task: _Task, item: Mapping[str, Any], reference: Any) -> None:
        """Takes one item of a task, after a check: nodes may send anything."""
        if task.coming:
            self._deliver(task, task.coming.popleft(), item, reference)
            return
        messages.check(item, {cell.name for cell in task.cells})
        if "node" in item:
            task.node = item["node"]
        elif "where" in item:
            task.where = item["where"]
        elif "unusable" in item:
            self._give_up_node(task, item["unusable"])
        elif "heartbeat" in item:
            self._write_heartbeat(task, Heartbeat(**item["heartbeat"]))
        else:
            self._end(task, item)

    def _deliver(self, task: _Task, name: str, payload: Mapping[str, bytes], reference: Any) -> None:
        """Writes a network into the study."""
        cell = next(cell for cell in task.cells if cell.name == name)
        payloads.deliver(payload, self._study, name, lambda record: self._refuse_another(record, cell))
        task.again.discard(name)
        if cell.treatment.is_reference:
            self._keep(name, record_files.read(self._study / name).weights_digest, reference)

    def _refuse_another(self, record: Record, cell: Cell) -> None:
        """Raises ValueError unless a record is of the requested network: its recipe, images and source."""
        identities.check(record, cell, identities.Versions(fingerprint=self._store.fingerprint))
        base = record_files.read(self._study / cell.source.name) if cell.source else None
        if not identities.copies_from(record, base):
            raise ValueError(f"{cell.name} copies from another training of {base.name}.")
        if cell.treatment.is_reference and record.status == record_files.DONE and not record.content["weights"]["kept"]:
            raise ValueError(f"{cell.name} is a base, of which others copy, without weights.")

    def _write_heartbeat(self, task: _Task, heartbeat: Heartbeat) -> None:
        """Writes the progress of a task, by the clock of this machine."""
        now = time.time()
        self._sweep_folder.write_heartbeat(
            task.job.name, dataclasses.replace(heartbeat, time=now, started=now - heartbeat.time + heartbeat.started)
        )

    def _end(self, task: _Task, item: Mapping[str, Any]) -> None:
        """Takes the end of a task and the names of the networks that it is about to send."""
        end = End.from_json(item["end"])
        task.end = end = dataclasses.replace(end, message=messages.printable(end.message))
        task.coming.extend(item["networks"])
        for name in end.lost:
            self._bases.pop(name, None)
        self._sweep_folder.clear(task.job.name)
        if end.status != OK:
            atomic.write_text(self._sweep_folder.jobs / f"{task.job.name}.log", item["log"] + "\n")
        if not any(self._study.glob("events.out.tfevents.*")):
            for name, content in item["experiment"].items():
                (self._study / name).write_bytes(content)

    def _lose(self, task: _Task, reason: str) -> None:
        """Starts a job again whose node is gone, `_MOST_LOSSES` times at most."""
        task.losses += 1
        where = f" on {task.where}" if task.where else ""
        self._bases.clear()  # some of them may have gone with the node
        if task.losses > _MOST_LOSSES:
            self._give_up(task, End(CRASHED, f"lost {task.losses} times{where}: {reason}"))
            return
        self._say(f"{task.job.name}: lost{where} ({reason}); running it again")
        self._submit(task)

    def _give_up(self, task: _Task, end: End) -> None:
        """Ends a task from which nothing more will come."""
        task.end = end
        task.coming.clear()
        self._sweep_folder.clear(task.job.name)  # it is not at work any more

    def _give_up_node(self, task: _Task, reason: str) -> None:
        """Excludes a node, and starts its job again elsewhere.

        Raises:
            ValueError: If no other node is left.
        """
        if task.node not in self._unusable:
            self._unusable[task.node] = reason
            if not self._cluster.slots(self._unusable):
                raise ValueError(f"No node of the Ray cluster can train: {task.where}: {reason}.")
            self._say(f"node {task.where} is not used: {reason}")
        self._submit(task)

    def _is_over(self, stream: Any) -> bool:
        """Whether a task that was asked to end has done so."""
        try:
            while self._cluster.read(stream) is not None:
                pass
        except (LostError, NoMemoryError, TaskError):
            return True
        return False
