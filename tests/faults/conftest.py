"""Small disks, and the real command in this process on a few images."""

import contextlib
import os
import pathlib
import subprocess

import pytest

from commands import BASE, command

collect_ignore = ["fuzzing.py"]  # a program, which needs atheris; `test_fuzzing.py` starts it


class Disk:
    """A small disk of its own, which can be filled up or made read-only, and be freed again."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._read_only = False

    def fill(self, left: int = 0) -> None:
        """Leaves so many bytes, in whole pages of 4 KiB."""
        self.free()
        disk = os.statvfs(self.folder)
        room = disk.f_bavail * disk.f_frsize
        with contextlib.suppress(OSError), (self.folder / "others").open("wb", buffering=0) as file:
            for _ in range(0, max(0, room - left), 4096):  # others may be writing, too
                file.write(bytes(4096))

    def protect(self, left: int = 0) -> None:
        """Makes it read-only for whatever is opened from now on; root writes through permissions, not through this."""
        if not self._read_only:
            for _ in range(200):  # others may be about to write
                subprocess.run(["mount", "--bind", self.folder, self.folder], check=True)
                options = ["mount", "-o", "remount,ro,bind", self.folder]
                if subprocess.run(options, capture_output=True).returncode == 0:
                    self._read_only = True
                    return
                subprocess.run(["umount", "-l", self.folder], check=True)
            raise OSError(f"{self.folder} could not be made read-only")

    def free(self) -> None:
        """Ends what the other two did."""
        if self._read_only:
            subprocess.run(["umount", "-l", self.folder], check=True)
            self._read_only = False
        (self.folder / "others").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path):
    """A disk of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a disk: full and read-only disks were NOT tried")
    made = Disk(folder)
    yield made
    made.free()
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def small(photographs, tmp_path_factory):
    """Options of a small training, its images prepared with the first."""
    cache = tmp_path_factory.mktemp("cache")
    return [
        f"--data_dir={photographs}", f"--cache_dir={cache}", "--dataset=folder", "--image_size=32", "--width=0.05",
        "--steps=12", "--batch_size=16", "--evaluations=2",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def whole(small, tmp_path_factory):
    """The finished study of a base that nothing happened to."""
    runs = tmp_path_factory.mktemp("whole")
    assert command([*BASE, *small, f"--runs_dir={runs}"]) == 0
    return runs
