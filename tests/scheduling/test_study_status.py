import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from planned_cells import cells, write_record
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files
from tftransfer.records.record_files import DIVERGED
from tftransfer.scheduling import display, study_status
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder

NOW = 1000.0
ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two bases and a frozen network done, two networks running, one failed, one waiting."""
    monkeypatch.setattr("time.time", lambda: NOW)
    asked = cells(Grid("AnB,BnB", "1-2", "B"), Grid("AnB", "3", "B"))
    sweep_folder = SweepFolder(tmp_path)
    sweep_folder.write_plan(asked)
    by_label = {cell.treatment.label: cell for cell in asked}
    for label in ("baseA", "baseB", "A3B"):
        write_record(tmp_path, by_label[label])
    heartbeat = Heartbeat(
        {by_label["A1B"].name: 0.25, by_label["A2B"].name: None}, 50, 200, 400.0, NOW - 3, NOW - 63, "host 1"
    )
    sweep_folder.write_heartbeat("job", heartbeat)
    sweep_folder.write_failure(by_label["B1B"], "no memory")
    return tmp_path


def test_every_network_has_one_state(study):
    overview = study_status.look(study)
    assert {state: overview.count(state) for state in ("done", "running", "waiting", "failed")} == {
        "done": 3, "running": 2, "waiting": 1, "failed": 1,
    }  # fmt: skip
    assert overview.images_per_second == 800.0, "of both networks together"
    assert overview.seconds_left == pytest.approx(60 * 3 + 1), (
        "the rest of the running ones, and the cost of a done one"
    )


def test_what_a_group_does_before_it_can_be_evaluated_is_shown(study):
    asked = cells(Grid("AnB,BnB", "1-2", "B"))
    names = [cell.name for cell in asked if cell.treatment.label in ("A1B", "A2B")]
    heartbeat = Heartbeat(dict.fromkeys(names), 0, 0, None, NOW, NOW, "host 1", "compiling the first \x1b[2Jstep")
    SweepFolder(study).write_heartbeat("job", heartbeat)
    assert display.headline(study_status.look(study)).endswith("; 2 networks: compiling the first \\x1b[2Jstep")


def test_lines_tell_a_new_stage_at_once_and_the_same_one_no_more(study, monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    update = display._lines(study)
    sweep_folder, names = SweepFolder(study), ["random0-A1B-seed0"]
    for second, stage in ((3, "building 1 networks"), (6, "building 1 networks"), (9, "compiling"), (12, "")):
        sweep_folder.write_heartbeat("job", Heartbeat(dict.fromkeys(names), 0, 0, None, NOW, NOW, "host 1", stage))
        clock[0] = second
        update()
    output = capsys.readouterr().out.splitlines()
    assert len(output) == 2
    assert "1 network: building" in output[0]
    assert "1 network: compiling" in output[1]


def test_the_table_shows_accuracies_by_treatment_and_n(study):
    lines = display.text(study_status.look(study)).splitlines()
    assert lines[0].endswith(
        "3 done, 2 running, 1 waiting, 1 failed of 7 networks; 800 images/s over all networks; about 3 min left"
    )
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in lines if "│" in line
    }
    assert rows == {
        "base": ["50.0 %", "", "", ""],
        "BnB": ["", "failed", "-", ""],
        "AnB": ["", "~25.0 %", "-", "50.0 % (+0.0)"],
    }
    assert "failed: random0-B1B-seed0: no memory" in lines[-1]


def table(study):
    lines = display.text(study_status.look(study)).splitlines()
    return lines, [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_what_is_wrong_with_a_network_stands_in_its_cell_and_below_the_table(study):
    by_label = {cell.treatment.label: cell for cell in cells(Grid("AnB,BnB", "1-2", "B"), Grid("AnB", "3", "B"))}
    sweep_folder = SweepFolder(study)
    sweep_folder.write_failure(by_label["B1B"], "Training needs about 80 GB", "no memory")
    doubtful = {"left_chance": False, "class_images": {"training": [1, 9], "validation": [2, 2]}}
    write_record(study, by_label["A3B"], integrity=doubtful)
    write_record(study, by_label["B2B"], integrity={"target_classes_seen_by_source": 3})
    write_record(study, by_label["A2B"], DIVERGED, integrity={"diverged_at_step": 5})
    lines, rows = table(study)
    assert rows == [
        ["base", "50.0 %", "", "", ""],
        ["BnB", "", "no memory", "50.0 % (+0.0)", ""],
        ["AnB", "", "~25.0 %", "50.0 % (+0.0)", "50.0 % (+0.0)"],
        ["", "", "", "diverged", "at chance"],
        ["", "", "", "", "unbalanced"],
    ]
    assert lines[-4:] == [
        "diverged: random0-A2B-seed0",
        "at chance: random0-A3B-seed0",
        "unbalanced: random0-A3B-seed0",
        "no memory: random0-B1B-seed0: Training needs about 80 GB",
    ], "a control has its own classes from its source"


def test_a_cell_says_how_many_of_its_networks_are_meant(tmp_path):
    asked = cells(Grid("AnB", "1", "B", split_seeds="0-6"))
    networks = [cell for cell in asked if not cell.treatment.is_base]
    for number, cell in enumerate(networks):
        write_record(tmp_path, cell, integrity={"target_classes_seen_by_source": int(number > 0)})
    lines, rows = table(tmp_path)
    assert rows == [["AnB", "50.0 % (+0.0)"], ["", "leak 6/7"]]
    assert lines[-1] == f"leak: {', '.join(cell.name for cell in networks[1:6])} and 1 more"


def write_score(study, cell, top1, minus_base):
    record = write_record(study, cell)
    record_files.write(record.folder, {**record.content, "result": {"top1": top1, "minus_base": minus_base}})


def test_only_bases_that_others_are_compared_with_stand_beside_them(tmp_path):
    """The mean of all bases is 11 %, of those of the control's targets 12.5: it gains 0.2 points, not 1.7."""
    asked = cells(Grid("BnB", "1", "A", split_seeds="0-1"), Grid("base", "0", "A,B", split_seeds="0-1"))
    bases = {"random0-baseA-seed0": 0.12, "random1-baseA-seed0": 0.13}
    for cell in asked:
        if cell.treatment.is_base:
            write_score(tmp_path, cell, bases.get(cell.name, 0.095), 0.0)
        else:
            write_score(tmp_path, cell, bases[cell.source.name] + 0.002, 0.002)
    assert table(tmp_path)[1] == [["base", "12.5 %", ""], ["BnB", "", "12.7 % (+0.2)"]]


def test_a_lead_says_over_how_many_it_is_a_mean(tmp_path):
    asked = cells(Grid("BnB", "1", "A", split_seeds="0-1"))
    leads = {"random0-A1A-seed0": 0.03, "random1-A1A-seed0": None}
    for cell in asked:
        write_score(tmp_path, cell, 0.5, leads.get(cell.name, 0.0))
    assert table(tmp_path)[1] == [["base", "50.0 %", ""], ["BnB", "", "50.0 % (+3.0 of 1)"]]


@pytest.mark.parametrize("planned", [True, False], ids=["with a plan", "from records alone"])
def test_images_per_class_and_stages_are_rows_of_their_own(tmp_path, planned):
    asked = cells(Grid("BnB", "1", "A", images_per_class="0,10"), Grid("BnB", "1", "A", preserve="2"))
    if planned:
        SweepFolder(tmp_path).write_plan(asked)
    for cell in asked:
        write_score(tmp_path, cell, 0.3 if cell.images_per_class else 0.5 + 0.1 * cell.treatment.preserve, 0.0)
    assert table(tmp_path)[1] == [
        ["base", "50.0 %", ""],
        ["base, 10 images per class", "30.0 %", ""],
        ["BnB", "", "50.0 % (+0.0)"],
        ["BnB, 2 preserved", "", "70.0 % (+0.0)"],
        ["BnB, 10 images per class", "", "30.0 % (+0.0)"],
    ]


def test_networks_whose_source_cannot_serve_are_not_waiting(study):
    base = next(cell for cell in cells(Grid("BnB", "2", "B")) if cell.treatment.is_base)
    write_record(study, base, DIVERGED)
    overview = study_status.look(study)
    assert (overview.count("waiting"), overview.named()["skipped"]) == (0, ["random0-B2B-seed0"])
    assert overview.seconds_left is not None
    assert "skipped: random0-B2B-seed0" in display.text(overview).splitlines()


@pytest.mark.parametrize(
    "content", ['{"reason": "why"}', '{"reason": "why", "word": []}', '{"reason": 1, "word": "x"}']
)
def test_a_failure_without_a_word_that_is_known_is_a_failure(study, content):
    (study / ".sweep/failed/random0-B1B-seed0.json").write_text(content)
    assert study_status.look(study).named() == {"failed": ["random0-B1B-seed0"]}


def test_jobs_that_fell_silent_are_named_and_not_running(study, monkeypatch):
    later(monkeypatch, 600)
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent"), overview.count("waiting")) == (0, 2, 1)
    lines, rows = table(study)
    assert "3 done, 0 running, 2 silent, 1 waiting, 1 failed" in lines[0]
    assert "silent: random0-A1B-seed0, random0-A2B-seed0: no sign of life for 600 s" in lines
    assert rows[-2][:3] == ["AnB", "", "~25.0 %"]


def later(monkeypatch, seconds):
    """Lets time pass by the clock that nobody sets."""
    monotonic = time.monotonic
    monkeypatch.setattr("tftransfer.scheduling.liveness.time.monotonic", lambda: monotonic() + seconds)


@pytest.fixture
def worker(study):
    """A process that gives a sign of life in place of the tests' own, and lives on."""
    code = (
        "import pathlib, sys, time\nfrom tftransfer.scheduling.sweep_folder import SweepFolder\n"
        "folder = SweepFolder(pathlib.Path(sys.argv[1]))\nfolder.write_heartbeat('job', folder.heartbeats()['job'])\n"
        "print('written', flush=True)\ntime.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(study)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout.readline() == b"written\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_stopped_process_is_named_at_once_and_one_that_has_gone_is_not(study, worker):
    assert study_status.look(study).count("running") == 2
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent")) == (0, 2)
    assert f"stopped; `kill -CONT {worker.pid}` lets it go on" in display.text(overview)
    worker.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, worker.pid, os.WCONTINUED)
    assert study_status.look(study).count("running") == 2
    worker.kill()
    worker.wait()
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent"), overview.count("waiting")) == (0, 0, 3)


def test_a_stopped_process_whose_sweep_has_gone_is_not_said_to_go_on(study, worker):
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["parent"] = 2**30
    path.write_text(json.dumps(content))
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    shown = display.text(study_status.look(study))
    assert f"its sweep has gone, so that `kill -CONT {worker.pid}` ends it" in shown
    assert "lets it go on" not in shown
    worker.send_signal(signal.SIGCONT)


def test_a_number_that_another_process_has_now_is_not_taken_for_it(study, worker):
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["started"] = "1"
    path.write_text(json.dumps(content))
    assert study_status.look(study).count("running") == 0


@pytest.mark.parametrize(("seconds", "state"), [(5, "running"), (3600, "silent"), (90_000, "waiting")])
def test_signs_of_another_machine_are_as_old_as_the_file_system_says(seconds, state, study, monkeypatch):
    """Its clock may be days off."""
    path = study / ".sweep/jobs/job.heartbeat.json"
    content = json.loads(path.read_text())
    content["stamp"]["machine"], content["time"] = "another", NOW + 10**6
    path.write_text(json.dumps(content))
    stamp = path.stat().st_mtime - seconds
    os.utime(path, (stamp, stamp))
    overview = study_status.look(study)
    assert overview.count(state) == (2 if state != "waiting" else 3)


def test_diverged_networks_count_as_failed(study):
    write_record(study, cells(Grid("AnB", "1", "B"))[2], DIVERGED)
    assert study_status.look(study).count("failed") == 2


def test_no_time_is_told_before_a_network_of_each_kind_is_done(study):
    (study / "random0-A3B-seed0/record.json").unlink()
    assert study_status.look(study).seconds_left is None


def test_a_study_without_a_plan_is_told_by_its_records(study):
    (study / ".sweep/plan.json").write_text("{damaged", encoding="utf-8")
    assert len(study_status.look(study).lines) == 3


def test_no_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no study.*There is no study in .* either"):
        study_status.look(tmp_path / "nothing")


def test_where_the_study_is_not_there_those_that_are_are_named(tmp_path):
    asked = cells(Grid("AnB", "1", "B"))
    write_record(tmp_path / "trained", asked[0])
    SweepFolder(tmp_path / "planned").write_plan(asked)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r": planned, trained\. Ask for one with --study=NAME"):
        study_status.look(tmp_path / "nothing")


def test_records_are_read_once(study, monkeypatch):
    records = {}
    study_status.look(study, records)
    monkeypatch.setattr("tftransfer.records.record_files.read", pytest.fail)
    assert study_status.look(study, records).count("done") == 3


@pytest.mark.parametrize(("seconds", "text"), [(50, "50 s"), (800, "13 min"), (7200, "2.0 h"), (400_000, "4.6 days")])
def test_durations(seconds, text):
    assert display.duration(seconds) == text


@pytest.mark.parametrize("seconds", [-86400, 86400])
def test_a_clock_that_jumps_neither_hides_what_lives_nor_keeps_what_is_gone(study, monkeypatch, seconds):
    monkeypatch.setattr("time.time", lambda: NOW + seconds)
    assert study_status.look(study).count("running") == 2
    later(monkeypatch, 61)
    assert study_status.look(study).count("running") == 0


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "{", '{"time": "now"}', '{"networks": [], "step": 1, "steps": 1, "images_per_second": 1, "time": 1000,'
     ' "started": 1, "where": ""}', '{"networks": {"x": "y"}, "step": 1, "steps": 1, "images_per_second": null, "time":'
     ' 1000, "started": 1, "where": ""}'],
)  # fmt: skip
def test_damaged_signs_of_life_and_plans_are_left_out(study, content):
    (study / ".sweep/jobs/job.heartbeat.json").write_text(content)
    assert study_status.look(study).count("running") == 0
    (study / ".sweep/plan.json").write_text(f'{{"x": {{"treatment": {content}}}, "y": {{"treatment": {{"n": "1"}}}}}}')
    overview = study_status.look(study)
    assert len(overview.lines) == overview.count("done"), "the networks that have records"


@pytest.mark.parametrize(
    ("part", "value"),
    [("source", [[]]), ("target", [[]]), ("preserve", [[]]), ("pretrained", [[]]), ("preserve", "x"),
     ("preserve", None), ("release_step", "q")],
)  # fmt: skip
def test_plans_with_parts_of_other_kinds_are_left_out(study, part, value):
    treatment = {"source": "A", "n": 4, "target": "B", part: value}
    plan = {"x": {"treatment": treatment}, "y": {"treatment": {"source": None, "n": 0, "target": ["B"]}}}
    (study / ".sweep/plan.json").write_text(json.dumps(plan))
    overview = study_status.look(study)
    assert not {"x", "y"} & {line.name for line in overview.lines}
    assert display.text(overview)


def test_a_record_that_cannot_be_used_is_named_and_hides_no_others(study, tmp_path):
    bad = tmp_path / "random0-A9B-seed0"
    bad.mkdir()
    os.mkfifo(bad / record_files.RECORD)
    overview = study_status.look(study)
    assert overview.count("done") == 3
    assert bad.name not in {line.name for line in overview.lines}
    (reason,) = overview.unreadable
    assert "no regular file" in reason
    assert f"left out: The record {bad}" in display.text(overview).replace("\n", " ")
    with_none_other = tmp_path / "alone"
    shutil.copytree(study / "random0-baseA-seed0", with_none_other / "x")
    (with_none_other / "x" / record_files.RECORD).write_text("{")
    assert "is damaged" in display.text(study_status.look(with_none_other))
