"""The table, the headline and the lines of a sweep."""

import pytest

from planned_cells import cells, write_record
from tftransfer.experiment.grids import Grid
from tftransfer.records import record_files
from tftransfer.records.record_files import DIVERGED
from tftransfer.scheduling import display, study_status
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder

NOW = 1000.0


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
        if cell.name != "random1-baseA-seed0":
            write_score(tmp_path, cell, 0.5, leads.get(cell.name, 0.0))
    assert table(tmp_path)[1] == [["base", "50.0 %", ""], ["BnB", "", "50.0 % (+3.0 of 1)"]]


def test_a_base_that_was_trained_later_is_subtracted(tmp_path):
    for cell in cells(Grid("BnB", "1", "A")):
        write_score(tmp_path, cell, 0.5 if cell.treatment.is_base else 0.52, 0.0 if cell.treatment.is_base else None)
    assert table(tmp_path)[1] == [["base", "50.0 %", ""], ["BnB", "", "52.0 % (+2.0)"]]


def test_policies_are_rows_by_family_and_bases_share_no_column_with_them(tmp_path):
    asked = cells(Grid("A:k1t6n1:B,A:k2t5n1:B,A:n2k5n1:B,AnB", "1", "B"))
    for cell in asked:
        write_score(tmp_path, cell, 0.5, 0.0)
    lines, rows = table(tmp_path)
    assert any("base, n = 0" in line and "n = 2" in line for line in lines)
    assert [row[0] for row in rows] == ["base", "AnB", "A:ktn:B", "A:n2k5n1:B"]


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


def test_jobs_that_fell_silent_are_named_and_not_running(study, later):
    later(600)
    overview = study_status.look(study)
    assert (overview.count("running"), overview.count("silent"), overview.count("waiting")) == (0, 2, 1)
    lines, rows = table(study)
    assert "3 done, 0 running, 2 silent, 1 waiting, 1 failed" in lines[0]
    assert "silent: random0-A1B-seed0, random0-A2B-seed0: no sign of life for 600 s" in lines
    assert rows[-2][:3] == ["AnB", "", "~25.0 %"]


@pytest.mark.parametrize(("seconds", "text"), [(50, "50 s"), (800, "13 min"), (7200, "2.0 h"), (400_000, "4.6 days")])
def test_durations(seconds, text):
    assert display.duration(seconds) == text
