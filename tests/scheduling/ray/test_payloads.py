import hashlib

import pytest

import fake_study
from tftransfer.records import record_files
from tftransfer.scheduling.ray import payloads


def finished(folder, name="x", weights=b"weights"):
    folder.mkdir(parents=True)
    (folder / record_files.WEIGHTS).write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    content = fake_study.content(fake_study.cell("base", target="B"), 0.5, name=name)
    record_files.write(folder, content | {"weights": {"kept": True, "sha256": "0", "file_sha256": digest}})
    return folder


def test_a_payload_holds_all_files_of_a_finished_network(tmp_path):
    folder = finished(tmp_path / "there" / "x")
    (folder / ".partial-1.weights.h5").touch()
    (folder / "checkpoint").mkdir()
    payload = payloads.pack(folder)
    assert set(payload) == {record_files.RECORD, record_files.WEIGHTS}
    payloads.deliver(payload, tmp_path, "x")
    assert payloads.pack(tmp_path / "x") == payload
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_network_that_is_not_finished_has_no_payload(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / record_files.WEIGHTS).touch()
    assert payloads.pack(tmp_path / "x") == {}


def test_a_delivery_replaces_what_was_there_and_what_a_killed_sweep_left(tmp_path):
    finished(tmp_path / "x", weights=b"old")
    (tmp_path / ".arriving-x").mkdir()
    (tmp_path / ".arriving-x" / "half").touch()
    new = payloads.pack(finished(tmp_path / "there" / "x", weights=b"new"))
    payloads.deliver(new, tmp_path, "x")
    assert payloads.pack(tmp_path / "x") == new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "x"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", ".hidden", ".."])
def test_nothing_is_written_outside_the_network(tmp_path, name):
    before = payloads.pack(finished(tmp_path / "study" / "x"))
    with pytest.raises(ValueError, match="plain names"):
        payloads.deliver(before | {name: b"evil"}, tmp_path / "study", "x")
    assert payloads.pack(tmp_path / "study" / "x") == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["record.json", "study", "weights.weights.h5", "x"]


def test_the_record_must_be_that_of_the_network(tmp_path):
    before = payloads.pack(finished(tmp_path / "x"))
    other = payloads.pack(finished(tmp_path / "there" / "y", name="y"))
    for payload in (other, {record_files.WEIGHTS: b""}, {record_files.RECORD: b"{"}):
        with pytest.raises(ValueError, match=r"Expected the record of x|damaged"):
            payloads.deliver(payload, tmp_path, "x")
    assert payloads.pack(tmp_path / "x") == before
