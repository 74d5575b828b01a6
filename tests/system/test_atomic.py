"""Files appear as a whole or not at all, for those whom the umask lets."""

import os
import stat

import pytest

from tftransfer.system import atomic


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_who_may_read_a_file_is_what_the_umask_says(umask, tmp_path):
    atomic.write(tmp_path / "bytes", b"x")
    atomic.write(tmp_path / "written", lambda file: file.write(b"x"))
    atomic.write_text(tmp_path / "text", "x")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("bytes", "written", "text"), 0o666 & ~umask)


def test_what_fails_leaves_the_file_that_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"before")

    def half(file):
        file.write(b"half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        atomic.write(path, half)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("file", b"before")]
