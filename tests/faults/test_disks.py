"""Disks that are full or become read-only at each kind of write: one clear line, nothing half-written counts."""

import logging
import pathlib

import numpy as np
import pytest
from test_kills_of_parts import files_of, images, sweep_essence  # noqa: F401 (a fixture)

import fake_study
import harness
import workloads
from commands import BASE, command, essence, messages
from tftransfer import report
from tftransfer.data import manifest, preparation
from tftransfer.data.datasets import open_dataset
from tftransfer.data.store import StoreError, prepare
from tftransfer.experiment.config import Config
from tftransfer.records import event_files, record_files
from tftransfer.scheduling import scheduler, speeds
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.training import diagnostics, weights
from tftransfer.training.checkpoints import Checkpoints

pytestmark = pytest.mark.faults
KINDS = {"full": "fill", "read-only": "protect"}
MESSAGES = {"full": "No space left on device", "read-only": "Read-only file system"}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


def before_first(monkeypatch, disk, kind, owner, name):
    """Lets the fault happen just before the first call of a function."""
    original, happened = getattr(owner, name), []

    def changed(*arguments, **options):
        if not happened:
            happened.append(True)
            getattr(disk, KINDS[kind])()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, changed)
    return happened


WRITES = {
    "weights": (weights, "save"),
    "diagnostics": (diagnostics, "save"),
    "record": (record_files, "write"),
    "TensorBoard events": (event_files.EventFile, "scalars"),
    "first TensorBoard file": (event_files, "write_experiment"),
}


@pytest.mark.parametrize("what", WRITES)
def test_of_a_training(what, kind, disk, small, whole, monkeypatch, capsys, tally):
    if (what, kind) == ("TensorBoard events", "read-only"):
        pytest.skip("a file that is open stays writable")
    options = [*BASE, *small, f"--runs_dir={disk.folder}/runs"]
    happened = before_first(monkeypatch, disk, kind, *WRITES[what])
    code = command(options)
    output = messages(capsys.readouterr().err)
    monkeypatch.undo()
    half_written = [str(path) for path in disk.folder.glob(f"runs/*/*/{record_files.RECORD}")]
    disk.free()
    again = command(options)
    survived = bool(happened) and code == 2 and again == 0 and not half_written
    survived &= len(output) == 1 and MESSAGES[kind] in output[0] and essence(disk.folder / "runs") == essence(whole)
    tally.fault(f"{kind} disk: {what}", survived)
    assert survived, (code, output, half_written, again)


def test_of_checkpoints(kind, disk, tally):
    output = []
    checkpoints = Checkpoints(disk.folder / "checkpoints", say=output.append, minutes=0)
    checkpoints.restore({"a": 1})
    assert checkpoints.save(1, {"x": np.zeros(100_000)}, {"n": 1})
    getattr(disk, KINDS[kind])()
    written = [checkpoints.save(step, {"x": np.ones(100_000)}, {"n": step}) for step in (2, 3)]
    disk.free()
    last = Checkpoints(disk.folder / "checkpoints", say=output.append).restore({"a": 1})
    survived = written == [False, False] and last.step == 1 and len(output) == 2 and MESSAGES[kind] in output[0]
    tally.fault(f"{kind} disk: checkpoint", survived)
    assert survived, (written, output)
    assert checkpoints.save(4, {"x": np.ones(100_000)}, {"n": 4}), "there is room again"


@pytest.mark.parametrize("what", ["shard", "manifest", "lock"])
def test_of_a_store(what, kind, disk, images, tmp_path, monkeypatch, tally):  # noqa: F811
    source = open_dataset("folder", str(images))
    harness.complete("store", images, tmp_path / "whole")
    cache = disk.folder / "cache"
    cache.mkdir()
    if what == "lock":
        getattr(disk, KINDS[kind])()
    elif what == "shard":  # written by processes of their own
        before_first(monkeypatch, disk, kind, preparation, "Workers")
    else:
        before_first(monkeypatch, disk, kind, manifest.Manifest, "write")
    with pytest.raises(StoreError) as refused:
        prepare(source, str(cache), workloads.STORE_SIZE, workers=2)
    assert not list(cache.glob("*/store.json"))
    monkeypatch.undo()
    disk.free()
    harness.complete("store", images, cache)
    text = str(refused.value)
    survived = MESSAGES[kind] in text and "--cache_dir" in text and files_of(cache) == files_of(tmp_path / "whole")
    tally.fault(f"{kind} disk: store's {what}", survived)
    assert survived, text


def test_of_the_sweep_folder(kind, disk, tmp_path, capsys, tally):
    study = disk.folder / "study"
    study.mkdir()

    class Runner:
        free = 1

        def start(self, job, again):
            getattr(disk, KINDS[kind])()
            SweepFolder(study).write_failure(job.cells[0], "why")

        def finished(self):
            return []

        def stop(self):
            pass

    def sweep(_):
        scheduler.Scheduler(workloads.cells(), study, Runner(), say=lambda line: None).run()

    code = command([], sweep, "sweep")
    output = capsys.readouterr().err.strip().splitlines()
    disk.free()
    harness.complete("sweep", study)
    harness.complete("sweep", tmp_path / "whole")
    survived = code == 2 and len(output) == 1 and MESSAGES[kind] in output[0]
    survived &= sweep_essence(study) == sweep_essence(tmp_path / "whole")
    tally.fault(f"{kind} disk: sweep's folder", survived)
    assert survived, (code, output)


def test_of_a_sweeps_processes(kind, disk, tmp_path, tally):
    """The same command completes the study: a disk is no failure of a network."""
    harness.complete("sweep", tmp_path / "whole")
    study = disk.folder / "study"
    process = harness.start("sweep", study)
    harness.wait_for(lambda: list(study.glob(f"*/{record_files.RECORD}")))
    getattr(disk, KINDS[kind])()
    output, _ = process.communicate(timeout=harness.LONGEST_SECONDS)
    disk.free()
    refused = process.returncode != 0
    last = harness.complete("sweep", study)
    survived = refused and sweep_essence(study) == sweep_essence(tmp_path / "whole")
    tally.fault(f"{kind} disk: during a sweep", survived)
    assert survived, (output, last)


def test_of_speeds(kind, disk, caplog, tally):
    options = Config(cache_dir=str(disk.folder))
    speeds.remember(options, "base", 0.25)
    getattr(disk, KINDS[kind])()
    with caplog.at_level(logging.WARNING):
        speeds.remember(options, "base", 0.5)
    before = speeds.known(options).seconds_per_step["base"]
    disk.free()
    speeds.remember(options, "base", 0.5)
    survived = (
        before == 0.25 and MESSAGES[kind] in caplog.text and speeds.known(options).seconds_per_step["base"] == 0.5
    )
    tally.fault(f"{kind} disk: speeds.json", survived)
    assert survived, caplog.text


def test_of_a_report(kind, disk, tmp_path, capsys, tally):
    study = tmp_path / "study"
    for label, top1, options in (("base", 0.6, {"target": "B"}), ("A1B", 0.5, {}), ("B1B", 0.55, {})):
        fake_study.write(study, label, top1, **options)
    out = disk.folder / "report"
    options = [f"--study={study}", "--format=md,csv", f"--out={out}"]
    getattr(disk, KINDS[kind])()
    code = command(options, report.main, "report")
    output = capsys.readouterr().err.strip().splitlines()
    left = [path for path in out.rglob("*") if path.is_file()] if out.exists() else []
    disk.free()
    again = command(options, report.main, "report")
    survived = code == 2 and len(output) == 1 and MESSAGES[kind] in output[0] and not left and again == 0
    tally.fault(f"{kind} disk: report", survived)
    assert survived, (code, output, left, again)
    assert pathlib.Path(out, "report.md").stat().st_size
