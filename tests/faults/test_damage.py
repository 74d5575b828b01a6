"""Files of a finished study and its store, cut off and with flipped bits: recognised, or harmless and said to be."""

import json
import os
import pathlib
import random
import shutil

import numpy as np
import pytest
from test_kills_of_parts import files_of, images  # noqa: F401 (a fixture)

import fault_sizes
import harness
import tftransfer
import workloads
from commands import BASE, command, essence
from tftransfer import report
from tftransfer.analysis import diagnostics
from tftransfer.data.datasets import open_dataset
from tftransfer.data.store import find, prepare
from tftransfer.experiment import prepared_images
from tftransfer.records import record_files
from tftransfer.scheduling import study_status
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.training.checkpoints import Checkpoints

pytestmark = pytest.mark.faults
FLIPS = fault_sizes.pick(10, 60)


def damages(whole: bytes, rng, flips=FLIPS):
    """Yields kinds of damage and the damaged contents: empty, truncated, one bit flipped anywhere."""
    yield "empty", b""
    for fraction in (0.1, 0.5, 0.99):
        yield "truncated", whole[: int(len(whole) * fraction)]
    yield "truncated", whole[:-1]
    for _ in range(flips):
        at = rng.randrange(len(whole))
        yield "bit flipped", whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :]


@pytest.fixture
def network(whole, tmp_path):
    """A copy of the finished base's folder."""
    (folder,) = (path.parent for path in whole.glob(f"*/*/{record_files.RECORD}"))
    shutil.copytree(folder.parent, tmp_path / "study")
    return tmp_path / "study" / folder.name


def refuses(action, message):
    """Whether an action raises a ValueError with a message."""
    try:
        action()
    except ValueError as error:
        return message in str(error)
    return False


def test_records(network, tally):
    path, rng = network / record_files.RECORD, random.Random(0)
    whole = path.read_bytes()
    content = record_files.read(network).content
    for kind, changed in damages(whole, rng, 20 * FLIPS):
        path.write_bytes(changed)
        survived = refuses(lambda: record_files.read(network), "Move its folder away to train it again")
        if not survived:  # a space that became another one, or a newline at the end
            survived = json.loads(changed) == json.loads(whole) and record_files.read(network).content == content
        tally.fault(f"record {kind}", survived)
        assert survived, changed


def test_a_damaged_record_stops_the_command(network, small, whole, capsys, tally):
    runs = network.parent.parent / "runs"
    shutil.copytree(whole, runs)
    (path,) = runs.glob(f"*/*/{record_files.RECORD}")
    text = path.read_text()
    digit = text.index('"top1": 0.') + len('"top1": 0.')
    path.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    code = command([*BASE, *small, f"--runs_dir={runs}"])
    output = capsys.readouterr().err.strip().splitlines()
    shutil.rmtree(path.parent)
    again = command([*BASE, *small, f"--runs_dir={runs}"])
    survived = code == 2 and len(output) == 1 and "changed or damaged" in output[0]
    survived &= again == 0 and essence(runs) == essence(whole)
    tally.fault("score changed in a record", survived)
    assert survived, (code, output)


def test_weights(network, tally):
    path, rng = network / record_files.WEIGHTS, random.Random(1)
    whole = path.read_bytes()
    assert tftransfer.load(network)
    for kind, changed in damages(whole, rng, 3 * FLIPS):
        path.write_bytes(changed)
        survived = refuses(lambda: tftransfer.load(network), "are not those of its record")
        tally.fault(f"weights {kind}", survived)
        assert survived
    path.unlink()
    assert refuses(lambda: tftransfer.load(network), "not kept")


def test_weights_without_the_digest_of_their_file(network, tally):
    """As records of format 1 have it: every array is compared."""
    content = json.loads((network / record_files.RECORD).read_text())
    del content["weights"]["file_sha256"]
    record_files.write(network, {name: value for name, value in content.items() if name != "sha256"})
    path, rng = network / record_files.WEIGHTS, random.Random(2)
    whole, expected = path.read_bytes(), tftransfer.load(network).get_weights()
    for kind, changed in damages(whole, rng):
        path.write_bytes(changed)
        survived = refuses(lambda: tftransfer.load(network), "are not those of its record")
        if not survived:  # a bit of the file that is no weight
            survived = all(map(np.array_equal, tftransfer.load(network).get_weights(), expected))
        tally.fault(f"weights {kind}, old record", survived)
        assert survived


def test_bases_with_damaged_weights_are_trained_again(small, whole, tmp_path, tally):
    shutil.copytree(whole, tmp_path / "runs")
    options = ["--treatment=BnB", "--n=1", *small, f"--runs_dir={tmp_path}/runs"]
    (path,) = (tmp_path / "runs").glob(f"*/*/{record_files.WEIGHTS}")
    content = path.read_bytes()
    path.write_bytes(content[:3000] + bytes([content[3000] ^ 1]) + content[3001:])
    code = command(options)
    ((name, base),) = essence(whole).items()
    survived = code == 0 and essence(tmp_path / "runs")[name] == base and path.read_bytes()[3000] == content[3000]
    tally.fault("base with damaged weights", survived)
    assert survived


def test_diagnostics(network, tally):
    path, rng = network / "diagnostics.npz", random.Random(3)
    record = record_files.read(network)
    assert diagnostics.read(record)
    for kind, changed in damages(path.read_bytes(), rng):
        path.write_bytes(changed)
        survived = refuses(lambda: diagnostics.read(record), "diagnostics")
        tally.fault(f"diagnostics {kind}", survived)
        assert survived


def test_architectures(small, tmp_path, tally, monkeypatch):
    monkeypatch.syspath_prepend(pathlib.Path(__file__).parents[1] / "support")
    options = [word for word in small if not word.startswith("--width")]
    assert command([*BASE, *options, f"--runs_dir={tmp_path}/runs", "--model=small_models:chain"]) == 0
    (path,) = (tmp_path / "runs").glob(f"*/*/{record_files.ARCHITECTURE}")
    assert tftransfer.load(path.parent)
    whole, rng = path.read_bytes(), random.Random(4)
    relu = whole.replace(b'"relu"', b'"selu"')
    assert relu != whole
    for kind, changed in [*damages(whole, rng), ("changed", relu)]:
        path.write_bytes(changed)
        survived = refuses(lambda: tftransfer.load(path.parent), "is not the one of its record")
        tally.fault(f"model.json {kind}", survived)
        assert survived


def test_events_are_a_view(network, small, whole, tally, tmp_path, capsys):
    """TensorBoard shows what is left of them; results never come from them."""
    assert command([f"--study={network.parent}", "--format=csv", f"--out={tmp_path}/a"], report.main, "report") == 0
    expected, rng = (tmp_path / "a" / "networks.csv").read_text(), random.Random(5)
    for path in [*network.parent.glob("events*"), *network.glob("events*")]:
        for kind, changed in damages(path.read_bytes(), rng, 1):
            path.write_bytes(changed)
            record_files.read(network)
            tally.fault(f"TensorBoard events {kind} (harmless)", True)
    assert command([f"--study={network.parent}", "--format=csv", f"--out={tmp_path}/b"], report.main, "report") == 0
    assert (tmp_path / "b" / "networks.csv").read_text() == expected


def test_files_of_a_sweep(tmp_path, tally):
    study, rng = tmp_path / "study", random.Random(6)
    harness.complete("sweep", study)
    sweep_folder, cells = SweepFolder(study), workloads.cells()
    sweep_folder.write_failure(cells[-1], "why")
    (sweep_folder.jobs / "job.json").write_text("{}")
    heartbeat = {"networks": {cells[-1].name: 0.5}, "step": 1, "steps": 2, "images_per_second": 1.0, "time": 1e9}
    (sweep_folder.jobs / "job.heartbeat.json").write_text(json.dumps(heartbeat | {"started": 1e9, "where": "here 1"}))
    for path in [path for path in sweep_folder.folder.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for kind, changed in damages(whole, rng) if whole else ():
            path.write_bytes(changed)
            survived = study_status.look(study).count("done") == len(cells) and sweep_folder.failure(cells[-1]) in (
                None,
                "why",
            )
            survived |= b'"reason"' in changed  # the reason itself: shown, and no result
            tally.fault(f"sweep's folder {kind}", survived)
            assert survived, (path, changed)
        path.write_bytes(whole)
    shutil.rmtree(sweep_folder.folder)
    harness.complete("sweep", study)
    assert study_status.look(study).count("done") == len(cells)


def test_checkpoints(tmp_path, tally):
    rng, output = random.Random(7), []
    first = Checkpoints(tmp_path, say=output.append)
    first.restore({"a": 1})
    for step in (1, 2):
        first.save(step, {"x": np.arange(100.0) + step}, {"n": step})
    older, newer = sorted(tmp_path.glob("*.npz"))
    whole = newer.read_bytes()
    for kind, changed in damages(whole, rng, 5 * FLIPS):
        newer.write_bytes(changed)
        snapshot = Checkpoints(tmp_path, say=output.append).restore({"a": 1})
        survived = snapshot.step == 1 and not newer.exists() and "damaged" in output[-2]
        tally.fault(f"newest checkpoint {kind}", survived)
        assert survived
    assert older.exists()


def test_stores(images, tmp_path, tally):  # noqa: F811
    """Made again, byte for byte, where the command prepares them; shards that stay whole are kept."""
    harness.complete("store", images, tmp_path / "cache")
    source, expected, rng = open_dataset("folder", str(images)), files_of(tmp_path / "cache"), random.Random(8)
    store = find(source, str(tmp_path / "cache"), workloads.STORE_SIZE)
    assert prepared_images.dataset_bytes(source, workloads.STORE_SIZE) < prepared_images.VERIFIED_BYTES
    for name in expected:
        path = pathlib.Path(store.path, name)
        whole = path.read_bytes()
        for kind, changed in list(damages(whole, rng, fault_sizes.pick(1, 6)))[0 if fault_sizes.FULL else 3 :]:
            path.write_bytes(changed)
            os.utime(path, ns=(1, 1))  # as if the disk itself had done it
            made = []
            again = prepare(
                source, str(tmp_path / "cache"), workloads.STORE_SIZE, workers=1, verify=True,
                progress=lambda *_, made=made: made.append(True),
            )  # fmt: skip
            survived = (
                files_of(tmp_path / "cache") == expected and again.fingerprint == store.fingerprint and bool(made)
            )
            tally.fault(f"store's file {kind}", survived)
            assert survived, (name, kind)
