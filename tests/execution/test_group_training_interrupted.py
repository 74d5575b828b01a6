"""Groups that are interrupted: where their checkpoints lie, whose they are, and that they go on.

Apart from `test_group_training.py`, so that two processes can share the tests.
"""

import shutil
import signal

import pytest

from easy_study import EasyStore, cell, names
from tensorboard_events import scalars
from tftransfer.cli import command_line
from tftransfer.data.store import StoreError
from tftransfer.execution import studies
from tftransfer.execution.group_training import GroupTraining, Member
from tftransfer.execution.source_weights import SourceWeights
from tftransfer.records import record_files
from tftransfer.system import signals
from tftransfer.training import checkpoints


def test_an_interrupted_network_goes_on_and_leaves_nothing_behind(study_with_bases, store, tmp_path, monkeypatch):
    study, rounds = study_with_bases, {"evaluations": 3}
    shutil.rmtree(study.root / "random0-baseA-seed0")
    whole = study.ensure(cell("B2B", **rounds)).record
    said = []
    other = studies.Study(tmp_path / "other", store, say=said.append)
    due = checkpoints.Checkpoints.due

    def end_after_two_steps(self, size):
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked == 2:
            signal.raise_signal(signal.SIGTERM)
        return True

    monkeypatch.setattr(checkpoints.Checkpoints, "due", end_after_two_steps)
    for _ in range(2):  # baseB, then B2B
        with pytest.raises(signals.Terminated):
            other.ensure(cell("B2B", **rounds))
        assert len(list((other.root / ".checkpoints").glob("*/*.npz"))) == 2
        assert not list(other.root.glob("random*/*step*.npz"))
        monkeypatch.setattr(checkpoints.Checkpoints, "due", due)
        other.ensure(cell("base", **rounds))
        monkeypatch.setattr(checkpoints.Checkpoints, "due", end_after_two_steps)
    monkeypatch.setattr(checkpoints.Checkpoints, "due", due)
    record = other.ensure(cell("B2B", **rounds)).record
    assert "B2B: goes on from its checkpoint at step 2" in said
    assert sum(line.startswith("B2B: step") for line in said) == 3, "no line is said twice"
    assert record.weights_digest == whole.weights_digest
    assert record.result == whole.result
    assert {**record.content["history"], "seconds": 0} == {**whole.content["history"], "seconds": 0}
    assert scalars(record.folder) == scalars(whole.folder)
    assert not (other.root / ".checkpoints").exists()
    assert names(other.root) == names(study.root)


def test_checkpoints_that_outlived_their_record_are_not_used_by_force(study_with_bases, store):
    study = study_with_bases
    first = study.ensure(cell("base")).record
    training = GroupTraining(study.root, store, SourceWeights())
    before, after = (training._checkpoints([Member(cell("base"), None, None)]) for _ in range(2))
    study.root.joinpath("random0-baseB-seed0", record_files.RECORD).unlink()
    of_first = training._checkpoints([Member(cell("base"), None, None)])
    assert before._about == after._about
    assert before._about["replaces"] == [first.content["finished"]]
    assert of_first._about["replaces"] == [None]


def test_no_checkpoints_if_none_are_wanted(tmp_path, store):
    training = GroupTraining(tmp_path, store, SourceWeights())
    assert training._checkpoints([Member(cell("base", checkpoint_minutes="0"), None, None)]) is None
    assert training._checkpoints([Member(cell("base", checkpoint_minutes="2"), None, None)]) is not None


def test_a_checkpoint_of_other_replicas_ends_in_a_reason_and_leaves_no_trace(study, monkeypatch):
    def end_at_once(self, size):
        signal.raise_signal(signal.SIGTERM)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "due", end_at_once)
        with pytest.raises(signals.Terminated):
            study.ensure(cell("base", strategy="mirrored", replicas=2))
    with pytest.raises(
        checkpoints.CannotResumeError, match=r"cannot be gone on from exactly: strategy: .*CPU x 2.* --resume=any"
    ):
        study.ensure(cell("base", resume="exact"), force=True)
    assert not (study.root / "random0-baseB-seed0").exists()
    assert list(study.root.glob(".checkpoints/random0-baseB-seed0/*.npz"))


def test_images_that_are_removed_under_a_training_end_it_in_a_line_and_it_goes_on(tmp_path, monkeypatch):
    class Vanishing(EasyStore):
        """A store whose validation images are gone for a while, as a `data.store.Store` tells it."""

        gone = True

        def read(self, split, ids):
            if split == "val" and self.gone:
                self.lost = StoreError("The prepared images are gone")
                raise self.lost
            return super().read(split, ids)

    store, said = Vanishing(tmp_path / "means"), []
    study = studies.Study(tmp_path / "study", store, say=said.append)
    monkeypatch.setattr(checkpoints.Checkpoints, "due", lambda self, size: True)
    with pytest.raises(StoreError, match=r"^The prepared images are gone$") as caught:
        study.ensure(cell("base"))
    assert command_line._raised_here(caught.value), "a line for the user, not a traceback"
    assert names(study.root) == []
    assert list(study.root.glob(".checkpoints/random0-baseB-seed0/*.npz"))
    store.gone = False
    assert study.ensure(cell("base")).trained_here
    assert any("goes on from its checkpoint" in line for line in said)
