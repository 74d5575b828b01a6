import dataclasses

import pytest
from test_scheduler import cells, write_record

from tftransfer.grids import Grid
from tftransfer.records import DIVERGED
from tftransfer.scheduling import overview, view
from tftransfer.scheduling.board import Beat, Board

NOW = 1000.0


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two bases and a frozen network done, two networks running, one failed, one waiting."""
    monkeypatch.setattr("time.time", lambda: NOW)
    asked = cells(Grid("AnB,BnB", "1-2", "B"), Grid("AnB", "3", "B"))
    board = Board(tmp_path)
    board.write_plan(asked)
    by_label = {cell.treatment.label: cell for cell in asked}
    for label in ("baseA", "baseB", "A3B"):
        write_record(tmp_path, by_label[label])
    beat = Beat({by_label["A1B"].name: 0.25, by_label["A2B"].name: None}, 50, 200, 400.0, NOW - 3, NOW - 63, "host 1")
    board.write_beat("job", beat)
    board.write_failure(by_label["B1B"], "no memory")
    return tmp_path


def test_every_network_has_one_state(study):
    found = overview.look(study)
    assert {state: found.count(state) for state in ("done", "running", "waiting", "failed")} == {
        "done": 3, "running": 2, "waiting": 1, "failed": 1,
    }  # fmt: skip
    assert found.images_per_second == 800.0, "of both networks together"
    assert found.seconds_left == pytest.approx(60 * 3 + 1), "the rest of the running ones, and the cost of a done one"


def test_the_table_shows_accuracies_by_treatment_and_n(study):
    lines = view.text(overview.look(study)).splitlines()
    assert lines[0].endswith(
        "3 done, 2 running, 1 waiting, 1 failed of 7 networks; 800 images/s over all networks; about 3 min left"
    )
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in lines if "│" in line
    }
    assert rows == {
        "base": ["50.0 %", "", "", ""],
        "BnB": ["", "failed", "-", ""],
        "AnB": ["", "~25.0 %", "-", "50.0 %"],
    }
    assert "failed: random0-B1B-seed0: no memory" in lines[-1]


def test_jobs_that_fell_silent_are_not_running(study, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + 600)
    assert overview.look(study).count("running") == 0


def test_diverged_networks_count_as_failed(study):
    write_record(study, cells(Grid("AnB", "1", "B"))[2], DIVERGED)
    assert overview.look(study).count("failed") == 2


def test_no_time_is_told_before_a_network_of_each_kind_is_done(study):
    (study / "random0-A3B-seed0/record.json").unlink()
    assert overview.look(study).seconds_left is None


def test_a_study_without_a_plan_is_told_by_its_records(study):
    (study / ".sweep/plan.json").write_text("{damaged", encoding="utf-8")
    assert len(overview.look(study).lines) == 3


def test_no_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no study"):
        overview.look(tmp_path / "nothing")


def test_records_are_read_once(study, monkeypatch):
    found = {}
    overview.look(study, found)
    monkeypatch.setattr("tftransfer.records.read", pytest.fail)
    assert overview.look(study, found).count("done") == 3


@pytest.mark.parametrize(("seconds", "text"), [(50, "50 s"), (800, "13 min"), (7200, "2.0 h"), (400_000, "4.6 days")])
def test_durations(seconds, text):
    assert view.duration(seconds) == text


@pytest.mark.parametrize("seconds", [-86400, 86400])
def test_a_clock_that_jumps_neither_hides_what_lives_nor_keeps_what_is_gone(study, monkeypatch, seconds):
    monkeypatch.setattr("time.time", lambda: NOW + seconds)
    assert overview.look(study).count("running") == 0, "its last sign is not of now"
    board = Board(study)
    (beat,) = Board(study).beats(NOW).values()
    board.write_beat("job", dataclasses.replace(beat, time=NOW + seconds + 1, started=NOW + seconds - 59))
    assert overview.look(study).count("running") == 2


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "{", '{"time": "now"}', '{"networks": [], "step": 1, "steps": 1, "images_per_second": 1, "time": 1000,'
     ' "started": 1, "where": ""}', '{"networks": {"x": "y"}, "step": 1, "steps": 1, "images_per_second": null, "time":'
     ' 1000, "started": 1, "where": ""}'],
)  # fmt: skip
def test_damaged_signs_of_life_and_plans_are_left_out(study, content):
    (study / ".sweep/jobs/job.beat.json").write_text(content)
    assert overview.look(study).count("running") == 0
    (study / ".sweep/plan.json").write_text(f'{{"x": {{"treatment": {content}}}, "y": {{"treatment": {{"n": "1"}}}}}}')
    found = overview.look(study)
    assert len(found.lines) == found.count("done"), "the networks that have records"
