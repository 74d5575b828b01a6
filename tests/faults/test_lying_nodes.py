"""Nodes of a cluster that lie: what they send is refused by name, nothing of it is written, and the sweep goes on."""

import copy
import hashlib
import json
import pathlib
import random
import tempfile
import types

import pytest
from test_inputs import ODD, _soon_and_nowhere_else, handled, replaced, silly  # noqa: F401 (a fixture)

import fake_study
import fault_sizes
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.scheduling import jobs
from tftransfer.scheduling.jobs import Job
from tftransfer.scheduling.ray import payloads
from tftransfer.scheduling.ray.cluster import Demand
from tftransfer.scheduling.ray.ray_runner import RayRunner

pytestmark = pytest.mark.faults
FINGERPRINT = "f" * 64
STORE = types.SimpleNamespace(path="/store", identity="i", fingerprint=FINGERPRINT)
BASE, OTHER = grids.union(
    [grids.Grid("base")], Config(), lambda *_: splits.random_split(fake_study.CLASSES, 0)
)  # fmt: skip
TRIALS = fault_sizes.pick(15, 300)


class ScriptedCluster:
    """A cluster of one node that sends what a test says."""

    demand = Demand(gpus=0, cpus=1)

    def __init__(self, items):
        self.items = list(items)

    def slots(self, ignore=()):
        return 1 - len(ignore)

    def put(self, payload):
        return payload

    def start(self, request, known, ignore):
        return self.items

    def read(self, stream):
        return (stream.pop(0), "reference") if stream else None

    def cancel(self, stream, force=False):
        stream.clear()


def payload_of(cell, **changes):
    """Returns the files of a finished network with consistent digests, with parts of its record changed."""
    weights = cell.name.encode()
    digests = {"kept": True, "sha256": "1" * 64, "file_sha256": hashlib.sha256(weights).hexdigest()}
    content = fake_study.content(cell, 0.5, identity=cell.identity(FINGERPRINT, None), weights=digests) | changes
    with tempfile.TemporaryDirectory() as folder:
        record_files.write(pathlib.Path(folder), content)
        (pathlib.Path(folder) / record_files.WEIGHTS).write_bytes(weights)
        return payloads.pack(pathlib.Path(folder))


def messages(payload, **end):
    """Returns all that an honest node sends."""
    heartbeat = {"networks": {BASE.name: 0.5}, "step": 1, "steps": 2, "images_per_second": 1.0, "time": 1e9}
    ok = {"status": "ok", "message": "", "elsewhere": [], "lost": []}
    return [
        {"node": "n1"},
        {"where": "one"},
        {"heartbeat": heartbeat | {"started": 1e9, "where": "one 1"}},
        {"end": ok, "networks": [BASE.name], "log": "", "experiment": {"events.out.tfevents.1": b"e"}} | end,
        payload,
    ]


def run(folder, items):
    """Lets a node send its items; returns how the job ended, None if it waits for more."""
    study = folder / "study"
    study.mkdir(parents=True)
    runner = RayRunner(study, STORE, ScriptedCluster(items), say=lambda line: None)
    runner.start(Job((BASE,)))
    ended = runner.finished()
    runner.stop()
    return ended[0][1] if ended else None


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def check(tally, kind, folder, items, must_be_refused=True):
    """Runs a lying node; what it may leave are logs, events, and the whole network if nothing was wrong with it."""
    ends = []
    handled(tally, f"nodes: {kind}", lambda: ends.append(run(folder, items)), (kind, str(items)[:2000]))
    (end,) = ends
    own = {f"study/{BASE.name}/{name}" for name in payload_of(BASE)}
    left = files_below(folder)
    strange = {
        name for name in left - own if not name.startswith(("study/.locks/", "study/.sweep/", "study/events.out."))
    }
    assert not strange, (kind, items, strange)
    if must_be_refused:
        assert end is not None, (kind, items)
        assert end.status == jobs.FAILED, (kind, items, end)
        assert "sent what is refused" in end.message, (kind, items, end)
        assert not own & left, (kind, items)
    elif own & left:
        assert own <= left, "half a network"
        record = record_files.read(folder / "study" / BASE.name)
        assert (record.name, record.key) == (BASE.name, record_files.key(BASE.identity(FINGERPRINT, None)))


def other_names(rng):
    """Networks that nobody asked for: in the end, in the heartbeat, in the record."""
    items = messages(payload_of(BASE))
    name = rng.choice([*filter(None, ODD), OTHER.name, f"{BASE.name}/", f"../study/{BASE.name}"])
    way = rng.randrange(4)
    if way == 0:
        items[3]["networks"] = [name]
    elif way == 1:
        items[3]["networks"] = [BASE.name, name]
    elif way == 2:
        items[2]["heartbeat"]["networks"] = {name: 0.5}
    else:
        items[4] = payload_of(BASE, name=name)
    return items


def other_digests(rng):
    """Records whose own hashes are right: of other images, another recipe, other files."""
    way = rng.randrange(4)
    if way == 0:
        return messages(payload_of(BASE, identity=BASE.identity(f"{rng.randrange(16**64):064x}", None)))
    if way == 1:
        return messages(payload_of(OTHER, name=BASE.name))
    payload = dict(payload_of(BASE))
    if way == 2:
        payload[record_files.WEIGHTS] = rng.randbytes(20)
    else:
        record = json.loads(payload[record_files.RECORD])
        record["result"]["top1"] = rng.random()
        payload[record_files.RECORD] = json.dumps(record).encode()
    return messages(payload)


def too_large(rng):
    """More files, more bytes, longer texts than any network has."""
    items, way = messages(dict(payload_of(BASE))), rng.randrange(5)
    if way == 0:
        items[4] |= {f"file{number}": b"" for number in range(100 + rng.randrange(1000))}
    elif way == 1:
        items[4]["more"] = bytes(3_000_000 + rng.randrange(1000))
    elif way == 2:
        items[3]["log"] = "x" * (1_000_001 + rng.randrange(1000))
    elif way == 3:
        items[3]["experiment"] = {f"events.out.tfevents.{number}": b"" for number in range(11 + rng.randrange(1000))}
    else:
        items[1]["where"] = "x" * (10_001 + rng.randrange(1000))
    return items


PATHS = ["../{}", "../../{}", "/tmp/{}", "a/{}", "..", ".", "", ".{}", "{}/..", "a\\{}", "{}\0", "\n{}", "{}" * 200]


def traversal(rng):
    """Names that lead out of the network's folder, of its files and of the study's."""
    items = messages(dict(payload_of(BASE)))
    name = rng.choice(PATHS).replace("{}", "evil")
    if rng.randrange(2):
        items[4][name] = b"evil"
    else:
        items[3]["experiment"] = {rng.choice(["", "events.out.tfevents./"]) + name: b"evil"}
    return items


LIES = {"other names": other_names, "other digests": other_digests, "too large": too_large, "traversal": traversal}


@pytest.mark.parametrize("kind", LIES)
def test_lies_are_refused(kind, tmp_path, monkeypatch, tally):
    monkeypatch.setattr(payloads, "_MOST_BYTES", 2_000_000)  # so that a test need not send gigabytes
    rng = random.Random(kind)
    for number in range(TRIALS):
        check(tally, kind, tmp_path / str(number), LIES[kind](rng))
    assert not pathlib.Path("/tmp/evil").exists()


def test_an_honest_node_is_believed(tmp_path):
    end = run(tmp_path / "x", messages(payload_of(BASE)))
    assert end == jobs.End(jobs.OK)
    assert record_files.read(tmp_path / "x" / "study" / BASE.name)


def test_random_messages_are_taken_or_refused(tmp_path, tally):
    """Each message with something replaced, left out, repeated or in another order."""
    rng, whole = random.Random(30), messages(dict(payload_of(BASE)))
    for number in range(10 * TRIALS):
        items = copy.deepcopy(whole)
        at, way = rng.randrange(len(items)), rng.randrange(4)
        if way == 0:
            items[at] = replaced(rng, items[at])
        elif way == 1:
            items[at:at] = [silly(rng)]
        elif way == 2:
            rng.shuffle(items)
        else:
            items[at] = replaced(rng, replaced(rng, items[at]))
        check(tally, "random messages", tmp_path / str(number), items, must_be_refused=False)
