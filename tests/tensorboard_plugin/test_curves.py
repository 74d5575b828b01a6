import dataclasses
import json

import pytest

import fake_runs
import fake_study
from tftransfer import analysis
from tftransfer.records import record_files
from tftransfer.tensorboard_plugin import curves
from tftransfer.tensorboard_plugin.folders import Folders


def write(study, networks):
    for cell in networks:
        record_files.write(study / cell.name, fake_runs.content(cell))


def read(study, reader=None):
    return (reader or curves.Curves()).read(Folders(str(study.parent)).all()[study.name])


def points(picture, label):
    return {p["n"]: p for line in picture["curves"] if line["label"] == label for p in line["points"]}


@pytest.fixture
def study(tmp_path):
    return tmp_path / "logdir" / "study"


def test_the_numbers_are_those_of_the_analysis(study):
    write(study, fake_runs.cells(blocks=(2, 5), split_seeds=(0, 1)))
    answer = read(study)
    (picture,) = answer["pictures"]
    effects = analysis.effects(analysis.networks(study)).set_index(["treatment", "n"])
    assert [line["label"] for line in picture["curves"]] == ["AnB", "AnB+", "BnB", "BnB+"], (
        "mirrored networks count too"
    )
    for line in picture["curves"]:
        for point in line["points"]:
            row = effects.loc[(line["label"], point["n"])]
            assert point["networks"] == row["networks"] == 4
            assert point["top1"]["value"] == row["top1"]
            assert [point["minus_base"][k] for k in ("value", "low", "high")] == [*row[["minus_base", "low", "high"]]]
            assert point["top1"]["low"] < point["top1"]["value"] < point["top1"]["high"]
            assert point["over"] == "2 splits"
    (base,) = picture["bases"]
    assert (base["label"], base["networks"], base["minus_base"]["value"]) == ("base", 4, 0)
    assert base["top1"]["value"] == pytest.approx(effects.loc[("base", 0), "top1"])
    assert picture["chance"] == pytest.approx(0.05)
    assert answer["finished"] == 36
    json.dumps(answer, allow_nan=False)


def test_one_pair_has_no_interval(study):
    write(study, fake_runs.cells(["AnB"], [4]))
    point = points(read(study)["pictures"][0], "AnB")[4]
    assert point["minus_base"]["low"] is point["top1"]["high"] is None
    assert point["over"] == ""


def test_the_level_of_the_base_is_that_of_the_halves_which_are_compared(study):
    write(study, fake_runs.cells(["AnB"], [4]))
    (base,) = read(study)["pictures"][0]["bases"]
    assert base["top1"]["value"] == fake_runs.top1(fake_runs.cells([])[1]), "baseB alone: no network has target A"
    write(study, fake_runs.cells(["BnA"], [4]))
    assert read(study)["pictures"][0]["bases"][0]["networks"] == 2


def test_bases_alone_are_a_picture_without_curves(study):
    write(study, fake_runs.cells([]))
    (picture,) = read(study)["pictures"]
    assert picture["curves"] == []
    assert picture["bases"][0]["networks"] == 2


def test_networks_that_do_not_compare_are_pictures_of_their_own(study):
    write(study, fake_runs.cells(["AnB"], [1, 2]))
    write(study, fake_runs.cells(["AnB"], [1], images_per_class=5))
    assert [picture["label"] for picture in read(study)["pictures"]] == ["all images", "5 images per class"]


def test_networks_of_all_classes_are_apart_from_those_of_halves(study):
    write(study, fake_runs.cells(["AnB"], [1]))
    fake_study.write(study, "base", 0.5, target="all")
    fake_study.write(study, "R1all", 0.4)
    halves, everything = read(study)["pictures"]
    assert (halves["label"], everything["label"]) == ("random halves", "all classes")
    assert points(everything, "RnB")[1]["minus_base"]["value"] == pytest.approx(-0.1)


def test_variants_of_a_treatment_are_lines_of_their_own(study):
    write(study, fake_runs.cells(["AnB"], [1]))
    for kept in (0, 2):
        fake_study.write(study, "A3B", 0.5, preserve=kept)
    assert [line["label"] for line in read(study)["pictures"][0]["curves"]] == ["AnB", "AnB, 2 preserved"]


def test_only_changed_records_are_read_again(study, monkeypatch):
    write(study, fake_runs.cells(["AnB"], [1, 2]))
    opened, real = [], record_files.read
    monkeypatch.setattr(record_files, "read", lambda path: opened.append(path.name) or real(path))
    reader = curves.Curves()
    read(study, reader)
    assert len(opened) == 4
    opened.clear()
    assert read(study, reader)["finished"] == 4
    assert opened == []
    (new,) = fake_runs.cells(["BnB"], [1])[2:]
    write(study, [new])
    assert read(study, reader)["finished"] == 5
    assert opened == [new.name]


def test_a_record_that_is_gone_is_forgotten(study):
    write(study, fake_runs.cells(["AnB"], [1]))
    reader = curves.Curves()
    assert read(study, reader)["finished"] == 3
    (study / fake_runs.cells(["AnB"], [1])[2].name / "record.json").unlink()
    assert read(study, reader)["finished"] == 2


DAMAGE = {
    "cut off": lambda text: text[:200],
    "binary": lambda text: "\0" * 50,
    "not UTF-8": lambda text: b"\xff\xfe" + text.encode(),
    "deep": lambda text: "[" * 100_000,
    "pretrained": lambda text: '{"accuracy": 1}',
    "no recipe": lambda text: rehash(text, lambda c: c["identity"].pop("recipe")),
    "strange treatment": lambda text: rehash(text, lambda c: c["identity"]["treatment"].update(colour="red")),
    "top-1 is text": lambda text: rehash(text, lambda c: c["result"].update(top1="much")),
    "seed is a list": lambda text: rehash(text, lambda c: c["identity"].update(seed=[1])),
    "split is a number": lambda text: rehash(text, lambda c: c["identity"].update(split=3)),
    "n is text": lambda text: rehash(text, lambda c: c["identity"]["treatment"].update(n="<b>")),
}


def rehash(text, change):
    whole = json.loads(text)
    change(whole)
    return json.dumps(whole | {"key": record_files.key(whole["identity"])})


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_foreign_records_are_named_and_the_others_shown(study, damage):
    networks = fake_runs.cells(["AnB"], [1, 2])
    write(study, networks)
    path = study / networks[2].name / "record.json"
    bad = DAMAGE[damage](path.read_text())
    path.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    answer = read(study)
    (problem,) = answer["problems"]
    assert str(path) in problem
    assert list(points(answer["pictures"][0], "AnB")) == [2]
    json.dumps(answer, allow_nan=False)


def test_a_study_of_damaged_records_only_has_no_picture(study):
    (study / "x").mkdir(parents=True)
    (study / "x" / "record.json").write_text("{")
    answer = read(study)
    assert (answer["pictures"], answer["finished"], len(answer["problems"])) == ([], 0, 1)


def test_diverged_networks_are_left_out_by_name(study):
    networks = fake_runs.cells(["AnB"], [1, 2])
    write(study, networks)
    record_files.write(study / networks[2].name, fake_study.content(networks[2], None))
    answer = read(study)
    assert answer["excluded"] == ["random0-A1B-seed0: diverged"]
    assert list(points(answer["pictures"][0], "AnB")) == [2]


def test_the_length_of_training_is_known_where_it_is_the_same_for_all(study):
    networks = fake_runs.cells(["AnB"], [1])
    write(study, networks)
    reader = curves.Curves()
    read(study, reader)
    assert reader.steps == 400
    content = fake_runs.content(networks[2])
    content["integrity"]["steps"] = 300
    record_files.write(study / networks[2].name, content)
    read(study, reader)
    assert reader.steps is None


def test_lines_of_preserved_blocks_and_pretrained_weights_are_named_and_not_plain(study):
    write(study, fake_runs.cells(["AnB"], [3]))
    fake_study.write(study, "A3B", 0.5, preserve=2, release_step=100)
    for label in ("A3B", "A3B+"):
        of = fake_study.cell(label)
        of = dataclasses.replace(of, treatment=dataclasses.replace(of.treatment, pretrained="1a2b3c4d" * 8))
        record_files.write(study / of.name, fake_study.content(of, 0.4))
    found = {(line["label"], line["treatment"], line["plain"]) for line in read(study)["pictures"][0]["curves"]}
    assert found == {
        ("AnB", "AnB", True),
        ("AnB, 2 preserved, released at step 100", "AnB", False),
        ("AnB of weights 1a2b3c4d", "AnB", False),
        ("AnB+ of weights 1a2b3c4d", "AnB+", False),
    }


def test_intervals_of_accuracies_end_where_accuracies_do(study):
    for split, top1 in ((0, 0.01), (1, 0.2)):
        fake_study.write(study, "base", 1 - top1, split, target="B")
        fake_study.write(study, "A3B", top1, split)
    (picture,) = read(study)["pictures"]
    top1 = points(picture, "AnB")[3]["top1"]
    assert (top1["low"], top1["value"]) == (0, pytest.approx(0.105))
    assert picture["bases"][0]["top1"]["high"] == 1
    assert points(picture, "AnB")[3]["minus_base"]["low"] < -1, "differences are not cut"


def test_hostile_names_and_reasons_are_plain_short_text(study):
    write(study, fake_runs.cells(["AnB"], [1]))
    cell = fake_runs.cells(["AnB"], [2])[2]
    hostile = "\x1b[2J\u202e<img src=x onerror=alert(1)>" + "x" * 1_000_000
    content = fake_study.content(cell, None, name=hostile)
    content["identity"]["split"] = hostile
    record_files.write(study / "strange", content)
    (study / "damaged \x1b[31m").mkdir()
    (study / "damaged \x1b[31m" / "record.json").write_text("{")
    text = json.dumps(read(study), ensure_ascii=False)
    assert len(text) < 20_000
    assert text.isprintable()
    assert "\\\\x1b[2J" in text


def test_policies_are_lines_of_their_own_with_their_meaning(study):
    fake_study.write_pair(study)
    (picture,) = read(study)["pictures"]
    lines = {line["label"]: line for line in picture["curves"]}
    probe = lines["A:kdn:B of weights 1a2b3c4d"]
    assert not probe["plain"]
    assert probe["meaning"] == "first n blocks kept, the rest dropped (linear probe), from weights 1a2b3c4d"
    assert [point["n"] for point in probe["points"]] == [1, 2, 3, 4, 5, 6]
    assert lines["A:n2k5n1:B of weights 1a2b3c4d"]["points"][0]["over"] == "3 seeds"
