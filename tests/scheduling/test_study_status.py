import os
import pathlib
import shutil

import pytest

from planned_cells import cells, write_record
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files
from tftransfer.records.record_files import DIVERGED
from tftransfer.scheduling import display, study_status
from tftransfer.scheduling.sweep_folder import SweepFolder

NOW = 1000.0
ROOT = pathlib.Path(__file__).parent.parent.parent


def test_every_network_has_one_state(study):
    overview = study_status.look(study)
    assert {state: overview.count(state) for state in ("done", "running", "waiting", "failed")} == {
        "done": 3, "running": 2, "waiting": 1, "failed": 1,
    }  # fmt: skip
    assert overview.images_per_second == 800.0, "of both networks together"
    assert overview.seconds_left == pytest.approx(60 * 3 + 1), (
        "the rest of the running ones, and the cost of a done one"
    )


def test_networks_whose_source_cannot_serve_are_not_waiting(study):
    base = next(cell for cell in cells(Grid("BnB", "2", "B")) if cell.treatment.is_base)
    write_record(study, base, DIVERGED)
    overview = study_status.look(study)
    assert (overview.count("waiting"), overview.named()["skipped"]) == (0, ["random0-B2B-seed0"])
    assert overview.seconds_left is not None
    assert "skipped: random0-B2B-seed0" in display.text(overview).splitlines()


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
