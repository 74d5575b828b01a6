"""Checkpoints of a training: which one it goes on from, and when the next is due."""

import errno
import math
import os

import numpy as np
import pytest

from tftransfer.training import checkpoints
from tftransfer.training.checkpoints import CannotResumeError, Checkpoints

IDENTITY = {"recipe": {"epochs": 3}, "networks": [("base", 0)]}
ARRAYS = {
    "a": np.linspace(0, 1, 7, dtype=np.float32).reshape(7, 1),
    "b": np.array([[1, -2]], np.int64),
    "c": np.array([np.nan, np.inf], np.float32),
    "d": np.array(3.5),
}


def begun(folder, said=None, identity=IDENTITY, **options):
    """Returns the checkpoints of a training that has just begun anew or gone on, and from where."""
    made = Checkpoints(folder, {"data": "f"}, (said if said is not None else []).append, **options)
    return made, made.restore(identity)


def filled(folder, steps):
    made, _ = begun(folder)
    for step in steps:
        assert made.save(step, {**ARRAYS, "step": np.array(step)}, {"story": [step, None, 0.1, math.inf]})
    return sorted(folder.iterdir())


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    filled(tmp_path / "new" / "folder", [310])
    said = []
    _, found = begun(tmp_path / "new" / "folder", said)
    assert found.step == 310
    assert found.notes["story"] == [310, None, 0.1, math.inf]
    for name, array in ARRAYS.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        assert found.arrays[name].tobytes() == array.tobytes()
    assert said == ["goes on from its checkpoint at step 310"]


def test_the_last_two_are_kept_and_the_newest_counts(tmp_path):
    files = filled(tmp_path, [3, 6, 9, 12])
    assert [path.name.rpartition("-")[0] for path in files] == ["000003-step9", "000004-step12"]
    assert begun(tmp_path)[1].step == 12


def test_nothing_there_is_a_new_training_and_nothing_to_say(tmp_path):
    said = []
    assert begun(tmp_path / "nothing", said)[1] is None
    assert said == []
    assert not (tmp_path / "nothing").exists()


def flipped(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGE = {
    "truncated": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "one bit": flipped,
    "first bit": lambda content: bytes([content[0] ^ 128]) + content[1:],
    "longer": lambda content: content + b"\0",
    "another file": lambda content: b"PK" + os.urandom(2000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_one_is_never_used(damage, tmp_path):
    older, newest = filled(tmp_path, [1, 2])
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    said = []
    assert begun(tmp_path, said)[1].step == 1
    assert "damaged" in said[0]
    assert not newest.exists(), "it would count as one of the two that are kept"
    older.write_bytes(DAMAGE[damage](older.read_bytes()))
    assert begun(tmp_path, said)[1] is None
    assert said[-1] == "no whole checkpoint is left; training starts anew"
    assert len(filled(tmp_path, [5])) == 1


@pytest.mark.parametrize(
    ("about", "identity", "named"),
    [
        ({"data": "g"}, IDENTITY, 'data: "f" there, "g" here'),
        ({"data": "f"}, {**IDENTITY, "recipe": {"epochs": 4}}, "recipe.epochs: 3 there, 4 here"),
        ({"data": "f"}, {**IDENTITY, "networks": [("base", 1)]}, "networks"),
        ({"data": "f"}, {**IDENTITY, "more": 1}, "more: null there, 1 here"),
    ],
)
def test_another_trainings_checkpoints_are_not_used_and_what_differs_is_said(about, identity, named, tmp_path):
    folder = tmp_path / "network"
    files, said = contents(folder, [1, 2]), []
    other = Checkpoints(folder, about, said.append)
    assert other.restore(identity) is None
    assert len(said) == 1
    assert named in said[0]
    assert "are set aside in" in said[0]
    assert "network.aside-1" in said[0]
    for step in (1, 2, 3):
        other.save(step, {}, {})
    assert files_in(tmp_path / "network.aside-1") == files, "nothing was overwritten, nothing removed"
    other.clear()
    assert begun(folder)[1].step == 2, "the first one is back when it is wanted again"
    assert files_in(folder) == files


def contents(folder, steps):
    filled(folder, steps)
    return files_in(folder)


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_trainings_of_one_name_take_turns(tmp_path):
    folder = tmp_path / "network"
    for step in range(1, 7):
        identity, said = IDENTITY | {"seed": step % 2}, []
        made, found = begun(folder, said, identity)
        assert (found.step if found else None) == (step - 2 if step > 2 else None), said
        made.save(step, ARRAYS, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network", "network.aside-1"]


def test_no_more_than_three_are_set_aside_and_none_is_lost(tmp_path):
    folder = tmp_path / "network"
    for seed in range(4):
        begun(folder, identity=IDENTITY | {"seed": seed})[0].save(1, ARRAYS, {})
    before = {path.name: files_in(path) for path in tmp_path.iterdir()}
    with pytest.raises(CannotResumeError, match=r"aside-1, network\.aside-2, network\.aside-3 in .*Remove those"):
        begun(folder, identity=IDENTITY | {"seed": 9})
    assert {path.name: files_in(path) for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_kill_while_two_change_places_loses_none(renamed, tmp_path, monkeypatch):
    folder, (first, second) = tmp_path / "network", ({"seed": seed} for seed in (1, 2))
    begun(folder, identity=first)[0].save(7, ARRAYS, {})
    begun(folder, identity=second)[0].save(8, ARRAYS, {})
    rename, done = os.rename, []

    def killed(*names):
        if len(done) > renamed:
            raise KeyboardInterrupt
        done.append(names)
        rename(*names)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        begun(folder, identity=first)
    monkeypatch.undo()
    assert begun(folder, identity=second)[1].step == 8
    assert begun(folder, identity=first)[1].step == 7


HERE = {"threads": {"intra_op": 1}, "evaluations": 3}
FEWER, ELSEWHERE = {**HERE, "evaluations": 2}, {**HERE, "threads": {"intra_op": 2}}


def resumed(folder, circumstances, resume="any"):
    said = []
    made = Checkpoints(folder, {"data": "f"}, said.append, resume=resume)
    return made, made.restore(IDENTITY, circumstances), said


def test_what_rounds_differently_is_gone_on_with_and_told(tmp_path):
    resumed(tmp_path, ELSEWHERE)[0].save(3, ARRAYS, {})
    made, found, said = resumed(tmp_path, HERE)
    assert found.step == 3
    assert said == [
        "goes on from its checkpoint at step 3, inexactly: threads.intra_op: 2 there, 1 here; bits may differ from "
        "those of an uninterrupted training"
    ]
    first = {"step": 3, "differences": ["threads.intra_op: 2 there, 1 here"], "inexact": True}
    assert made.resumed == [first]
    made.save(5, ARRAYS, {})
    made, _, said = resumed(tmp_path, HERE)
    assert (said, made.resumed) == (["goes on from its checkpoint at step 5"], [first]), "it stays known"
    assert resumed(tmp_path, ELSEWHERE)[0].resumed[1]["differences"] == ["threads.intra_op: 1 there, 2 here"]


def test_another_number_of_evaluations_leaves_the_weights_exact(tmp_path):
    resumed(tmp_path, HERE)[0].save(3, ARRAYS, {})
    made, found, said = resumed(tmp_path, FEWER)
    assert found.step == 3
    assert "inexactly" not in said[0]
    assert "evaluations: 3 there, 2 here" in said[0]
    assert made.resumed == [{"step": 3, "differences": ["evaluations: 3 there, 2 here"], "inexact": False}]


@pytest.mark.parametrize(("circumstances", "named"), [(ELSEWHERE, "intra_op: 1 there, 2 here"), (FEWER, "evaluations")])
def test_exact_refuses_what_differs_and_keeps_it(circumstances, named, tmp_path):
    resumed(tmp_path, HERE)[0].save(3, ARRAYS, {})
    files = files_in(tmp_path)
    with pytest.raises(CannotResumeError, match=f"step 3 cannot be gone on from exactly: .*{named}.*--resume=any"):
        resumed(tmp_path, circumstances, "exact")
    assert files_in(tmp_path) == files
    assert resumed(tmp_path, HERE, "exact")[1].step == 3


def test_exact_refuses_what_was_gone_on_with_inexactly_before(tmp_path):
    resumed(tmp_path, ELSEWHERE)[0].save(3, ARRAYS, {})
    resumed(tmp_path, HERE)[0].save(4, ARRAYS, {})
    with pytest.raises(CannotResumeError, match=r"step 4 .* itself gone on with inexactly \(threads"):
        resumed(tmp_path, HERE, "exact")


def test_to_begin_anew_sets_the_old_ones_aside(tmp_path):
    folder = tmp_path / "network"
    files = contents(folder, [1, 2])
    _, found, said = resumed(folder, HERE, "no")
    assert found is None
    assert said == [f"begins anew (--resume=no); its checkpoints are set aside in {tmp_path.name}/network.aside-1"]
    assert files_in(tmp_path / "network.aside-1") == files
    assert not folder.exists()


def test_variables_that_another_version_lays_out_otherwise_are_kept(tmp_path):
    made = Checkpoints(tmp_path)
    made.restore({"variables": [1]}, HERE)
    made.save(3, ARRAYS, {})
    files = files_in(tmp_path)
    with pytest.raises(CannotResumeError, match=r"not laid out as here: threads\.intra_op: 1 there, 2 here"):
        Checkpoints(tmp_path).restore({"variables": [2]}, ELSEWHERE)
    assert files_in(tmp_path) == files


def test_those_of_a_training_that_has_ended_since_are_removed(tmp_path):
    folder = tmp_path / "network"
    made = Checkpoints(folder, {"replaces": [None]})
    made.restore({})
    made.save(3, ARRAYS, {})
    said = []
    assert Checkpoints(folder, {"replaces": ["yesterday"]}, said.append).restore({}) is None
    assert said == ["its checkpoints are of a training that has ended since, and are removed"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_now_is_kept(tmp_path, monkeypatch):
    files = contents(tmp_path, [1, 2])

    def unreadable(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoints.checkpoint_files, "read", unreadable)
    with pytest.raises(CannotResumeError, match=r"Input/output error\. They are kept"):
        begun(tmp_path)
    assert files_in(tmp_path) == files


def test_what_a_killed_process_had_half_written_does_not_count(tmp_path):
    filled(tmp_path, [1])
    (tmp_path / ".partial.npz").write_bytes(b"half")
    assert begun(tmp_path)[1].step == 1
    assert not (tmp_path / ".partial.npz").exists()


def test_a_full_disk_is_said_once_and_leaves_the_others_whole(tmp_path, monkeypatch):
    files, said = filled(tmp_path, [1, 2]), []
    made, _ = begun(tmp_path, said)
    whole = np.savez

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert not made.save(3, ARRAYS, {})
    assert not made.save(4, ARRAYS, {})
    assert sorted(tmp_path.iterdir()) == files
    assert said[1:] == ["no checkpoint could be written at step 3: [Errno 28] No space left on device"]
    monkeypatch.setattr(np, "savez", whole)
    assert made.save(5, ARRAYS, {})
    assert begun(tmp_path)[1].step == 5


class Clock:
    """Stands for the module `time`."""

    now = 1000.0

    def monotonic(self):
        return self.now


def test_saving_takes_less_than_two_percent_of_the_time(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(checkpoints, "time", clock)
    made, _ = begun(tmp_path)

    def slow(*_, **__):
        clock.now += 1.5

    monkeypatch.setattr(made, "_write", slow)
    saves, start = 0, clock.now
    while clock.now < start + 5000:
        clock.now += 0.3  # a step
        if made.due(size=10):
            made.save(1, {}, {})
            saves += 1
    assert 0.01 < 1.5 * saves / (clock.now - start) < 0.02


def test_the_first_save_waits_for_its_size_and_none_come_too_often(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(checkpoints, "time", clock)
    made, _ = begun(tmp_path)
    clock.now += 4.9
    assert not made.due(size=10)
    clock.now += 0.2
    assert made.due(size=10)
    assert not made.due(size=500_000_000), "five seconds to write"
    clock.now += 245
    assert made.due(size=500_000_000)


def test_the_time_between_two_can_be_set(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(checkpoints, "time", clock)
    always, often = (begun(tmp_path, minutes=minutes)[0] for minutes in (0.0, 0.1))
    assert always.due(size=10**12)
    assert not often.due(size=10)
    clock.now += 6.1
    assert often.due(size=10**12)


def test_they_are_cleared_with_their_folder(tmp_path):
    one, other = tmp_path / ".checkpoints" / "one", tmp_path / ".checkpoints" / "other"
    for folder in (one, other):
        filled(folder, [1])
    begun(one)[0].clear()
    assert not one.exists()
    assert other.exists()
    begun(other)[0].clear()
    begun(other)[0].clear()
    assert list(tmp_path.iterdir()) == []
