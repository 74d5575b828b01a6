import pathlib
import types

import pytest

import fake_study
from tftransfer import analysis
from tftransfer.execution import score_table
from tftransfer.experiment import splits
from tftransfer.records import record_files


def network(label, top1, target=None, validation=(50, 50), images=1000, chance=0.05, trained_here=True):
    cell = fake_study.cell(label, target=target)
    whole = fake_study.content(cell, top1)
    whole["result"] = whole["result"] | {"chance": chance}
    whole["integrity"]["class_images"] = {"training": [200, 200], "validation": list(validation)}
    whole["cost"] = whole["cost"] | {"validation_images": images}
    return types.SimpleNamespace(
        record=record_files.Record(pathlib.Path("runs/study") / cell.name, whole), trained_here=trained_here
    )


def text(*networks):
    return score_table.text(splits.random_split(40, 0), pathlib.Path("runs/study"), "folder", networks, 12.0)


def test_each_half_has_its_own_chance_and_its_own_number_of_validation_images():
    base_a = network("base", 0.5, "A", (14, 27), 59, 0.458)
    base_b = network("base", 0.6, "B", (16, 20), 1049, 0.408)
    said = text(base_a, base_b, network("A4B", 0.55, None, (16, 20), 1049, 0.408)).splitlines()
    rows = [line for line in said if line.startswith("chance")]
    assert rows == [
        "chance, A           45.8 %   of 59 validation images, 14 to 27 a class: the share of the largest class",
        "chance, B           40.8 %   of 1,049 validation images, 16 to 20 a class: the share of the largest class",
    ]


def test_of_balanced_classes_chance_is_one_class_of_all():
    said = text(network("base", 0.6, "B"), network("B4B", 0.7))
    assert "\nchance, B            5.0 %   of 1,000 validation images, 50 a class\n" in said
    assert "largest" not in said


def test_records_that_do_not_say_how_many_images_a_class_has_are_shown():
    old = network("base", 0.6, "all")
    del old.record.content["integrity"]["class_images"]
    assert "\nchance, all          5.0 %   of 1,000 validation images\n" in text(old)


def test_the_end_says_how_to_predict_with_the_network_whose_weights_were_kept(tmp_path):
    base, asked = network("base", 0.6, "B"), network("B4B", 0.7)
    assert "predict" not in text(base, asked), "nothing was kept"
    for one in (base, asked):
        one.record = record_files.Record(tmp_path / "study" / one.record.name, one.record.content)
        one.record.folder.mkdir(parents=True)
    for one in (base, asked):
        one.record.content["weights"]["kept"] = True
        (one.record.folder / record_files.WEIGHTS).write_bytes(b"x")
        last = text(base, asked).splitlines()[-1]
        assert last == f"predict    model = tftransfer.load({str(one.record.folder)!r})"


def test_weights_of_a_base_that_are_gone_are_named(tmp_path):
    base = network("base", 0.6, "B")
    base.record.content["weights"] = base.record.content["weights"] | {"kept": True}
    assert f"weights    those of {base.record.name} are gone; --force trains it again" in text(base)
    base.record.content["weights"] |= {"kept_as": "best"}
    assert "are gone" not in text(base), "a better one took its place"


@pytest.mark.parametrize(("classes", "shown"), [(20, "60.0 %"), (5, "")])
def test_top_5_stands_in_tables_only_where_it_tells_something(tmp_path, classes, shown):
    cell = fake_study.cell("A4B")
    content = fake_study.content(cell, 0.4)
    content["identity"]["data"]["class_count"] = classes
    content["result"]["minus_base"] = -0.1
    record = record_files.write(tmp_path / "study" / cell.name, content)
    text = score_table.text(
        cell.split, tmp_path, "motifs", [types.SimpleNamespace(record=record, trained_here=True)], 1.0
    )
    (line,) = [line for line in text.splitlines() if line.startswith("A4B")]
    assert line.split("  ")[0] == "A4B"
    assert ("60.0 %" in line) == bool(shown)
    assert line.index("-10.0 points") + len("-10.0 points") == 18 + 8 + 9 + 15, "columns stay where they are"
    assert analysis.networks(tmp_path / "study")["top5"].isna().all() == (not shown)
