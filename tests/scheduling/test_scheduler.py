"""The order of a sweep, what it tries again and what it gives up, with a runner that trains nothing."""

import filelock
import pytest

from planned_cells import cells, write_record
from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files
from tftransfer.records.identities import Versions
from tftransfer.scheduling import jobs, scheduler, study_status
from tftransfer.scheduling.jobs import End
from tftransfer.scheduling.scheduler import DIVERGED, DONE, FAILED, SKIPPED, Scheduler
from tftransfer.scheduling.sweep_folder import SweepFolder


class FakeRunner:
    """Finishes each job at once, as `ends` says by network label; records are written unless it went wrong."""

    def __init__(self, study, slots=1, ends=None, statuses=None):
        self.study, self.slots = study, slots
        self.ends, self.statuses = ends or {}, statuses or {}
        self.running, self.started, self.stopped = [], [], False

    @property
    def free(self):
        return self.slots - len(self.running)

    def start(self, job, again):
        assert self.free > 0
        self.running.append(job)
        self.started.append((sorted(cell.treatment.label for cell in job.cells), sorted(again)))

    def finished(self):
        ended = []
        for job in self.running:
            end = next((self.ends[cell.treatment.label] for cell in job.cells if cell.treatment.label in self.ends), [])
            end = end.pop(0) if end else End(jobs.OK)
            if end.status == jobs.OK and not end.lost:
                for cell in job.cells:
                    if cell.name not in end.elsewhere:
                        status = self.statuses.get(cell.treatment.label, record_files.DONE)
                        write_record(self.study, cell, status)
            ended.append((job, end))
        self.running = []
        return ended

    def stop(self):
        self.stopped = True

    @property
    def labels(self):
        return [labels for labels, _ in self.started]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(scheduler, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(scheduler, "_LOOK_ELSEWHERE_SECONDS", 0.0)


def sweep(tmp_path, runner, asked=None, **options):
    study = Scheduler(asked or cells(), tmp_path, runner, say=lambda line: None, **options)
    study.run()
    return {state.cell.treatment.label: state for state in study.states.values()}


def test_bases_go_first_then_all_that_copy_from_them_in_lockstep(tmp_path):
    runner = FakeRunner(tmp_path)
    states = sweep(tmp_path, runner)
    assert sorted(runner.labels[:2]) == [["baseA"], ["baseB"]]
    assert sorted(runner.labels[2:]) == [["A1A", "A2A", "B1A", "B2A"], ["A1B", "A2B", "B1B", "B2B"]]
    assert {state.state for state in states.values()} == {DONE}
    assert all(state.trained_here for state in states.values())
    assert runner.stopped


def test_several_slots_work_side_by_side(tmp_path):
    runner = FakeRunner(tmp_path, slots=2)
    sweep(tmp_path, runner, cells(Grid("AnB", "1-2", seeds="0-1")))
    assert sorted(runner.labels[:4]) == [["baseA"]] * 2 + [["baseB"]] * 2
    assert sorted(runner.labels[4:]) == [["A1B", "A2B"]] * 2 + [["B1A", "B2A"]] * 2


def test_what_is_done_is_not_trained_again(tmp_path):
    first = FakeRunner(tmp_path)
    sweep(tmp_path, first, cells(Grid("AnB", "1", "B")))
    second = FakeRunner(tmp_path)
    states = sweep(tmp_path, second, cells(Grid("AnB", "1-3", "B")))
    assert second.labels == [["A2B", "A3B"]]
    assert not states["A1B"].trained_here


def test_groups_have_at_most_so_many_networks_of_equal_number(tmp_path):
    runner = FakeRunner(tmp_path)
    sweep(tmp_path, runner, cells(Grid("AnB,BnB", "1-5", "B")), group_size=4)
    assert [len(labels) for labels in runner.labels[2:]] == [4, 4, 2]
    assert runner.labels[2] == ["A1B", "A2B", "A3B", "A4B"], "neighbours share their source"


def test_a_group_that_dies_of_memory_is_split_and_tried_again(tmp_path):
    full = End(jobs.NO_MEMORY, "too large")
    runner = FakeRunner(tmp_path, ends={"A1B": [full, full], "B1B": [End(jobs.CRASHED, "ended by signal 9")]})
    states = sweep(tmp_path, runner, cells(Grid("AnB,BnB", "1-2", "B")))
    assert runner.labels[2:] == [
        ["A1B", "A2B", "B1B", "B2B"],
        ["A1B", "A2B"],
        ["A1B"],
        ["A2B"],
        ["B1B", "B2B"],
        ["B1B"],
        ["B2B"],
    ]
    assert {state.state for state in states.values()} == {DONE}


def test_no_memory_for_even_one_network_is_a_failure_that_is_kept_and_tried_again_on_request(tmp_path):
    asked = cells(Grid("AnB", "1", "B"))
    runner = FakeRunner(tmp_path, ends={"A1B": [End(jobs.NO_MEMORY, "needs 80 GB")]})
    states = sweep(tmp_path, runner, asked)
    assert (states["A1B"].state, states["A1B"].reason, states["A1B"].word) == (FAILED, "needs 80 GB", "no memory")
    again = FakeRunner(tmp_path)
    states = sweep(tmp_path, again, asked)
    assert again.started == []
    assert "needs 80 GB (in an earlier sweep; --retry_failed" in states["A1B"].reason
    assert states["A1B"].word == "no memory"
    assert sweep(tmp_path, again, asked, retry_failed=True)["A1B"].state == DONE
    assert SweepFolder(tmp_path).failures() == {}


def test_one_failure_does_not_stop_the_others(tmp_path):
    runner = FakeRunner(tmp_path, ends={"baseA": [End(jobs.FAILED, "ValueError: broken")]})
    states = sweep(tmp_path, runner)
    assert states["baseA"].state == FAILED
    assert {label for label, state in states.items() if state.state == SKIPPED} == {"A1A", "A2A", "A1B", "A2B"}
    assert "its source random0-baseA-seed0 failed" in states["A1B"].reason
    assert {label for label, state in states.items() if state.state == DONE} == {"baseB", "B1B", "B2B", "B1A", "B2A"}


def test_nothing_is_copied_from_a_base_that_diverged(tmp_path):
    runner = FakeRunner(tmp_path, statuses={"baseB": record_files.DIVERGED})
    states = sweep(tmp_path, runner)
    assert states["baseB"].state == DIVERGED
    assert states["B1B"].state == states["B1A"].state == SKIPPED
    assert states["A1B"].state == DONE, "it can be trained, and has nothing to be compared with"


def test_diverged_networks_are_trained_again_on_request(tmp_path):
    asked = cells(Grid("BnB", "1", "B"))
    sweep(tmp_path, FakeRunner(tmp_path, statuses={"B1B": record_files.DIVERGED}), asked)
    assert sweep(tmp_path, FakeRunner(tmp_path), asked)["B1B"].state == DIVERGED
    again = FakeRunner(tmp_path)
    assert sweep(tmp_path, again, asked, retry_failed=True)["B1B"].state == DONE
    assert again.started == [(["B1B"], ["random0-B1B-seed0"])]


def test_bases_without_weights_are_trained_again_only_where_they_are_needed(tmp_path):
    asked = cells(Grid("BnB", "1-2", "B"))
    for cell in asked[:2]:
        write_record(tmp_path, cell)
    (tmp_path / asked[0].name / record_files.WEIGHTS).unlink()
    runner = FakeRunner(tmp_path)
    sweep(tmp_path, runner, asked[:2])
    assert runner.started == []
    sweep(tmp_path, runner, asked)
    assert runner.labels == [["baseB"], ["B2B"]]


def test_weights_that_turn_out_to_be_damaged_are_made_again_once(tmp_path):
    asked = cells(Grid("BnB", "1", "B"))
    write_record(tmp_path, asked[0])
    lost = End(jobs.OK, lost=("random0-baseB-seed0",))
    runner = FakeRunner(tmp_path, ends={"B1B": [lost]})
    assert sweep(tmp_path, runner, asked)["B1B"].state == DONE
    assert runner.labels == [["B1B"], ["baseB"], ["B1B"]]
    (tmp_path / asked[1].name / record_files.RECORD).unlink()
    runner = FakeRunner(tmp_path, ends={"B1B": [lost, lost]})
    states = sweep(tmp_path, runner, asked)
    assert states["B1B"].state == FAILED
    assert "training again did not help" in states["B1B"].reason


def test_what_another_process_trains_is_waited_for(tmp_path):
    asked = cells(Grid("BnB", "1", "B"))
    runner = FakeRunner(tmp_path, ends={"baseB": [End(jobs.OK, elsewhere=(asked[0].name,))]})
    looks = []

    def update():
        looks.append(1)
        if len(looks) == 3:
            write_record(tmp_path, asked[0])

    path = record_files.lock_path(tmp_path, asked[0].name)
    path.parent.mkdir(parents=True)
    with filelock.FileLock(path):
        study = Scheduler(asked, tmp_path, runner, say=lambda line: None)
        study.run(update)
    assert runner.labels == [["baseB"], ["B1B"]]
    assert not study.states[asked[0].name].trained_here


def test_what_another_process_gave_up_is_trained_here(tmp_path):
    asked = cells(Grid("BnB", "1", "B"))
    runner = FakeRunner(tmp_path, ends={"baseB": [End(jobs.OK, elsewhere=(asked[0].name,))]})
    sweep(tmp_path, runner, asked)
    assert runner.labels == [["baseB"], ["baseB"], ["B1B"]]


def test_a_record_of_another_recipe_is_refused_before_anything_starts(tmp_path):
    sweep(tmp_path, FakeRunner(tmp_path), cells(Grid("BnB", "1", "B")))
    other = grids.union([Grid("BnB", "1", "B")], Config(steps=11), lambda kind, seed: splits.random_split(10, seed))
    with pytest.raises(ValueError, match=r"recipe.steps: 10 there, 11 here"):
        Scheduler(other, tmp_path, FakeRunner(tmp_path))


def test_float16_networks_train_alone():
    config = Config(precision="mixed_float16")
    pieces = grids.union([Grid("AnB", "1-2", "B")], config, lambda kind, seed: splits.random_split(10, seed))
    assert len({jobs.group_key(cell) for cell in pieces}) == len(pieces)


def test_a_process_that_a_signal_ended_is_started_once_more(tmp_path):
    killed = End(jobs.CRASHED, "ended by signal 9")
    once, twice = (FakeRunner(tmp_path / str(n), ends={"baseB": [killed] * n}) for n in (1, 2))
    asked = cells(Grid("base", targets="B"))
    assert sweep(once.study, once, asked)["baseB"].state == DONE
    assert once.labels == [["baseB"], ["baseB"]]
    states = sweep(twice.study, twice, asked)
    assert (states["baseB"].state, len(twice.labels)) == (FAILED, 2)
    assert SweepFolder(twice.study).failure(asked[0]) == "ended by signal 9"


def test_a_process_that_was_asked_to_end_is_started_again_whole_and_is_no_failure_to_keep(tmp_path):
    """Its checkpoint is there, and the signal says nothing of the networks."""
    asked_to = End(jobs.TERMINATED, "ended by signal 15")
    asked = cells(Grid("BnB", "1-2", "B"))
    once = FakeRunner(tmp_path / "once", ends={"B1B": [asked_to]})
    assert {state.state for state in sweep(once.study, once, asked).values()} == {DONE}
    assert once.labels == [["baseB"], ["B1B", "B2B"], ["B1B", "B2B"]]
    often = FakeRunner(tmp_path / "often", ends={"B1B": [asked_to] * 3})
    states = sweep(often.study, often, asked)
    assert states["B1B"].state == FAILED
    assert states["B2B"].state == DONE
    assert sweep(often.study, FakeRunner(often.study), asked)["B1B"].state == DONE


def test_a_full_disk_is_no_failure_to_keep(tmp_path):
    """There will be room again, and the same command must then do."""
    full = End(jobs.NO_DISK, "OSError: No space left on device")
    states = sweep(tmp_path, FakeRunner(tmp_path, ends={"A1B": [full]}), cells(Grid("AnB", "1", "B")))
    assert states["A1B"].state == FAILED
    assert "No space left" in states["A1B"].reason
    assert sweep(tmp_path, FakeRunner(tmp_path), cells(Grid("AnB", "1", "B")))["A1B"].state == DONE


def test_a_group_split_down_to_one_network_that_finds_no_memory_is_named(tmp_path):
    full, lines = End(jobs.NO_MEMORY, "needs 80 GB"), []
    asked = cells(Grid("BnB", "1-3", "B"))
    SweepFolder(tmp_path).write_plan(asked)
    runner = FakeRunner(tmp_path, ends={"B2B": [full] * 3})
    study = Scheduler(asked, tmp_path, runner, say=lines.append)
    study.run()
    assert runner.labels == [["baseB"], ["B1B", "B2B", "B3B"], ["B1B", "B2B"], ["B1B"], ["B2B"], ["B3B"]]
    assert study_status.look(tmp_path).named() == {"no memory": ["random0-B2B-seed0"]}
    assert [line for line in lines if line.endswith(": no memory: B2B (needs 80 GB)")]


def test_what_waits_for_a_base_without_memory_says_so(tmp_path):
    runner = FakeRunner(tmp_path, ends={"baseB": [End(jobs.NO_MEMORY, "needs 80 GB")]})
    states = sweep(tmp_path, runner, cells(Grid("BnB", "1", "B")))
    assert states["B1B"].reason == "its source random0-baseB-seed0 failed (no memory)"


def test_a_checkpoint_of_other_replicas_is_no_failure_to_keep(tmp_path):
    """On as many replicas as before the same networks train on."""
    refused = End(jobs.REFUSED, "The checkpoint at step 3 was made on 2 replicas")
    states = sweep(tmp_path, FakeRunner(tmp_path, ends={"A1B": [refused]}), cells(Grid("AnB", "1", "B")))
    assert (states["A1B"].state, states["A1B"].word) == (FAILED, "refused")
    assert sweep(tmp_path, FakeRunner(tmp_path), cells(Grid("AnB", "1", "B")))["A1B"].state == DONE


def test_an_end_that_names_unknown_networks_is_a_failure(tmp_path):
    states = sweep(tmp_path, FakeRunner(tmp_path, ends={"A1B": [End(jobs.FAILED, "damaged", lost=("nobody",))]}))
    assert states["A1B"].state == FAILED


def test_networks_on_another_version_of_the_images_are_refused_before_anything_starts(tmp_path):
    """Their bases would else serve as sources and references of networks on the new images."""
    sweep(tmp_path, FakeRunner(tmp_path), cells(Grid("BnB", "1", "B")))
    runner = FakeRunner(tmp_path)
    with pytest.raises(ValueError, match=r"another version of the data set.*data\.fingerprint"):
        Scheduler(cells(Grid("BnB", "1-2", "B")), tmp_path, runner, versions=Versions("e"))
    with pytest.raises(ValueError, match="another architecture"):
        Scheduler(cells(Grid("BnB", "1-2", "B")), tmp_path, runner, versions=Versions("f", {"sha256": "a"}, True))
    assert runner.started == []


def test_a_record_of_other_images_that_another_process_writes_is_not_taken(tmp_path):
    asked = cells(Grid("BnB", "1", "B"))
    runner = FakeRunner(tmp_path)
    with pytest.raises(ValueError, match="another version of the data set"):
        sweep(tmp_path, runner, asked, versions=Versions("e"))
    assert runner.stopped
