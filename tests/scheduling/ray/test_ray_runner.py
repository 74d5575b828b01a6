"""Sweeps on a cluster: the bookkeeping with a made-up one, the rest (marker ray) on two nodes on this machine."""

import collections
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types

import filelock
import psutil
import pytest

from tftransfer.cli.command_line import EXIT_WARNINGS
from tftransfer.data import datasets, store
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files
from tftransfer.scheduling import jobs
from tftransfer.scheduling.jobs import Job
from tftransfer.scheduling.ray import payloads, ray_runner
from tftransfer.scheduling.ray.cluster import Demand, LostError, NoMemoryError, TaskError
from tftransfer.scheduling.ray.ray_runner import RayRunner
from tftransfer.scheduling.scheduler import DONE, FAILED, Scheduler
from tftransfer.scheduling.sweep_folder import SweepFolder

ROOT = pathlib.Path(__file__).parents[3]
FINGERPRINT = "f" * 64
STORE = types.SimpleNamespace(path="/store", identity="i", fingerprint=FINGERPRINT)
STORE.stores = (STORE,)
CELLS = grids.union([Grid("AnB,BnB", "1", targets="B")], Config(), lambda *_: splits.random_split(40, 0))
A, B = CELLS[:2]
BOTH = Job(tuple(CELLS[2:]))


class MadeUpCluster:
    """Two nodes whose tasks do what a test says: a list of items, errors among them, for each start in turn."""

    demand = Demand(gpus=0, cpus=2)

    def __init__(self, script):
        self.script = collections.deque(script)
        self.started = []  # request, known, nodes that were ruled out
        self.put_payloads = []
        self.cancelled = []

    def slots(self, without=()):
        return 2 - len(without)

    def put(self, payload):
        self.put_payloads.append(payload)
        return ("put", len(self.put_payloads))

    def start(self, request, known, without):
        self.started.append((request, known, set(without)))
        task = self.script.popleft() if self.script else finished
        return collections.deque(task(request) if callable(task) else task)

    def read(self, stream):
        if not stream:
            return None
        item = stream.popleft()
        if isinstance(item, Exception):
            raise item
        return item, ("result", id(item))

    def cancel(self, stream, force=False):
        self.cancelled.append(force)
        stream.clear()
        if not force:
            stream.append(LostError("it was cancelled"))


def payload_of(cell, **changes):
    """Returns a made-up finished network."""
    source = cell.source and {
        "key": record_files.key(cell.source.identity(FINGERPRINT, None)),
        "weights": cell.source.name,
    }
    content = {
        "name": cell.name, "status": "done", "treatment": {}, "result": {"top1": 0.5, "minus_base": 0.0},
        "integrity": {}, "cost": {"seconds": 1.0}, "weights": {"kept": True, "sha256": cell.name}, "history": {},
        "identity": cell.identity(FINGERPRINT, source),
    } | changes  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        record_files.write(pathlib.Path(folder), content)
        (pathlib.Path(folder) / record_files.WEIGHTS).write_bytes(cell.name.encode())
        return payloads.pack(pathlib.Path(folder))


def ended(networks=(), **end):
    end = {"status": "ok", "message": "", "elsewhere": [], "lost": []} | end
    return {"end": end, "networks": list(networks), "log": "the log", "experiment": {"events.out.tfevents.1": b"e"}}


def finished(request):
    """Returns the items of a task that trains all its networks."""
    cells = [jobs.Cell.from_json(cell) for cell in request["cells"]]
    hello = [{"node": "n1"}, {"where": "one"}]
    return [*hello, ended([cell.name for cell in cells]), *(payload_of(cell) for cell in cells)]


@pytest.fixture
def make(tmp_path):
    """Returns a function that makes a runner with the tasks of a test, and a list of its lines."""

    def runner(*script, **options):
        cluster = MadeUpCluster(script)
        lines = []
        study = tmp_path / "study"
        study.mkdir(exist_ok=True)
        made = RayRunner(study, STORE, cluster, say=lines.append, **options)
        return made, cluster, lines, study

    return runner


def test_dependants_take_the_results_of_their_bases(make):
    runner, cluster, _, study = make()
    results = {}
    for base in (A, B):
        runner.start(Job((base,)))
        ((job, end),) = runner.finished()
        assert (job.cells, end.status) == ((base,), jobs.OK)
        results[base.name] = runner._bases[base.name][1]
    runner.start(BOTH)
    assert cluster.started[-1][1] == results
    assert {reference[0] for reference in results.values()} == {"result"}
    assert cluster.put_payloads == [], "weights of networks that this sweep trained never go back through this process"
    ((_, end),) = runner.finished()
    assert end.status == jobs.OK
    assert {path.name for path in study.iterdir() if not path.name.startswith(".")} == {
        *(cell.name for cell in CELLS),
        "events.out.tfevents.1",
    }


def test_bases_that_were_done_before_are_put_once(make):
    runner, cluster, _, study = make(workers=2)
    for base in (A, B):
        payloads.deliver(payload_of(base), study, base.name)
    runner.start(Job(BOTH.cells[:1]))
    runner.start(Job(BOTH.cells[1:]))
    assert [request["study"] for request, _, _ in cluster.started] == ["study", "study"]
    used = {reference for _, known, _ in cluster.started for reference in known.values()}
    assert len(cluster.put_payloads) == len(used) == 2


def test_a_base_that_changed_in_the_study_is_put_again(make):
    runner, cluster, _, study = make()
    runner.start(Job((B,)))
    runner.finished()
    shutil.rmtree(study / B.name)
    runner._base(B.name)
    assert cluster.put_payloads == [{}], "a node will find that it is gone, and the scheduler trains it again"


def test_what_a_dead_node_had_is_run_again_a_few_times(make):
    lost = [{"node": "n1"}, {"where": "one"}, LostError("its node died")]
    runner, cluster, lines, study = make(lost, workers=1)
    runner.start(Job((B,)))
    assert runner.finished() == []
    assert lines == [f"{Job((B,)).name}: lost on one (its node died); running it again"]
    ((_, end),) = runner.finished()
    assert end.status == jobs.OK
    assert record_files.read(study / B.name)
    assert len(cluster.started) == 2


def test_a_group_that_is_always_lost_is_given_up(make):
    runner, cluster, _, _ = make(*[[LostError("its node died")]] * 9)
    runner.start(BOTH)
    ends = [end for _ in range(9) for _, end in runner.finished()]
    assert [end.status for end in ends] == [jobs.CRASHED], "the scheduler halves the group"
    assert "lost 4 times: its node died" in ends[0].message
    assert len(cluster.started) == 4
    assert runner.free == 2


def test_a_node_that_cannot_see_the_images_is_named_once_and_not_used(make):
    blind = [{"node": "n1"}, {"where": "one"}, {"unusable": "it does not see /store"}]
    runner, cluster, lines, _ = make(blind)
    runner.start(Job((B,)))
    ((_, end),) = runner.finished()
    assert end.status == jobs.OK
    assert lines == ["node one is not used: it does not see /store"]
    assert [without for _, _, without in cluster.started] == [set(), {"n1"}]


def test_without_any_usable_node_the_sweep_ends_in_one_line(make):
    blind = [[{"node": n}, {"where": n}, {"unusable": "it does not see /store"}] for n in ("n1", "n2")]
    runner, _, _, _ = make(*blind)
    runner.start(Job((B,)))
    with pytest.raises(ValueError, match=r"No node of the Ray cluster can train: n2: it does not see /store\."):
        runner.finished()


@pytest.mark.parametrize(
    ("error", "status"), [(NoMemoryError("none left"), jobs.NO_MEMORY), (TaskError("bug"), jobs.FAILED)]
)
def test_failures_of_a_task_are_ends(make, error, status):
    runner, _, _, _ = make([{"node": "n1"}, {"where": "one"}, error])
    runner.start(Job((B,)))
    ((_, end),) = runner.finished()
    assert end.status == status
    assert str(error) in end.message


def test_the_log_of_a_failure_is_kept(make):
    runner, _, _, study = make([{"node": "n1"}, {"where": "one"}, ended(status="failed", message="bad\x1b[2J")])
    job = Job((B,))
    runner.start(job)
    ((_, end),) = runner.finished()
    assert (end.status, end.message) == ("failed", "bad [2J"), "nothing that steers a terminal"
    assert (SweepFolder(study).jobs / f"{job.name}.log").read_text() == "the log\n"


def test_networks_that_nobody_asked_for_are_refused(make):
    runner, cluster, _, study = make([{"node": "n1"}, {"where": "one"}, ended(["../../evil"]), {"record.json": b"{}"}])
    runner.start(Job((B,)))
    ((_, end),) = runner.finished()
    assert end.status == jobs.FAILED
    assert "one sent what is refused: it sent networks that nobody asked for: '../../evil'" in end.message
    assert {path.name for path in study.iterdir()} == {".locks"}
    assert cluster.cancelled == [False]
    assert runner.free == 2, "the sweep goes on"


def whole_end(**changes):
    return ended([B.name]) | changes


def heartbeat(**changes):
    whole = {"networks": {B.name: 0.5}, "step": 1, "steps": 2, "images_per_second": 1.0, "time": 1e9, "started": 1e9}
    return {"heartbeat": whole | {"where": "one"} | changes}


EVIL = "/tmp/evil"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([3], "no message"), ([None], "no message"), ([{}], "no message"), ([{"hello": 1}], "unknown message"),
        ([{"where": 3}], "no text as where"), ([{"where": "a\x1b[2Jb"}], "no text as where"),
        ([{"unusable": "x" * 20_000}], "no text as unusable"),
        ([{"heartbeat": 3}], "said nothing"), ([heartbeat(networks={"../x": 0.5})], "nobody asked for"),
        ([heartbeat(time="now")], "said nothing"), ([heartbeat(more=1)], "said nothing"),
        ([whole_end(end="ok")], "how the job ended"), ([whole_end(networks="abc")], "which networks"),
        ([whole_end(networks=[B.name, B.name])], "nobody asked for"), ([whole_end(networks=[[]])], "which networks"),
        ([ended([], status="fine")], "how the job ended"), ([ended([], elsewhere=["other"])], "nobody asked for"),
        ([ended([], lost=[3])], "how the job ended"), ([whole_end(log=b"x")], "log"),
        ([whole_end(log="x" * 2_000_000)], "endless"), ([whole_end(experiment={EVIL: b""})], "files of another name"),
        ([whole_end(experiment={"..": b""})], "another name"), ([whole_end(experiment={"plan.json": b""})], "another"),
        ([whole_end(experiment={"events.out.tfevents.1": "text"})], "event files are none"),
        ([whole_end(), 3], "sent as its files"), ([whole_end(), {}], "Received: none"),
        ([whole_end(), {"record.json": b"{"}], "is damaged"), ([whole_end(), {"../evil": b""}], "plain names"),
        ([whole_end(), payload_of(B) | {"..": b""}], "plain names"), ([whole_end(), {3: b""}], "plain names"),
        ([whole_end(), payload_of(B) | {"a\\b": b""}], "plain names"), ([whole_end(), {"a": "text"}], "as its files"),
        ([whole_end(), payload_of(B) | {str(i): b"" for i in range(200)}], "at most 100 files"),
        ([whole_end(), payload_of(A)], "Expected the record of random0-baseB-seed0. Received: 'random0-baseA-seed0'"),
        ([whole_end(), payload_of(A, name=B.name)], "another configuration"),
        ([whole_end(), payload_of(B, identity=B.identity("0" * 64, None))], "another version of the data set"),
        ([whole_end(), {"record.json": payload_of(B)["record.json"]}], "its weights were kept; they were not sent"),
        ([whole_end(), payload_of(B, weights={"kept": False, "sha256": "0"})], "a base, of which others copy, without"),
        ([whole_end(), payload_of(B, weights={"kept": True, "sha256": "0", "file_sha256": "0"})], "another SHA-256"),
    ],
)  # fmt: skip
def test_nodes_that_lie_are_refused_by_name_and_nothing_is_written(make, items, message):
    runner, _, _, study = make([{"node": "n1"}, {"where": "one"}, *items])
    runner.start(Job((B,)))
    ((_, end),) = runner.finished()
    assert end.status == jobs.FAILED
    assert re.search(f"one sent what is refused: .*{message}|a node sent what is refused: .*{message}", end.message)
    assert {path.name for path in study.iterdir()} <= {".locks", ".sweep", "events.out.tfevents.1"}
    assert sorted(path.name for path in study.parent.iterdir()) == ["study"]
    assert not pathlib.Path(EVIL).exists()


def test_enormous_payloads_are_refused(make, monkeypatch):
    monkeypatch.setattr(payloads, "_MOST_BYTES", 1000)
    runner, _, _, study = make([{"node": "n1"}, whole_end(), payload_of(B) | {"more": b"x" * 1000}])
    runner.start(Job((B,)))
    ((_, end),) = runner.finished()
    assert "and 1,000 bytes. Received: 3 files" in end.message
    assert not (study / B.name).exists()


def test_a_network_of_another_training_of_its_base_is_refused(make):
    cell = BOTH.cells[0]
    base = next(base for base in (A, B) if base == cell.source)
    identity = cell.identity(
        FINGERPRINT, {"key": record_files.key(base.identity(FINGERPRINT, None)), "weights": "another"}
    )
    runner, _, _, study = make([{"where": "one"}, ended([cell.name]), payload_of(cell, identity=identity)])
    payloads.deliver(payload_of(base), study, base.name)
    runner.start(Job((cell,)))
    ((_, end),) = runner.finished()
    assert "copies from another training of" in end.message
    assert not (study / cell.name).exists()


def test_a_job_that_is_said_to_be_done_without_networks_fails(make):
    runner, _, lines, study = make([{"node": "n1"}, {"where": "one"}, ended([])])
    sweep = Scheduler([B], study, runner, say=lines.append)
    sweep.run()
    assert sweep.states[B.name].state == FAILED
    assert "ended without a result" in sweep.states[B.name].reason


def test_networks_that_another_process_trains_are_left_to_it(make):
    runner, cluster, _, study = make()
    path = record_files.lock_path(study, BOTH.cells[0].name)
    path.parent.mkdir()
    with filelock.FileLock(path):
        runner.start(BOTH)
        runner.start(Job(BOTH.cells[:1]))
        first, second = (end for _, end in runner.finished())
    assert first.elsewhere == second.elsewhere == (BOTH.cells[0].name,)
    assert [len(request["cells"]) for request, _, _ in cluster.started] == [1]


def test_locks_are_held_while_a_job_runs_and_free_at_its_end(make):
    runner, cluster, _, study = make([{"node": "n1"}])
    runner.start(Job((B,)))
    with pytest.raises(filelock.Timeout), filelock.FileLock(record_files.lock_path(study, B.name), timeout=0):
        pass
    runner.stop()
    assert cluster.cancelled == [False]
    with filelock.FileLock(record_files.lock_path(study, B.name), timeout=0):
        pass


def test_tasks_that_do_not_end_when_asked_are_killed(make, monkeypatch):
    monkeypatch.setattr(ray_runner, "_GRACE_SECONDS", 0.2)
    runner, cluster, _, _ = make([{"node": "n1"}])
    monkeypatch.setattr(cluster, "cancel", lambda stream, force=False: cluster.cancelled.append(force))
    runner.start(Job((B,)))
    runner.stop()
    assert cluster.cancelled == [False, True]


def test_progress_is_shown_by_the_clock_of_this_machine(make):
    heartbeat = {"networks": {B.name: 0.25}, "step": 5, "steps": 10, "images_per_second": 7.0}
    heartbeat |= {"time": 1000.0, "started": 900.0, "where": "one 12"}  # a clock that is years behind
    runner, _, _, study = make([{"node": "n1"}, {"where": "one"}, {"heartbeat": heartbeat}])
    job = Job((B,))
    runner.start(job)
    assert runner.finished() == []
    shown = SweepFolder(study).heartbeats()[job.name]
    assert shown.networks == {B.name: 0.25}
    assert shown.time - shown.started == pytest.approx(100)
    assert abs(time.time() - shown.time) < 60


def test_a_lost_weight_file_reaches_the_scheduler_and_is_not_offered_again(make):
    runner, _, _, _ = make(finished, finished, [{"node": "n1"}, {"where": "one"}, ended(lost=[B.name])])
    for base in (A, B):
        runner.start(Job((base,)))
        runner.finished()
    runner.start(BOTH)
    ((_, end),) = runner.finished()
    assert end.lost == (B.name,)
    assert set(runner._bases) == {A.name}


def test_no_more_jobs_than_the_cluster_or_the_user_wants(make):
    waiting = [{"node": "n1"}]
    runner, _, _, _ = make(waiting, waiting)
    assert runner.free == 2
    runner.start(Job((A,)))
    assert runner.free == 1
    runner, _, _, _ = make(waiting, workers=1)
    assert runner.free == 1


def test_a_cluster_that_lost_all_nodes_is_not_waited_for_for_ever(make, monkeypatch):
    runner, cluster, _, _ = make()
    monkeypatch.setattr(cluster, "slots", lambda without=(): 0)
    assert runner.free == 0
    monkeypatch.setattr(ray_runner, "_WAIT_FOR_NODES_SECONDS", -1.0)
    with pytest.raises(RuntimeError, match="no node left"):
        _ = runner.free


def test_the_scheduler_trains_a_whole_study_with_it(make, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    runner, _, lines, study = make(
        finished, [LostError("its node died")], finished, [{"node": "n2"}, {"where": "two"}, TaskError("bug")]
    )
    sweep = Scheduler(CELLS, study, runner, say=lines.append)
    sweep.run()
    assert [sweep.states[cell.name].state for cell in CELLS] == [DONE, DONE, FAILED, FAILED]
    assert sum("running it again" in line for line in lines) == 1
    again = Scheduler(CELLS, study, RayRunner(study, STORE, MadeUpCluster([])), retry_failed=True, say=lines.append)
    again.run()
    assert {state.state for state in again.states.values()} == {DONE}


# Two real nodes on this machine, each a core.

SMALL = ("--width=0.05", "--batch_size=16", "--warmup_steps=0", "--evaluations=1", "--learning_rate=0.001")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Node:
    """A Ray node of one core."""

    def __init__(self, folder, *words):
        environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        words = ["start", "--block", *words, "--node-ip-address=127.0.0.1", "--num-cpus=1", "--num-gpus=0"]
        words += ["--object-store-memory=100000000", "--disable-usage-stats"]
        self.log = folder / f"node{len(list(folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", *words], stdin=subprocess.DEVNULL, env=environment,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def is_up(self):
        return "Ray runtime started" in self.log.read_text()

    def raylet(self):
        """Returns its central process."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return next(p for p in below if p.name() == "raylet")

    def stop(self):
        below = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in psutil.wait_procs(below, 10)[1]:
            process.kill()


@pytest.fixture(scope="module")
def cluster():
    """Two nodes; what is yielded is the cluster's address and the second node."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # a longer path is too long for Ray's sockets
    port = free_port()
    head = Node(folder, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}",
                f"--ray-client-server-port={free_port()}")  # fmt: skip
    address = f"127.0.0.1:{port}"
    try:
        wait_until(head.is_up)
        second = Node(folder, f"--address={address}")
        try:
            wait_until(second.is_up)
            yield address, second
        finally:
            second.stop()
    finally:
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(true, seconds=180):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    store.prepare(datasets.open_dataset("motifs", None), str(folder), 32)
    return folder


def sweep(runs, cache, study, *options, **popen):
    words = [sys.executable, "-m", "tftransfer.sweep", "--treatments=BnB,AnB", "--n=2", *SMALL, f"--study={study}"]
    words += [f"--runs_dir={runs}", f"--cache_dir={cache}", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | popen.pop("env", {})
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **popen)


def complete(*arguments, **popen):
    """Runs a sweep to its end; returns what it said on standard output and error."""
    process = sweep(*arguments, **popen)
    out, err = process.communicate(timeout=1800)
    assert process.returncode in (0, EXIT_WARNINGS), out + err  # after so few steps networks may be at chance
    return out, err


def result(record):
    """Returns the results that do not depend on where a network was trained."""
    history = {column: values for column, values in record.content["history"].items() if column != "seconds"}
    return record.key, record.weights_digest, record.result, history


def scratch_folders():
    return set(pathlib.Path(tempfile.gettempdir()).glob("tftransfer-ray-*"))


@needs_ray
@pytest.mark.ray
@pytest.mark.slow
def test_networks_are_those_that_this_machine_would_have_trained(cluster, cache, tmp_path):
    address, _ = cluster
    before = scratch_folders()
    _, err = complete(tmp_path, cache, "remote", "--steps=2", "--runner=ray", f"--ray_address={address}")
    assert not re.search(r"raylet|gcs|Traceback", err), err
    complete(tmp_path, cache, "local", "--steps=2", "--workers=2")
    there, here = (record_files.read_study(tmp_path / name) for name in ("remote", "local"))
    assert len(there) == 6
    assert [result(record) for record in there] == [result(record) for record in here]
    assert all(record.weights_file for record in there if "base" in record.name)
    for record in there:
        assert list(record.folder.glob("events.out.tfevents.*"))
    assert list((tmp_path / "remote").glob("events.out.tfevents.*"))
    assert scratch_folders() == before


@needs_ray
@pytest.mark.ray
def test_an_address_that_does_not_answer_is_one_line(cache, tmp_path):
    process = sweep(tmp_path, cache, "none", "--runner=ray", f"--ray_address=127.0.0.1:{free_port()}")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert "Cannot join the Ray cluster at 127.0.0.1" in err
    assert out == ""
    assert not (tmp_path / "none").exists()


@needs_ray
@pytest.mark.ray
@pytest.mark.slow
def test_ending_a_sweep_ends_what_it_started_on_the_nodes(cluster, cache, tmp_path):
    address, _ = cluster
    process, before = start_training(tmp_path, cache, "ended", 100_000, address)
    maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
    assert "ray" in maps
    assert "tensorflow" not in maps, "the sweep itself needs no TensorFlow"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 143
    wait_until(lambda: not workers(before) and scratch_folders() == before, 60)
    process, before = start_training(tmp_path, cache, "killed", 100_000, address)
    process.kill()
    process.communicate(timeout=300)
    wait_until(lambda: not workers(before) and scratch_folders() == before, 60)


def start_training(runs, cache, study, steps, address):
    """Starts a sweep and waits until both nodes train for it; returns it, and the scratch folders before."""
    before = scratch_folders()
    process = sweep(runs, cache, study, f"--steps={steps}", "--runner=ray", f"--ray_address={address}")
    wait_until(lambda: len(workers(before)) == 2, 300)
    return process, before


def workers(before):
    """Returns the command lines of processes that train in new scratch folders."""
    new = {str(folder) for folder in scratch_folders() - before}
    commands = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "tftransfer.scheduling.worker" in words and any(words[-1].startswith(folder) for folder in new):
            commands.append(words)
    return commands


@needs_ray
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.faults
def test_a_node_that_dies_costs_only_its_groups(cluster, cache, tmp_path):
    """Comes last: one node is gone then."""
    address, second = cluster
    process, before = start_training(tmp_path, cache, "kill", 20, address)
    second.raylet().kill()
    out, err = process.communicate(timeout=1800)
    assert process.returncode in (0, EXIT_WARNINGS), out + err
    assert out.count("running it again") == 1
    assert "its node died" in out
    records = record_files.read_study(tmp_path / "kill")
    assert [record.status for record in records] == ["done"] * 6
    plan = json.loads((tmp_path / "kill" / ".sweep" / "plan.json").read_text())
    assert set(plan) == {record.name for record in records}
    wait_until(lambda: scratch_folders() == before, 60)
