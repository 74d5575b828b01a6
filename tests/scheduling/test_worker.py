"""How a job tells its end."""

import dataclasses
import types

import keras
import pytest

from tftransfer.data.store import StoreError
from tftransfer.experiment import splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.experiment.treatments import parse
from tftransfer.pretrained import files
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


def test_a_job_reads_the_pretrained_weights_of_its_networks_and_no_others(tmp_path):
    path, names = tmp_path / "net.keras", tmp_path / "names.txt"
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="one")(inputs)
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="two")(x))
    keras.Model(inputs, keras.layers.Dense(2, name="logits")(x)).save(path)
    names.write_text("cat\ndog\n")
    config = Config(model="small_models:chain", pretrained=str(path), pretrained_preprocessing="tf",
                    pretrained_classes=str(names))  # fmt: skip
    plain = Cell(parse("A1B"), splits.random_split(4, 0), config)
    assert worker.pretrained_weights([plain], ["dog"] * 4) is None
    cell = dataclasses.replace(plain, treatment=dataclasses.replace(plain.treatment, pretrained=files.digest(path)))
    base = worker.pretrained_weights([plain, cell], ["eel", "dog", "cow", "owl"])
    assert set(base.weights) == {"one", "two"}
    assert base.seen == {1}
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ValueError, match="was changed after this sweep had begun"):
        worker.pretrained_weights([cell], ["dog"] * 4)
