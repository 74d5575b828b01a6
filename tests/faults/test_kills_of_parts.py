"""Kills at moments drawn at random of what needs no TensorFlow: preparing, records, checkpoints, speeds, a sweep."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess

import pytest
from PIL import Image

import fault_sizes
import harness
import workloads
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.scheduling import speeds, study_status

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images for five shards."""
    root = tmp_path_factory.mktemp("images")
    for index in range(1200):
        path = root / ("val" if index % 6 == 5 else "train") / f"class{index // 6 % 3}" / f"{index}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), (index % 256, index // 5, 99)).save(path)
    return root


def files_of(cache):
    """Returns the SHA-256 of every file of a finished store."""
    (path,) = (manifest.parent for manifest in cache.glob("*/store.json"))
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_preparing(images, tmp_path, tally):
    expected = harness.complete("store", images, tmp_path / "whole")
    rng, kills, began = random.Random(1), fault_sizes.pick(6, 30), 0
    cache, done = tmp_path / "killed0", 0
    while done < kills:
        process = harness.start("store", images, cache)
        if harness.kill(process, rng.uniform(0, 0.8 + began / 5), whole_group=done % 2 == 0):
            done, began = done + 1, began + 1
        else:  # it was quicker: a new one
            assert files_of(cache) == files_of(tmp_path / "whole")
            cache, began = tmp_path / f"killed{done}", 0
    output = harness.complete("store", images, cache)
    survived = output.split()[-1] == expected.split()[-1] and files_of(cache) == files_of(tmp_path / "whole")
    tally.fault("SIGKILL while a store is prepared", survived, done)
    assert survived


def test_writing_and_replacing_records(tmp_path, tally):
    rng, kills, generations = random.Random(2), fault_sizes.pick(6, 30), []
    for number in range(kills):
        process = harness.start("records", tmp_path)
        if number == 0:
            harness.wait_for(
                lambda: all((tmp_path / name / record_files.RECORD).exists() for name in workloads.NETWORKS)
            )
        assert harness.kill(process, rng.uniform(0, 0.4))
        for name in workloads.NETWORKS:
            record_files.restore(tmp_path / name)
            record = record_files.read(tmp_path / name)
            survived = record is not None
            if survived:
                generation = round((record.result["top1"] - 0.5) * 1e6)
                survived = record.weights_file.read_bytes() == workloads.weights_of(name, generation)
                generations.append(generation)
            tally.fault("SIGKILL while records are replaced", survived, int(name == workloads.NETWORKS[0]))
            assert survived, (number, name)
    assert any(generations), "no network was replaced: it was not tested"
    assert {record.name for record in record_files.read_study(tmp_path)} == set(workloads.NETWORKS)


def test_checkpointing(tmp_path, tally):
    harness.complete("checkpoints", tmp_path / "whole", tmp_path / "wanted")
    rng, kills, done, number = random.Random(3), fault_sizes.pick(5, 20), 0, 0
    while done < kills:
        folder, result = tmp_path / f"c{number}" / "folder", tmp_path / f"c{number}" / "result"
        process = harness.start("checkpoints", folder, result)
        if harness.kill(process, rng.uniform(0.05, 1.0)):
            done += 1
        if result.exists():
            assert result.read_text() == (tmp_path / "wanted").read_text()
            number += 1
    harness.complete("checkpoints", folder, result)
    survived = result.read_text() == (tmp_path / "wanted").read_text() and not folder.exists()
    tally.fault("SIGKILL while checkpoints are written", survived, done)
    assert survived


def test_keeping_speeds(tmp_path, tally):
    rng, kills = random.Random(4), fault_sizes.pick(3, 10)
    for number in range(kills):
        process = harness.start("speeds", tmp_path)
        harness.wait_for(lambda: (tmp_path / speeds.FILE).exists())
        assert harness.kill(process, rng.uniform(0, 0.3))
        json.loads((tmp_path / speeds.FILE).read_text())
        survived = speeds.known(Config(cache_dir=str(tmp_path))) is not None
        tally.fault("SIGKILL while speeds are kept", survived)
        assert survived, number


def sweep_essence(study):
    return {
        record.name: (record.key, record.weights_digest, dict(record.result))
        for record in record_files.read_study(study)
    }


def workers_of(study):
    """Returns the ids of the workers of a sweep of this study."""
    processes = []
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                line = pathlib.Path(entry.path, "cmdline").read_bytes().decode(errors="replace")
                processes += [int(entry.name)] if str(study) in line and "\0worker\0" in line else []
    return processes


@pytest.mark.parametrize("whom", ["sweep", "worker", "all"])
def test_sweeping(whom, tmp_path, tally):
    harness.complete("sweep", tmp_path / "whole")
    rng, kills, done, number = random.Random(5), fault_sizes.pick(2, 8), 0, 0
    while done < kills:
        study = tmp_path / f"study{number}"
        process = harness.start("sweep", study)
        if whom == "worker":
            workers = workers_of(study) if harness.wait_for(lambda at=study: workers_of(at), 20) else []
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(workers[0], signal.SIGKILL)
                done += 1
            process.communicate(timeout=harness.LONGEST_SECONDS)
        elif harness.kill(process, rng.uniform(0.1, 3), whole_group=whom == "all"):
            done += 1
            study_status.look(study)
        if process.returncode == 0:
            assert sweep_essence(study) == sweep_essence(tmp_path / "whole")
            number += 1
    output = harness.complete("sweep", study)
    survived = sweep_essence(study) == sweep_essence(tmp_path / "whole")
    kind = {"sweep": "SIGKILL of a sweep", "worker": "SIGKILL of a sweep's process", "all": "SIGKILL of both"}[whom]
    tally.fault(kind, survived, done)
    assert survived, output
    assert study_status.look(study).count("done") == len(workloads.cells())


@pytest.fixture
def slow_workers(monkeypatch):
    """Processes that take their time before they look at anything, as one that loads TensorFlow does."""
    monkeypatch.setenv("TFTRANSFER_SLOW_START", "2")


def test_a_sweep_that_is_killed_while_its_processes_load(tmp_path, slow_workers, tally):
    for number in range(fault_sizes.pick(1, 4)):
        study = tmp_path / f"study{number}"
        process = harness.start("sweep", study)
        assert harness.wait_for(lambda study=study: workers_of(study))
        assert harness.kill(process, 0)
        gone = harness.wait_for(lambda study=study: not workers_of(study), 30)
        survived = gone and not (study / "trained.txt").exists()
        tally.fault("SIGKILL of a sweep while its processes load", survived)
        assert survived, "an orphan trains"


def test_a_sweep_that_is_stopped_for_a_while(tmp_path, tally):
    """Its processes go on and it takes what they did."""
    harness.complete("sweep", tmp_path / "whole")
    study = tmp_path / "study"
    process = harness.start("sweep", study)
    harness.wait_for(lambda: list(study.glob(f"*/{record_files.RECORD}")))
    process.send_signal(signal.SIGSTOP)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=harness.LONGEST_SECONDS)
    survived = process.returncode == 0 and sweep_essence(study) == sweep_essence(tmp_path / "whole")
    tally.fault("SIGSTOP and SIGCONT of a sweep", survived)
    assert survived, output
