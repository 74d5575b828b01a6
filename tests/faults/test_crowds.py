"""Several processes that want the same at once: it is made once, and all go on."""

import collections
import subprocess
import threading
import time

import pytest
from test_kills_of_parts import files_of, images, sweep_essence  # noqa: F401 (a fixture)

import fault_sizes
import harness
import workloads
from commands import command, essence
from tftransfer.execution import studies
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.records import record_files

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("count", [2, 8])
def test_the_same_store(count, images, tmp_path, tally):  # noqa: F811
    harness.complete("store", images, tmp_path / "whole")
    crowd = [harness.start("store", images, tmp_path / "cache") for _ in range(count)]
    output = [process.communicate(timeout=harness.LONGEST_SECONDS)[0] for process in crowd]
    made = sum("made" in text for text in output)
    survived = made == 1 and not any(process.returncode for process in crowd)
    survived &= files_of(tmp_path / "cache") == files_of(tmp_path / "whole")
    tally.fault("processes that want one store", survived, count)
    assert survived, output


def test_the_same_study(tmp_path, tally):
    """Four sweeps of one study at once."""
    harness.complete("sweep", tmp_path / "whole")
    crowd = [harness.start("sweep", tmp_path / "study") for _ in range(4)]
    output = [process.communicate(timeout=harness.LONGEST_SECONDS)[0] for process in crowd]
    trained = collections.Counter((tmp_path / "study" / "trained.txt").read_text().split())
    survived = not any(process.returncode for process in crowd) and set(trained.values()) == {1}
    survived &= sweep_essence(tmp_path / "study") == sweep_essence(tmp_path / "whole")
    tally.fault("sweeps of one study", survived, len(crowd))
    assert survived, (output, trained)


def test_the_same_base(tmp_path, monkeypatch, tally):
    """Eight calls in threads, whose locks exclude each other as those of processes do."""
    trained, ends = [], []

    def train(self, members):
        trained.extend(member.cell.name for member in members)
        time.sleep(0.3)
        written = []
        for member in members:
            identity = member.cell.identity("f" * 64, None)
            with record_files.replacing(self.root / member.cell.name):
                content = workloads.fake_study.content(member.cell, 0.5, identity=identity)
                written.append(record_files.write(self.root / member.cell.name, content))
        return written

    class Store:
        fingerprint = "f" * 64

    monkeypatch.setattr(studies.Study, "_train", train)
    (cell, *_) = grids.union(
        [grids.Grid("base", targets="B")], Config(), lambda kind, seed: splits.random_split(10, seed)
    )

    def want():
        ends.append(studies.Study(tmp_path, Store(), say=str).ensure(cell).record.key)

    crowd = [threading.Thread(target=want) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(60)
    survived = trained == [cell.name] and len(ends) == 8 and len(set(ends)) == 1
    tally.fault("calls that want one base", survived, 8)
    assert survived, (trained, ends)


@pytest.mark.skipif(not fault_sizes.FULL, reason="two real trainings at once: --full")
def test_two_real_runs_that_want_the_same_base(small, whole, tmp_path, tally):
    from test_kills import start

    options = [*small, f"--runs_dir={tmp_path}/runs", "--treatment=BnB"]
    crowd = [start([*options, f"--n={n}"]) for n in (1, 2)]
    output = [process.communicate(timeout=harness.LONGEST_SECONDS) for process in crowd]
    results = essence(tmp_path / "runs")
    survived = not any(process.returncode for process in crowd) and len(results) == 3
    ((name, base),) = essence(whole).items()
    survived &= results[name] == base
    survived &= sum("baseB: training on" in out for out, _ in output) == 1
    tally.fault("real runs that want one base", survived, 2)
    assert survived, output
    assert command([*options, "--n=2"]) == 0


def test_one_study_through_two_mount_points(disk, tmp_path, tally):
    """As two machines see one network file system: names differ, files and their locks do not."""
    harness.complete("sweep", tmp_path / "whole")
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["mount", "--bind", disk.folder, other], check=True)
    try:
        crowd = [harness.start("sweep", folder / "study") for folder in (disk.folder, other)]
        output = [process.communicate(timeout=harness.LONGEST_SECONDS)[0] for process in crowd]
        trained = collections.Counter((other / "study" / "trained.txt").read_text().split())
        survived = not any(process.returncode for process in crowd) and set(trained.values()) == {1}
        survived &= sweep_essence(other / "study") == sweep_essence(tmp_path / "whole")
    finally:
        subprocess.run(["umount", "-l", other], check=True)
    tally.fault("sweeps of one study through two mount points", survived, len(crowd))
    assert survived, (output, trained)
