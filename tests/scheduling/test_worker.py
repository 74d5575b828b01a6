"""How a job tells its end."""

import types

import pytest

from tftransfer.data.store import StoreError
from tftransfer.records.identities import AnotherNetworkError
from tftransfer.scheduling import jobs, worker
from tftransfer.training.checkpoints import CannotResumeError
from tftransfer.training.memory import NoRoomError


def end_of(error):
    def train_group(cells, again):
        raise error

    return worker.work(types.SimpleNamespace(train_group=train_group), (), frozenset())


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (NoRoomError("B4B: Training needs about 80 GB"), jobs.NO_MEMORY, "B4B: Training needs about 80 GB"),
        (MemoryError(), jobs.NO_MEMORY, "out of memory"),
        (OSError(28, "No space left on device"), jobs.NO_DISK, "OSError: [Errno 28] No space left on device"),
        (CannotResumeError("The checkpoint stays"), jobs.REFUSED, "The checkpoint stays"),
        (AnotherNetworkError("of other images"), jobs.REFUSED, "of other images"),
        (StoreError("The prepared images are gone"), jobs.NO_DISK, "StoreError: The prepared images are gone"),
        (ValueError("broken\nand more"), jobs.FAILED, "ValueError: broken"),
    ],
    ids=str,
)
def test_each_fault_has_its_kind(error, status, message):
    end = end_of(error)
    assert (end.status, end.message) == (status, message)
    assert jobs.FAILURE_WORDS[end.status]
