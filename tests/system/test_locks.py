"""File systems without locks are refused, and those whose locks hold on one machine only are named."""

import errno
import fcntl
import os

import pytest

from tftransfer.records import record_files
from tftransfer.system import locks


def test_a_file_system_without_locks_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    record_files.check_writable(tmp_path)

    def refuse(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ValueError, match=r"cannot be locked: No locks available\. .*--runs_dir=FOLDER"):
        record_files.check_writable(tmp_path)


MOUNTS = """22 1 8:1 / / rw,relatime - ext4 /dev/sda rw
30 22 0:41 / /data rw,relatime shared:1 - nfs server:/data rw,vers=3,{option},addr=10.0.0.1
31 30 0:42 / /data/fast rw - ext4 /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("option", "folder", "warned"),
    [
        ("nolock", "/data/runs", True),
        ("local_lock=flock", "/data/runs", True),
        ("local_lock=none", "/data/runs", False),
        ("nolock", "/data/fast/runs", False),
        ("nolock", "/database", False),
    ],
)
def test_locks_that_hold_on_one_machine_only_are_named(option, folder, warned, tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text(MOUNTS.format(option=option))
    monkeypatch.setattr(locks, "_MOUNTS", tmp_path / "mounts")
    assert (option in locks.warning(folder)) is warned
    monkeypatch.setattr(locks, "_MOUNTS", tmp_path / "none")
    assert locks.warning(folder) == ""
