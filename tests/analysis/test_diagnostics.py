import hashlib
import io
import os
import zipfile

import numpy as np
import pytest

import fake_study
from tftransfer.analysis import diagnostics
from tftransfer.records import record_files


def written(folder, content):
    """Returns a record with a diagnostics whose SHA-256 is right."""
    told = {"file": "diagnostics.npz", "sha256": hashlib.sha256(content).hexdigest()}
    whole = fake_study.content(fake_study.cell("A1B"), 0.5, name="x", diagnostics=told)
    record = record_files.write(folder / "x", whole)
    (record.folder / "diagnostics.npz").write_bytes(content)
    return record


def archive(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def test_what_was_kept_is_read(tmp_path):
    found = diagnostics.read(written(tmp_path, archive(images=np.array(24), other=np.zeros(3))))
    assert found.keys() == {"images"}


def test_bombs_and_huge_shapes_are_refused(tmp_path):
    bomb = archive(np.savez_compressed, filters=np.zeros(60_000_000, np.uint8))
    assert len(bomb) < 10**6
    with pytest.raises(ValueError, match="unpacks to more than 50,000,000 bytes"):
        diagnostics.read(written(tmp_path, bomb))
    header, buffer = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("filters.npy", header.getvalue())
    with pytest.raises(ValueError, match="is damaged"):
        diagnostics.read(written(tmp_path, buffer.getvalue()))


def test_pipes_links_and_endless_files_are_refused(tmp_path):
    record = written(tmp_path, archive(images=np.array(24)))
    path = record.folder / "diagnostics.npz"
    os.rename(path, tmp_path / "outside")
    for make in (os.mkfifo, lambda at: at.symlink_to("/dev/zero"), lambda at: at.symlink_to(tmp_path / "outside")):
        make(path)
        with pytest.raises(ValueError, match=r"The diagnostics file of x cannot be read: it is (a link|no regular)"):
            diagnostics.read(record)
        path.unlink()
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="are read at most"):
        diagnostics.read(record)
