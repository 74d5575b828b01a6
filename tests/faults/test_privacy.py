"""What leaves the machine with a study, records and events, names no folder of its user."""

import pathlib
import shutil
import socket

import pytest

from commands import BASE, command
from tftransfer.data.datasets import describe_classes

pytestmark = pytest.mark.faults
USER = "alice-s3cret"


def test_records_and_events_name_no_folder(photographs, tmp_path, monkeypatch, tally):
    home = tmp_path / "home" / USER
    shutil.copytree(photographs, home / "images")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET_TOKEN", USER)
    names = describe_classes("folder", str(home / "images"))[0]
    (home / "split.json").write_text(f'{{"A": {list(names[:3])}, "B": {list(names[3:])}}}'.replace("'", '"'))
    options = [
        *BASE, f"--data_dir={home}/images", f"--cache_dir={home}/cache", f"--runs_dir={home}/runs", "--dataset=folder",
        "--split=file", f"--split_file={home}/split.json", "--image_size=32", "--width=0.05", "--steps=4",
        "--batch_size=16", "--evaluations=1",
    ]  # fmt: skip
    assert command(options) == 0
    seen = [path for path in pathlib.Path(home, "runs").rglob("*") if path.is_file()]
    telling = [str(path.name) for path in seen if USER.encode() in path.read_bytes() or USER in path.name]
    records_and_events = [path for path in seen if path.name.startswith(("record", "events"))]
    hosts = [path.name for path in records_and_events if socket.gethostname().encode() in path.read_bytes()]
    tally.fault("folders of the user in what is kept", not telling, len(seen))
    assert not telling
    assert not hosts
    assert len(records_and_events) == 3
