"""Trains the networks of a study in the right order: bases first, then all that copy from them, in lockstep."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import filelock

from tftransfer.execution import best_weights
from tftransfer.experiment.plan import Cell
from tftransfer.records import identities, record_files
from tftransfer.records.identities import UNKNOWN, Versions
from tftransfer.records.record_files import Record
from tftransfer.scheduling import jobs
from tftransfer.scheduling.jobs import End, Job
from tftransfer.scheduling.sweep_folder import SweepFolder

WAITING, RUNNING, DONE, DIVERGED = "waiting", "running", "done", "diverged"
FAILED, SKIPPED, ELSEWHERE = "failed", "skipped", "elsewhere"
_POLL_SECONDS = 0.2
_LOOK_ELSEWHERE_SECONDS = 3.0


class Runner(Protocol):
    """Runs jobs: `LocalRunner`, `RayRunner`, or the tests' own."""

    free: int

    def start(self, job: Job, again: frozenset[str]) -> None:
        """Starts a job; networks named in `again` are trained though they have a record."""

    def finished(self) -> list[tuple[Job, End]]:
        """Returns the jobs that ended since the last call."""

    def stop(self) -> None:
        """Ends all jobs."""


@dataclasses.dataclass
class State:
    """A network of a sweep and its state.

    Attributes:
        cell: The network.
        state: One of the states of this module.
        reason: Why it failed or was skipped, as a sentence.
        word: The same as a word, one of `jobs.FAILURE_WORDS`.
        record: Its record, once it is done.
        trained_here: True if this sweep trained it.
    """

    cell: Cell
    state: str = WAITING
    reason: str = ""
    word: str = ""
    record: Record | None = None
    trained_here: bool = False


class Scheduler:
    """A sweep over the networks of a study.

    Args:
        cells: The networks, bases included.
        study: Folder of the study.
        runner: Trains them.
        group_size: Most networks in a group; 0 for as many as memory holds.
        retry_failed: True trains networks again which failed or diverged.
        say: Takes lines for the user.
        versions: Images and architecture that the networks are trained with.

    Attributes:
        states: All networks by name.

    Raises:
        AnotherNetworkError: If a record is in the way of another configuration, data set or architecture.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        study: pathlib.Path,
        runner: Runner,
        group_size: int = 0,
        retry_failed: bool = False,
        say: Callable[[str], None] = print,
        versions: Versions = UNKNOWN,
    ) -> None:
        self.states = {cell.name: State(cell) for cell in cells}
        self._study, self._runner, self._say = study, runner, say
        self._group_size = group_size
        self._sweep_folder = SweepFolder(study)
        self._queue: collections.deque[Job] = collections.deque()
        self._trained_again: set[str] = set()  # bases that had lost their weights
        self._again: set[str] = set()  # networks that diverged before
        self._crashed: set[str] = set()  # networks whose process a signal ended
        self._looked_elsewhere = 0.0
        self._versions = versions
        for state in self.states.values():
            self._begin(state, retry_failed)
        self._need_lost_weights()
        self._skip_dependants()

    def _begin(self, state: State, retry_failed: bool) -> None:
        """Sets the state of a network at the start, from its record and earlier failures."""
        record = self._read(state.cell)
        if record and not (retry_failed and record.status == record_files.DIVERGED):
            self._done(state, record)
            return
        if record:
            self._again.add(state.cell.name)
        reason = self._sweep_folder.failure(state.cell)
        if retry_failed:
            self._sweep_folder.forget_failure(state.cell.name)
        elif reason:
            state.word = self._sweep_folder.failure_word(state.cell.name)
            state.state, state.reason = FAILED, f"{reason} (in an earlier sweep; --retry_failed tries again)"

    def _read(self, cell: Cell) -> Record | None:
        """Returns a network's record if it is done; raises AnotherNetworkError if another one lies there."""
        return identities.find(self._study, cell, self._versions)

    def _need_lost_weights(self) -> None:
        """Puts back bases that are done but have lost their weights, where a network still needs them."""
        for state in list(self.states.values()):
            source = state.cell.source
            if state.state == WAITING and source:
                base = self.states[source.name]
                if base.state == DONE and base.record.weights_file is None:
                    base.state = WAITING

    def run(self, update: Callable[[], None] = lambda: None) -> None:
        """Trains everything that can be trained.

        Args:
            update: Called several times a second.
        """
        try:
            while True:
                self._look_elsewhere()
                while self._runner.free and (job := self._next()):
                    self._start(job)
                for job, end in self._runner.finished():
                    self._finish(job, end)
                update()
                busy = any(state.state in (RUNNING, ELSEWHERE) for state in self.states.values())
                if not (busy or self._queue or self._ready_groups()):
                    return
                time.sleep(_POLL_SECONDS)
        finally:
            self._runner.stop()

    def _next(self) -> Job | None:
        """Returns a job that can start now: a queued one, then bases, then the largest group; None if there is none."""
        ready = self._ready_groups()
        if not self._queue and ready:
            first = max(ready, key=lambda cells: (cells[0].treatment.is_reference, len(cells)))
            self._queue.extend(jobs.pieces(first, self._group_size))
        return self._queue.popleft() if self._queue else None

    def _ready_groups(self) -> list[list[Cell]]:
        """Returns the groups all of whose bases are settled, without those that are queued."""
        queued = {cell.name for job in self._queue for cell in job.cells}
        groups: dict[tuple, list[Cell]] = collections.defaultdict(list)
        for state in self.states.values():
            if state.state == WAITING and state.cell.name not in queued:
                groups[jobs.group_key(state.cell)].append(state.cell)
        return [cells for cells in groups.values() if all(self._is_ready(cell) for cell in cells)]

    def _is_ready(self, cell: Cell) -> bool:
        """Whether all bases that a network waits for are done or given up."""
        return all(
            self.states[base.name].state in (DONE, DIVERGED, FAILED) for base in cell.waits_for() if base != cell
        )

    def _start(self, job: Job) -> None:
        self._say(f"{job.name}: {_names(job.cells)}")
        for cell in job.cells:
            self.states[cell.name].state = RUNNING
        self._runner.start(job, frozenset(cell.name for cell in job.cells) & self._again)

    def _finish(self, job: Job, end: End) -> None:
        """Takes the end of a job: records, failures, and networks to try again."""
        missing = []
        for cell in job.cells:
            record = self._read(cell)
            if record and (end.status == jobs.OK or cell.name not in self._again):
                self._again.discard(cell.name)
                self._done(self.states[cell.name], record, trained_here=cell.name not in end.elsewhere)
            elif cell.name in end.elsewhere:
                self.states[cell.name].state = ELSEWHERE
            else:
                missing.append(cell)
        if missing:
            self._settle(Job(tuple(missing)), end)
        self._say(_ended(job, [self.states[cell.name] for cell in job.cells], end))
        best_weights.prune(self._study)
        self._skip_dependants()

    def _settle(self, job: Job, end: End) -> None:
        """Tries networks again that a job did not finish, or gives them up."""
        too_much = end.status in (jobs.NO_MEMORY, jobs.CRASHED, jobs.TERMINATED)
        for cell in job.cells:
            self.states[cell.name].state = WAITING
        if self._train_again(end.lost):
            return
        by_signal = end.status == jobs.TERMINATED or (end.status == jobs.CRASHED and len(job.cells) == 1)
        if by_signal and job.cells[0].name not in self._crashed:
            # A signal may have come from anywhere. Its checkpoint is there; if it was memory, it will die again.
            self._crashed.add(job.cells[0].name)
            self._say(f"{job.name}: {end.message}; trying again")
            self._queue.appendleft(job)
            return
        if too_much and len(job.cells) > 1:
            self._say(f"{job.name}: {end.message}; trying again in two groups")
            self._queue.extendleft(reversed(job.bisect()))
            return
        reason = end.message or "its process ended without a result"
        if end.lost:
            reason = f"the weights of {', '.join(end.lost)} are gone or damaged, and training again did not help"
        for cell in job.cells:
            state = self.states[cell.name]
            state.state, state.reason, state.word = FAILED, reason, jobs.FAILURE_WORDS.get(end.status, FAILED)
            if end.status not in jobs.PASSING:
                self._sweep_folder.write_failure(cell, reason, state.word)

    def _train_again(self, bases: Iterable[str]) -> bool:
        """Puts bases back whose weights are lost; False if that was tried before."""
        again = set(bases) & self.states.keys()
        if not again or again & self._trained_again:
            return False
        self._trained_again |= again
        for name in again:
            self.states[name].state = WAITING
        return True

    def _done(self, state: State, record: Record, trained_here: bool = False) -> None:
        state.record, state.trained_here = record, trained_here
        state.state = DONE if record.status == record_files.DONE else DIVERGED
        self._sweep_folder.forget_failure(state.cell.name)

    def _skip_dependants(self) -> None:
        """Gives up networks whose source cannot serve."""
        for state in self.states.values():
            source = state.cell.source
            if state.state == WAITING and source:
                base = self.states[source.name]
                if base.state in (DIVERGED, FAILED):
                    why = f" ({base.word})" if base.word not in ("", FAILED) else ""
                    state.state, state.reason = SKIPPED, f"its source {source.name} {base.state}{why}"

    def _look_elsewhere(self) -> None:
        """Looks every few seconds for records of networks that other processes train."""
        if time.monotonic() - self._looked_elsewhere < _LOOK_ELSEWHERE_SECONDS:
            return
        self._looked_elsewhere = time.monotonic()
        for state in self.states.values():
            if state.state != ELSEWHERE:
                continue
            record = self._read(state.cell)
            if record:
                self._done(state, record)
            elif _is_free(record_files.lock_path(self._study, state.cell.name)):
                state.state = WAITING
        self._skip_dependants()


def _is_free(path: pathlib.Path) -> bool:
    """Whether nobody holds a lock."""
    try:
        path.parent.mkdir(exist_ok=True)
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False


def _names(cells: Sequence[Cell]) -> str:
    labels = ", ".join(cell.treatment.label for cell in cells)
    return labels if len(cells) == 1 else f"{len(cells)} networks in lockstep: {labels}"


def _ended(job: Job, states: Sequence[State], end: End) -> str:
    """Returns one line about the end of a job."""
    done = [state for state in states if state.state == DONE]
    parts = []
    if done:
        shown = ", ".join(f"{s.cell.treatment.label} {100 * s.record.result['top1']:.1f} %" for s in done)
        parts.append(f"done: {shown}")
    for kind in (DIVERGED, FAILED, ELSEWHERE, WAITING):
        of_kind = [state for state in states if state.state == kind]
        if of_kind:
            reason = f" ({of_kind[0].reason})" if of_kind[0].reason else ""
            parts.append(
                f"{of_kind[0].word or kind}: {', '.join(state.cell.treatment.label for state in of_kind)}{reason}"
            )
    return f"{job.name}: {'; '.join(parts)}"
