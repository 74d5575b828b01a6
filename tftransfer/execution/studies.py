"""Looks up what of a plan is done, and lets the rest be trained, one process at a time for each network."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence

import filelock

from tftransfer.data.store import Store
from tftransfer.execution.group_training import GroupTraining, Member
from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.execution.source_weights import SourceWeights
from tftransfer.execution.training_reports import OnProgress
from tftransfer.experiment import plan
from tftransfer.experiment.plan import Cell
from tftransfer.models import architectures
from tftransfer.records import identities, record_files
from tftransfer.records.identities import AnotherNetworkError, Versions
from tftransfer.records.record_files import Record
from tftransfer.training import strategies


class SourceError(ValueError):
    """A base that others need cannot serve as their source."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished network of a plan, and whether this call trained it."""

    record: Record
    trained_here: bool


@dataclasses.dataclass
class GroupEnd:
    """Networks that a group did not train.

    Attributes:
        elsewhere: Names of networks that another process is training.
        lost: Names of bases that must be trained again before the group can be, their weights gone or damaged.
    """

    elsewhere: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)


class Study:
    """The networks of one study on this machine.

    Args:
        root: Folder of the study.
        store: Its prepared images.
        say: Takes lines for the user.
        progress_bar: True shows Keras' progress bar in place of lines while a network trains.
        on_evaluation: Called after every evaluation with the step, all steps, and a row of history by network name.
        memory_fraction: Fraction of the available memory that a group may take, 0 to 1.
        pretrained: Weights that someone else trained, for networks whose treatment has their SHA-256.
        keep_best: True keeps the weights of each group's best network, not of bases only.
        stage: Told what is done while no evaluation tells it.
    """

    def __init__(
        self,
        root: pathlib.Path,
        store: Store,
        say: Callable[[str], None] = print,
        progress_bar: bool = False,
        on_evaluation: OnProgress | None = None,
        memory_fraction: float = 1.0,
        pretrained: PretrainedBase | None = None,
        keep_best: bool = False,
        stage: Callable[[str], None] | None = None,
    ) -> None:
        self.root = root
        self._store = store
        self._say = say
        self._sources = SourceWeights(pretrained)
        self._training = GroupTraining(
            root, store, self._sources, say, progress_bar, on_evaluation, memory_fraction, keep_best, stage
        )
        self._trained_now: set[str] = set()

    def check(self, steps: Sequence[plan.PlannedNetwork], force: bool) -> None:
        """Refuses, before anything is trained, a recipe that does not fit these halves, and records of something else.

        Raises:
            ValueError: If a batch does not fit a half, or a record of another configuration is in the way.
        """
        per_class = self._store.counts("train")
        for step in steps:
            config = step.cell.config
            strategies.check_batch(config.batch_size, strategies.make(config.strategy, config.replicas))
            plan.check_recipe(step.cell, per_class)
            source = self._record_of(step.cell.source)
            self.find(step.cell, source, replace=force and step.role == plan.ASKED)

    def find(self, cell: Cell, source: Record | None, replace: bool = False) -> Record | None:
        """Returns the record of a cell, or None if it is still to be trained.

        Args:
            cell: The network.
            source: Record of its source's base, if it has one and that is done.
            replace: Whether a record of the same network, from another training of its source, may be replaced.

        Raises:
            AnotherNetworkError: If the folder holds another network.
        """
        record = self._record_of(cell)
        if record is None or identities.copies_from(record, source):
            return record
        if replace:
            return None
        raise AnotherNetworkError(
            f"{record.folder} was made from another training of {cell.source.treatment.label}, whose weights were not "
            f"the same. --force of `python -m tftransfer.run` trains it again."
        )

    def ensure(self, cell: Cell, force: bool = False) -> Trained:
        """Returns the record of a cell, after training it and what it waits for where they are missing.

        Args:
            cell: The network.
            force: True trains it again though it is done; its bases are used as they are.

        Raises:
            SourceError: If its source diverged.
        """
        source = self._record_of(cell.source)
        if not force and (source or not cell.source):
            record = self.find(cell, source)
            if record:
                return Trained(record, trained_here=cell.name in self._trained_now)
        if cell.source:
            source = self.ensure_source(cell.source)
        reference = None
        if cell.reference and not cell.treatment.is_reference:
            reference = self.ensure(cell.reference).record
        with self._only_one(cell):
            record = self.find(cell, source, replace=force)  # another process may have trained it meanwhile
            if record and not force:
                return Trained(record, trained_here=False)
            return Trained(self._train([Member(cell, source, reference)])[0], trained_here=True)

    def ensure_source(self, base: Cell) -> Record:
        """Returns the record of a base whose weights are there, after training it again if they are gone."""
        record = self.ensure(base).record
        if record.status != record_files.DONE:
            raise SourceError(
                f"{base.treatment.label} {record.status} and cannot be copied from. Use another recipe, for example a "
                f"lower --learning_rate."
            )
        if self._sources.has(base, record):
            return record
        with self._only_one(base):
            record = self._record_of(base) or record
            if self._sources.load(base, record) is None:
                self._say(f"{base.treatment.label}: its weights are gone or damaged; training it again")
                (record,) = self._train([Member(base, None, None)])
        return record

    def finished(self, cell: Cell) -> Trained | None:
        """Returns a network of this study with its record, None if it is not done."""
        record = self._record_of(cell)
        return Trained(record, cell.name in self._trained_now) if record else None

    def _record_of(self, cell: Cell | None) -> Record | None:
        """Returns the record of a cell if it is done; raises AnotherNetworkError if it is not of these images or model.

        Whatever is copied from, compared with or counted as done comes through here.
        """
        if cell is None:
            return None
        architecture = architectures.identity(cell.config.architecture)
        return identities.find(self.root, cell, Versions(self._store.fingerprint, architecture, model_is_known=True))

    @contextlib.contextmanager
    def _only_one(self, cell: Cell) -> Iterator[None]:
        """Holds a cell's lock: of several processes that want the same network, one trains it and the others wait."""
        lock = _lock_of(self.root, cell)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            self._say(f"{cell.treatment.label}: another process trains it; waiting")
            lock.acquire()
        try:
            record_files.restore(
                self.root / cell.name
            )  # a process that was killed may have left a replacement half done
            yield
        finally:
            lock.release()

    def train_group(self, cells: Sequence[Cell], again: Collection[str] = ()) -> GroupEnd:
        """Trains networks of one target, seed and recipe in lockstep, after their bases; leaves out what is done.

        Args:
            cells: The networks: bases only, or networks whose bases are finished.
            again: Names of those that are trained though they have a record.

        Returns:
            What could not be trained here and now.

        Raises:
            SourceError: If a base that they copy from diverged.
            ValueError: If a folder holds a network of another configuration, or there is no room for the group.
        """
        end, members = GroupEnd(), []
        with contextlib.ExitStack() as locks:
            for cell in cells:
                if not self._lock(cell, locks):
                    end.elsewhere.append(cell.name)
                elif cell.treatment.is_reference:
                    record = self.find(cell, None)
                    lost = record and record.status == record_files.DONE and self._sources.load(cell, record) is None
                    if record is None or lost or cell.name in again:
                        members.append(Member(cell, None, None))
                else:
                    self._add_member(cell, members, end, cell.name in again)
            if members and not end.lost:
                self._train(members)
        return end

    def _add_member(self, cell: Cell, members: list[Member], end: GroupEnd, again: bool) -> None:
        """Adds a network with its bases to a group, unless it is done or a base of it is not usable."""
        source = self._record_of(cell.source)
        if cell.source and (source is None or not self._source_is_whole(cell.source, source)):
            end.lost.append(cell.source.name)
        elif again or self.find(cell, source) is None:
            members.append(Member(cell, source, self._record_of(cell.reference)))

    def _source_is_whole(self, base: Cell, record: Record) -> bool:
        """Whether a base's weights are there as recorded; raises SourceError if it diverged."""
        if record.status != record_files.DONE:
            raise SourceError(f"{base.treatment.label} {record.status} and cannot be copied from.")
        return self._sources.has(base, record)

    def _lock(self, cell: Cell, locks: contextlib.ExitStack) -> bool:
        """Takes a cell's lock if it is free."""
        lock = _lock_of(self.root, cell)
        try:
            locks.enter_context(lock.acquire(timeout=0))
        except filelock.Timeout:
            return False
        record_files.restore(self.root / cell.name)
        return True

    def _train(self, members: Sequence[Member]) -> list[Record]:
        """Trains a group whose locks are held."""
        written = self._training.train(members)
        self._trained_now |= {member.cell.name for member in members}
        return written


def _lock_of(root: pathlib.Path, cell: Cell) -> filelock.FileLock:
    """Returns a cell's lock, not yet taken."""
    path = record_files.lock_path(root, cell.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path)
