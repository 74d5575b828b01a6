"""Whose weights a sweep keeps."""

import pytest

import fake_study
from tftransfer.execution import best_weights
from tftransfer.records import record_files


def write(study, label, top1, kept_as=best_weights.BEST, split_seed=0, target=None, images_per_class=0):
    of = fake_study.cell(label, split_seed, target, images_per_class=images_per_class)
    weights = {"kept": True, "sha256": "2" * 64} | ({"kept_as": kept_as} if kept_as else {})
    (study / of.name).mkdir(parents=True)
    (study / of.name / record_files.WEIGHTS).write_bytes(b"weights")
    record_files.write(study / of.name, fake_study.content(of, top1) | {"weights": weights})


def kept(study):
    return sorted(path.parent.name for path in study.glob(f"*/{record_files.WEIGHTS}"))


def test_the_best_of_each_target_stays_and_bases_and_what_was_asked_for(tmp_path):
    write(tmp_path, "A4B", 0.5)
    write(tmp_path, "A5B", 0.6)
    write(tmp_path, "B4A", 0.3)
    write(tmp_path, "A4B", 0.4, split_seed=1)
    write(tmp_path, "base", 0.1, kept_as=None, target="B")
    write(tmp_path, "A6B", 0.2, kept_as=None)
    stay = best_weights.prune(tmp_path)
    names = ["random0-B4A-seed0", "random0-A5B-seed0", "random1-A4B-seed0"]
    assert [record.name for record in stay] == names
    assert kept(tmp_path) == sorted([*names, "random0-baseB-seed0", "random0-A6B-seed0"])
    gone = record_files.read(tmp_path / "random0-A4B-seed0")
    assert gone.weights_file is None, "though its record was written while the file was there"
    assert best_weights.prune(tmp_path) == stay, "again it changes nothing"


@pytest.mark.parametrize("order", [["A4B", "A5B", "B5B"], ["B5B", "A5B", "A4B"], ["A5B", "A4B", "B5B"]])
def test_of_equal_networks_the_same_one_stays_in_whatever_order_they_came(tmp_path, order):
    for label in order:
        write(tmp_path, label, 0.5)
        best_weights.prune(tmp_path)
    assert kept(tmp_path) == ["random0-B5B-seed0"]


def test_a_better_one_without_weights_removes_nothing(tmp_path):
    write(tmp_path, "A4B", 0.5)
    write(tmp_path, "A5B", 0.9)
    (tmp_path / "random0-A5B-seed0" / record_files.WEIGHTS).unlink()
    best_weights.prune(tmp_path)
    assert kept(tmp_path) == ["random0-A4B-seed0"]


def test_a_damaged_record_beside_them_ends_nothing(tmp_path):
    write(tmp_path, "A4B", 0.5)
    write(tmp_path, "A5B", 0.6)
    write(tmp_path, "A6B", 0.7)
    (tmp_path / "random0-A6B-seed0" / record_files.RECORD).write_text("{")
    best_weights.prune(tmp_path)
    assert kept(tmp_path) == ["random0-A5B-seed0", "random0-A6B-seed0"], "nothing is known of it, so it stays"
