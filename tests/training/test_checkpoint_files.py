"""Checkpoint files: whole or refused, the last two of a folder, and folders that change places."""

import hashlib
import io
import os

import numpy as np
import pytest

from tftransfer.training import checkpoint_files
from tftransfer.training.checkpoint_files import Checkpoint, DamagedError

NOTES = {"identity": {"seed": 1}, "circumstances": {}, "resumed": [], "story": [3, None, 0.1]}


def written(folder, *steps):
    """Writes a checkpoint for each step; returns the files that are left."""
    for step in steps:
        checkpoint_files.write(folder, Checkpoint(step, {"a": np.full(3, step, np.float32)}, NOTES))
    return checkpoint_files.listed(folder)


def stored(folder, content):
    """Writes any content under a name that has its digest."""
    path = folder / f"000001-step1-{hashlib.sha256(content).hexdigest()}.npz"
    path.write_bytes(content)
    return path


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_what_is_written_is_read_again(tmp_path):
    (path,) = written(tmp_path / "new" / "folder", 7)
    found = checkpoint_files.read(path)
    assert (found.step, found.notes) == (7, NOTES)
    np.testing.assert_array_equal(found.arrays["a"], np.full(3, 7, np.float32))


def test_the_last_two_are_left_in_the_order_in_which_they_were_written(tmp_path):
    assert [checkpoint_files.read(path).step for path in written(tmp_path, 9, 5, 6)] == [5, 6]
    assert sorted(tmp_path.iterdir()) == checkpoint_files.listed(tmp_path)


def test_age_is_a_number_and_not_a_name(tmp_path):
    older, newer = (tmp_path / f"{serial}-step1-{'0' * 64}.npz" for serial in ("999999", "1000000"))
    for path in (older, newer):
        path.write_bytes(b"")
    assert checkpoint_files.listed(tmp_path) == [older, newer]


def test_a_pipe_and_files_of_others_are_no_checkpoints(tmp_path):
    files = written(tmp_path, 1)
    os.mkfifo(tmp_path / f"000009-step9-{'0' * 64}.npz")
    (tmp_path / "notes.npz").write_bytes(b"somebody's own file")
    assert checkpoint_files.listed(tmp_path) == files


def test_another_content_than_the_name_says_is_damaged(tmp_path):
    (path,) = written(tmp_path, 1)
    content = path.read_bytes()
    for other in (b"", content[:-1], content + b"\0", content[:50] + bytes([content[50] ^ 1]) + content[51:]):
        path.write_bytes(other)
        with pytest.raises(DamagedError, match="has not the SHA-256 that its name says"):
            checkpoint_files.read(path)


@pytest.mark.parametrize(
    "content", [b"", b"no archive", archive(x=np.zeros(2)), archive(notes=np.frombuffer(b"{}", np.uint8))]
)
def test_a_file_with_the_right_digest_that_is_no_checkpoint_is_damaged(tmp_path, content):
    with pytest.raises(DamagedError, match="is no checkpoint"):
        checkpoint_files.read(stored(tmp_path, content))


def test_pickled_objects_are_not_loaded(tmp_path):
    with pytest.raises(DamagedError, match="allow_pickle"):
        checkpoint_files.read(stored(tmp_path, archive(notes=np.array([print], dtype=object))))


def test_an_archive_that_nobody_can_read_is_damaged(tmp_path):
    """With the right digest, and a flipped bit in what the archive says of its compression."""
    whole = archive(x=np.zeros(3))
    place = whole.index(b"PK\x01\x02") + 10
    with pytest.raises(DamagedError, match="is no checkpoint"):
        checkpoint_files.read(stored(tmp_path, whole[:place] + b"\x63" + whole[place + 1 :]))


def test_a_write_that_fails_leaves_the_files_before_it(tmp_path, monkeypatch):
    files = written(tmp_path, 1, 2)

    def failing(file, **arrays):
        file.write(b"half of it")
        raise OSError("no room")

    monkeypatch.setattr(np, "savez", failing)
    with pytest.raises(OSError, match="no room"):
        written(tmp_path, 3)
    checkpoint_files.remove_partial(tmp_path)
    assert sorted(tmp_path.iterdir()) == files


def test_folders_are_set_aside_and_brought_back(tmp_path):
    folder, steps = tmp_path / "network", {}
    for step in (1, 2, 3):
        written(folder, step)
        steps[checkpoint_files.set_aside(folder).name] = step
    assert steps == {"network.aside-1": 1, "network.aside-2": 2, "network.aside-3": 3}
    written(folder, 4)
    assert checkpoint_files.set_aside(folder) is None, "there is no place left"
    assert not checkpoint_files.bring_back(tmp_path / "network.aside-2", tmp_path / "elsewhere")
    assert checkpoint_files.bring_back(tmp_path / "network.aside-1", folder), "they change places"
    found = {path.name: checkpoint_files.read(checkpoint_files.listed(path)[0]).step for path in tmp_path.iterdir()}
    assert found == {"elsewhere": 2, "network": 1, "network.aside-1": 4, "network.aside-3": 3}
    assert [path.name for path in checkpoint_files.asides(folder)] == ["network.aside-1", "network.aside-3"]
