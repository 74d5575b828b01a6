"""A job on a node, with a stand-in for the process that trains."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types

import pytest

from tftransfer.data import datasets, store
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.scheduling.jobs import Job
from tftransfer.scheduling.ray import node
from tftransfer.system import processes

ROOT = pathlib.Path(__file__).parents[3]
TRAINER = """
import json, pathlib, sys, time
path = pathlib.Path(sys.argv[1])
request = json.loads(path.read_text())
study = pathlib.Path(request["study"])
heartbeat = {"networks": {}, "step": 1, "steps": 2, "images_per_second": 5.0, "started": 0, "where": "x"}
heartbeat["time"] = time.time()
path.with_name(path.stem + ".heartbeat.json").write_text(json.dumps(heartbeat))
time.sleep(1.5)
MORE
for cell in request["cells"]:
    folder = study / "random0-baseB-seed0"
    folder.mkdir(exist_ok=True)
    others = ",".join(p.name for p in sorted(study.iterdir()) if p != folder)
    (folder / "record.json").write_text("record after " + others)
end = {"status": "ok", "message": "", "elsewhere": [], "lost": []}
path.with_name(path.stem + ".end.json").write_text(json.dumps(end))
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return store.prepare(datasets.open_dataset("motifs", None), str(tmp_path_factory.mktemp("cache")), 32)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The node's folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def a_store(**fields):
    """Returns what a node is told of prepared images."""
    made = types.SimpleNamespace(**fields)
    made.stores = (made,)
    return made


def job(**options):
    config = Config(**options)
    return Job(tuple(grids.union([Grid("base", targets="B")], config, lambda *_: splits.random_split(40, 0))[:1]))


def stand_in(monkeypatch, extra_code=""):
    script = TRAINER.replace("MORE", extra_code)
    monkeypatch.setattr(processes, "words", lambda module, *rest: [sys.executable, "-c", script, *rest])


def request(prepared, **changes):
    return node.request_for(job(), "study", prepared, frozenset(), os.cpu_count()) | changes


def test_a_job_tells_how_far_it_is_then_its_end_then_its_networks(prepared, scratch, monkeypatch):
    stand_in(monkeypatch)
    base = {"record.json": b"{}", "weights.weights.h5": b"1"}
    items = list(node.train(request(prepared), {"random0-baseA-seed0": base, "nothing": {}}))
    assert list(items[0]) == ["where"]
    assert items[1]["heartbeat"]["steps"] == 2
    assert items[-2] == {
        "end": {"status": "ok", "message": "", "elsewhere": (), "lost": ()},
        "networks": ["random0-baseB-seed0"],
        "log": "",
        "experiment": {},
    }
    assert items[-1]["record.json"] == b"record after .sweep,random0-baseA-seed0"
    assert list(scratch.iterdir()) == []


def test_what_the_sweep_has_already_is_not_sent_back(prepared, scratch, monkeypatch):
    stand_in(monkeypatch)
    known = {"random0-baseB-seed0": {"record.json": b"record after .sweep"}}
    assert list(node.train(request(prepared), known))[-1]["networks"] == []


def test_a_process_that_fails_or_dies_says_why(prepared, scratch, monkeypatch):
    stand_in(monkeypatch, "raise SystemExit('no such thing')")
    failed = list(node.train(request(prepared), {}))[-1]
    assert failed["end"]["status"] == "failed"
    assert "no such thing" in failed["end"]["message"]
    assert "no such thing" in failed["log"]
    stand_in(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    killed = list(node.train(request(prepared), {}))[-1]
    assert killed["end"]["status"] == "crashed"
    assert list(scratch.iterdir()) == []


def test_a_job_that_is_given_up_takes_its_process_and_folder_along(prepared, scratch, monkeypatch):
    stand_in(monkeypatch, "print('still here', flush=True); time.sleep(600)")
    running = node.train(request(prepared), {})
    assert "where" in next(running)
    assert "heartbeat" in next(running)
    assert [child for child in node_children() if "still here" in child]
    assert list(scratch.iterdir())
    running.close()
    assert not [child for child in node_children() if "still here" in child]
    assert list(scratch.iterdir()) == []


def node_children():
    """Returns the command lines of this process's children."""
    import psutil

    return [" ".join(child.cmdline()) for child in psutil.Process().children()]


def test_a_node_without_the_images_prepares_them_from_their_source(prepared, scratch, monkeypatch, tmp_path):
    here = a_store(path="/gone", identity=prepared.identity, fingerprint=prepared.fingerprint)
    asked = request(here, options=job(cache_dir=str(tmp_path / "own")).cells[0].as_json()["config"])
    (folder,) = node._find_stores(asked, scratch)
    assert store.Store.open(folder).fingerprint == prepared.fingerprint
    assert pathlib.Path(folder).parent == tmp_path / "own"


def test_a_node_that_sees_neither_images_nor_source_says_what_to_do(prepared, scratch, tmp_path):
    here = a_store(path="/gone", identity=prepared.identity, fingerprint=prepared.fingerprint)
    options = {"dataset": "folder", "data_dir": "/nowhere", "cache_dir": str(tmp_path)}
    asked = request(here, options=job(**options).cells[0].as_json()["config"])
    items = list(node.train(asked, {}))
    assert len(items) == 2
    assert "does not see the prepared images /gone" in items[1]["unusable"]
    assert "/nowhere" in items[1]["unusable"]
    assert "--cache_dir=FOLDER" in items[1]["unusable"]


def test_other_images_under_the_same_path_are_not_used(prepared, scratch):
    changed = a_store(path=prepared.path, identity=prepared.identity, fingerprint="0" * 64)
    asked = request(changed, options=job(dataset="cifar10").cells[0].as_json()["config"])
    assert "other images are there" in list(node.train(asked, {}))[1]["unusable"]


def test_a_node_needs_the_same_version(prepared, scratch):
    items = list(node.train(request(prepared, version="0.0.0"), {}))
    assert "the sweep has 0.0.0" in items[1]["unusable"]


@pytest.mark.faults
def test_the_scratch_folder_goes_even_if_the_task_is_killed(scratch):
    code = "from tftransfer.scheduling.ray import node\nwith node._scratch() as f: print(f, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    folder = pathlib.Path(process.stdout.readline().strip())
    assert folder.is_dir()
    assert folder.parent == scratch
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not folder.exists()
