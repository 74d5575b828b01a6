"""What a sweep writes into its study's folder, and damaged files there."""

import json

import pytest

from planned_cells import cells
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid
from tftransfer.scheduling import display, study_status
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder


@pytest.mark.parametrize(
    "content", ['{"reason": "why"}', '{"reason": "why", "word": []}', '{"reason": 1, "word": "x"}']
)
def test_a_failure_without_a_word_that_is_known_is_a_failure(study, content):
    (study / ".sweep/failed/random0-B1B-seed0.json").write_text(content)
    assert study_status.look(study).named() == {"failed": ["random0-B1B-seed0"]}


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


def test_a_plan_is_read_as_it_was_written(tmp_path):
    asked = cells(Grid("AnB", "1", "B"))
    SweepFolder(tmp_path).write_plan(asked)
    planned = SweepFolder(tmp_path).plan()
    assert list(planned) == [cell.name for cell in asked]
    assert {cell["source"] for cell in planned.values()} == {None, "random0-baseA-seed0"}


def test_a_heartbeat_is_read_until_it_ends_and_a_log_stays_until_the_job_is_cleared(tmp_path):
    sweep_folder, heartbeat = SweepFolder(tmp_path), Heartbeat({"x": 0.5}, 1, 2, 3.0, 4.0, 5.0, "host 1", "")
    sweep_folder.write_heartbeat("job", heartbeat)
    (sweep_folder.jobs / "job.log").write_text("why")
    assert sweep_folder.heartbeats() == {"job": heartbeat}
    sweep_folder.end_heartbeat("job")
    assert sweep_folder.heartbeats() == sweep_folder.silent() == {}
    assert (sweep_folder.jobs / "job.log").exists()
    sweep_folder.clear("job")
    assert list(sweep_folder.jobs.iterdir()) == []


def test_a_failure_counts_for_its_recipe_until_it_is_forgotten(tmp_path):
    sweep_folder, (cell, *_) = SweepFolder(tmp_path), cells(Grid("base", targets="B"))
    sweep_folder.write_failure(cell, "needs 80 GB", "no memory")
    assert sweep_folder.failure(cell) == "needs 80 GB"
    assert sweep_folder.failure_word(cell.name) == "no memory"
    assert sweep_folder.failures() == {cell.name: "needs 80 GB"}
    other = type(cell)(cell.treatment, cell.split, Config(steps=20))
    assert sweep_folder.failure(other) is None, "another recipe"
    sweep_folder.forget_failure(cell.name)
    assert sweep_folder.failures() == {}
