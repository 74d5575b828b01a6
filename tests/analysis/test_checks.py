import pytest

import fake_study
from study_warnings import codes, found, text
from tftransfer import analysis
from tftransfer.analysis import checks
from tftransfer.experiment.config import PROTOCOL
from tftransfer.records import record_files, record_warnings


def test_a_full_balanced_study_has_only_one_note(tmp_path):
    fake_study.write_paper_like(tmp_path, split_seeds=2)
    assert [code for code in codes(tmp_path) if code != "protocol 1"] == ["budget"]


def test_a_control_that_trained_as_long_answers_the_question_of_budget(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "B4B", 0.56)
    assert "--budget=equal_total tells which" in text(tmp_path, "bases")
    assert "budget" in codes(tmp_path)
    of = fake_study.cell("B4B").longer_base
    record_files.write(tmp_path / of.name, fake_study.content(of, 0.55))
    assert "budget" not in codes(tmp_path)
    assert "tells which" not in text(tmp_path, "bases")


def test_other_recipes_are_named_with_what_differs(tmp_path):
    fake_study.write_paper_like(tmp_path, split_seeds=1)
    fake_study.write(tmp_path / "x", "A4B", 0.9, epochs=3.0)
    (tmp_path / "x" / "random0-A4B-seed0").rename(tmp_path / "other")
    (tmp_path / "x").rmdir()
    said = text(tmp_path, "other recipe")
    assert said.startswith("1 network of another recipe")
    assert "recipe.epochs: 3.0 there, 12.0 here" in said


def test_another_protocol_is_another_recipe(tmp_path):
    fake_study.write_paper_like(tmp_path, split_seeds=1)
    content = fake_study.content(fake_study.cell("A4B"), 0.9)
    content["identity"]["protocol"] = 99
    record_files.write(tmp_path / "later", content)
    assert f"protocol: 99 there, {PROTOCOL} here" in text(tmp_path, "other recipe")
    frame = analysis.networks(tmp_path)
    assert 0.9 not in set(frame.loc[frame["recipe"].eq(checks.main_recipe(frame)), "top1"])


@pytest.mark.parametrize(
    ("code", "expected", "change"),
    [
        (
            "at chance",
            "yet counted in all means: random0-A4B-seed0 (5.0 %, chance 5.0 %)",
            lambda c: c["integrity"].update(left_chance=False),
        ),
        ("leak", "was trained on classes", lambda c: c["integrity"].update(target_classes_seen_by_source=3)),
        ("unbalanced", "A4B", lambda c: c["integrity"].update(class_images={"validation": [1, 4]})),
        ("budget", "another number of steps", lambda c: c["integrity"].update(steps=7)),
        ("not frozen", "A4B", lambda c: c["integrity"].update(frozen_blocks_unchanged=False)),
        ("not tuned", "fine-tuned blocks did not move", lambda c: c["integrity"].update(fine_tuned_blocks_moved=False)),
        ("statistics", "--batch_norm", lambda c: c["integrity"].update(frozen_statistics_as_wanted=False)),
        ("leak?", "x.h5", lambda c: c["integrity"].update(pretrained_source={"file": "x.h5"},
                                                          target_classes_seen_by_source=None)),
        ("duplicates", "nearly equal 99 of its 1000 validation images", lambda c: c["integrity"].update(
            duplicates={"training": {"identical": 0, "near": 99, "first": []}})),
        ("overfitted", "A4B", lambda c: c["history"].update(top1=[0.9] * 4) or c["integrity"].update(left_chance=True)),
        ("diverged", "A4B", lambda c: c.update(status="diverged", result=dict.fromkeys(c["result"]))),
    ],
)  # fmt: skip
def test_every_code_of_a_networks_warning_reaches_the_report(tmp_path, code, expected, change):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    assert code not in codes(tmp_path)
    content = fake_study.content(fake_study.cell("A4B"), 0.05)
    change(content)
    record_files.write(tmp_path / content["name"], content)
    assert expected in " ".join(w.text for w in found(tmp_path) if w.code == code)


def test_damaged_unfinished_and_empty_folders_are_named(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / record_files.RECORD).write_text("{")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "events.out.tfevents.1").touch()
    assert codes(tmp_path) == ["unreadable", "unfinished", "empty"]
    assert "broken" in text(tmp_path, "unreadable")
    assert "begun" in text(tmp_path, "unfinished")


def test_a_base_that_was_trained_again_is_named(tmp_path):
    base = fake_study.write(tmp_path, "base", 0.5, target="B")
    content = fake_study.content(fake_study.cell("A4B"), 0.4)
    record_files.write(tmp_path / content["name"], content | {"reference": {"key": base.key, "weights": "9" * 64}})
    assert "random0-A4B-seed0" in text(tmp_path, "base retrained")


def test_the_papers_own_gaps_are_found():
    frame = analysis.networks("paper")
    said = " ".join(warning.text for warning in checks.warnings(frame))
    assert "AnB+ 0 with target A, 10 with B" in said
    assert "BnB+ 10 with target A, 0 with B" in said
    assert "no target in common" in said
    assert "nolearn_1_3" in said


def with_protocol(folder, protocol):
    """Gives all records of a study the same protocol."""
    for record in record_files.read_study(folder):
        content = {**record.content, "identity": {**record.identity, "protocol": protocol}}
        record_files.write(record.folder, content)


@pytest.mark.parametrize(("protocol", "splits", "named"), [(1, 2, True), (2, 2, False), (1, 1, False)])
def test_intervals_over_splits_that_share_initial_weights_are_doubted(tmp_path, protocol, splits, named):
    for split in range(splits):
        for seed in (0, 1):
            fake_study.write(tmp_path, "base", 0.5, split, target="B", seed=seed)
            fake_study.write(tmp_path, "A4B", 0.4 + 0.01 * split + 0.003 * seed, split, seed=seed)
    with_protocol(tmp_path, protocol)
    assert ("protocol 1" in codes(tmp_path)) == named
    if named:
        assert "intervals over splits are too narrow" in text(tmp_path, "protocol 1")


def test_a_control_above_its_base_by_one_pair_may_be_so_by_chance(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B", images_per_class=10)
    fake_study.write(tmp_path, "B4B", 0.52, images_per_class=10)
    said = text(tmp_path, "bases")
    assert (
        "random, 10 images per class, +2.0 percentage points at n = 4, without an interval, perhaps by chance" in said
    )


def test_networks_at_chance_that_no_mean_counts_are_said_to_be_so():
    counted, apart = (
        warning.text for warning in checks.warnings(analysis.networks("paper")) if warning.code == "at chance"
    )
    assert counted == "Not shown to be above chance, yet counted in all means: nolearn_1_3 (0.1 %, chance 0.1 %)."
    assert apart.startswith(
        "Not shown to be above chance, of other recipes and therefore in no mean: reduced-0005 (0.1 %"
    )


def test_longer_training_is_not_the_only_reason_for_a_control_above_its_base(tmp_path):
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        fake_study.write(tmp_path, "B4B", 0.53 + off, split)
    assert "Either the bases were not trained to convergence" in text(tmp_path, "bases")
    assert "or freezing keeps networks from overfitting" in text(tmp_path, "bases")


def test_no_code_is_left_out_of_the_test_above():
    (mark,) = test_every_code_of_a_networks_warning_reaches_the_report.pytestmark
    assert {case[0] for case in mark.args[1]} >= set(record_warnings.CODES)
