"""Warnings about a network, each with a code and a sentence."""

import pytest

import fake_study
from tftransfer.records import record_files, record_warnings


def content(label="A4B", top1=0.5, **integrity):
    whole = fake_study.content(fake_study.cell(label), top1)
    return whole | {"integrity": whole["integrity"] | integrity}


@pytest.mark.parametrize(
    ("integrity", "code", "text"),
    [
        ({"left_chance": False}, "at chance", "random0-A4B-seed0 is not shown to be above chance: top-1 50.0 %"),
        ({"frozen_blocks_unchanged": False}, "not frozen", "frozen blocks changed"),
        ({"frozen_statistics_as_wanted": False}, "statistics", "not as --batch_norm says"),
        ({"fine_tuned_blocks_moved": False}, "not tuned", "did not move"),
        (
            {"target_classes_seen_by_source": 2},
            "leak",
            "random0-A4B-seed0: its source baseA was trained on 2 classes of its target",
        ),
        (
            {"class_images": {"training": [10, 31], "validation": [5, 15]}},
            "unbalanced",
            "random0-A4B-seed0 is unbalanced: its classes have 10 to 31 training images, so top-1 mostly "
            "reflects the large ones; the mean over classes is 50.0 %",
        ),
        ({"class_images": {"training": [10, 10], "validation": [0, 1]}}, "unbalanced", "0 to 1 validation images"),
        (
            {"pretrained_source": {"file": "x.h5"}, "target_classes_seen_by_source": None},
            "leak?",
            "which classes x.h5 was trained on is not known",
        ),
        (
            {"pretrained_source": {"file": "x.h5", "classes_known": True}, "target_classes_seen_by_source": None},
            "leak?",
            "which classes x.h5 was trained on cannot be compared",
        ),
        (
            {"validation_images_trained_on": {"by_itself": 10, "by_source": 11}},
            "leak",
            "its source was trained on copies of 11 of its 1000 validation images",
        ),
        (
            {"validation_images_trained_on": {"by_itself": 11}},
            "leak",
            "random0-A4B-seed0: it was trained on copies of 11 of its 1000 validation images",
        ),
        (
            {
                "validation_images_trained_on": {"by_itself": 11},
                "duplicates": {
                    "training": {
                        "identical": 11,
                        "near": 0,
                        "first": [["val/n", "train/m", "near"]] + [["val/a", "train/b", "identical"]] * 4,
                    }
                },
            },
            "leak",
            "leaves them out (val/a = train/b, val/a = train/b, val/a = train/b ...)",
        ),
        (
            {
                "duplicates": {
                    "training": {
                        "identical": 5,
                        "near": 6,
                        "first": [["val/a", "train/b", "identical"], ["val/\x1b", "train/b", "near"]],
                    }
                }
            },
            "duplicates",
            r"it was trained on images that nearly equal 6 of its 1000 validation images; --exclude_duplicates leaves "
            r"them out (val/\x1b = train/b)",
        ),
        (
            {"duplicates": {"source": {"identical": 0, "near": 11, "first": []}}},
            "duplicates",
            "its source was trained on images that nearly equal 11 of its 1000 validation images",
        ),
        (
            {"duplicates": {"classes": {"identical": 50, "near": 1, "first": [["train/a/1", "train/b/2", "near"]]}}},
            "duplicates",
            "51 of its 5000 images have copies in another class, 50 of them byte for byte; remove the wrong ones "
            "(train/a/1 = train/b/2)",
        ),
    ],
    ids=str,
)
def test_each_fault_has_a_word_and_a_sentence(integrity, code, text):
    (warning,) = record_warnings.warnings_of(content(**integrity))
    assert warning.code == code
    assert text in warning.text
    assert "random0-A4B-seed0" in warning.text


def test_a_sound_network_has_none():
    balanced = {"training": [10, 30], "validation": [5, 5]}
    assert record_warnings.warnings_of(content(class_images=balanced)) == []
    few = {"training": {"identical": 10, "near": 0, "first": []}, "classes": {"identical": 25, "near": 25, "first": []}}
    assert record_warnings.warnings_of(content(duplicates=few)) == []
    unknown = {name: part | {"near": None} for name, part in few.items()}
    assert record_warnings.warnings_of(content(duplicates=unknown)) == []
    assert record_warnings.warnings_of(content("B4B", target_classes_seen_by_source=20)) == [], "its own classes"
    assert record_warnings.warnings_of(content("S4B", target_classes_seen_by_source=20)) == []


def learnt(training, validation, recipe=(), cost=(), left_chance=True):
    """Returns a network's content with other scores, recipe and cost."""
    whole = content(top1=validation, left_chance=left_chance)
    whole["history"]["top1"][-1] = training
    whole["identity"] |= {"recipe": whole["identity"]["recipe"] | dict(recipe)}
    return whole | {"cost": whole["cost"] | dict(cost)}


@pytest.mark.parametrize(
    ("found", "code", "text"),
    [
        (
            learnt(0.96, 0.21, {"batch_norm_momentum": 0.99}),
            "overfitted",
            "training top-1 96.0 %, validation 21.0 %. Moving statistics of batch normalisation have not settled in "
            "400 steps with --batch_norm_momentum=0.99. Try --batch_norm_momentum=0.9",
        ),
        (learnt(0.96, 0.21, {"batch_norm_momentum": 0.0}), "overfitted", "have not settled in 400 steps"),
        (
            learnt(0.96, 0.21, {"batch_norm_momentum": 0.9}, {"train_images": 1000}),
            "overfitted",
            "has 50 training images per class: give it more, or try --weight_decay=0.005, fewer --epochs. If not, its "
            "batch normalisation lags: --learning_rate=0.005",
        ),
        (learnt(0.96, 0.21, {"augment": "none"}), "overfitted", "try --augment=crop_mirror, --weight_decay=0.005"),
        (
            learnt(0.06, 0.05, cost={"train_steps": 12}, left_chance=False),
            "at chance",
            "is not shown to be above chance: top-1 5.0 %, chance 5.0 %; on 1000 validation images it takes 7.6 %; "
            "after only 12 steps. Try --steps=600 or more",
        ),
        (
            learnt(0.06, 0.05, left_chance=False),
            "at chance",
            "it takes 7.6 %; on its training images 6.0 %. Try --learning_rate=0.005 or 0.045",
        ),
        (learnt(0.96, 0.05, {"batch_norm_momentum": 0.999}, left_chance=False), "at chance", "have not settled"),
    ],
    ids=str,
)
def test_a_low_score_comes_with_its_likely_cause_and_what_to_try(found, code, text):
    (warning,) = record_warnings.warnings_of(found)
    assert warning.code == code
    assert text in warning.text


def test_few_validation_images_are_named_where_the_bar_is_high():
    few = learnt(0.70, 0.64, {}, {"train_steps": 12, "validation_images": 59}, left_chance=False)
    few["result"]["chance"] = 0.458
    (warning,) = record_warnings.warnings_of(few)
    assert warning.text == (
        "random0-A4B-seed0 is not shown to be above chance: top-1 64.0 %, chance 45.8 %; on 59 validation images it "
        "takes 69.5 %, so these may be too few; on its training images 70.0 %. Try more validation images, or more "
        "training images per class"
    )
    few["cost"]["validation_images"], few["result"]["chance"] = 5, 0.5
    (warning,) = record_warnings.warnings_of(few)
    assert warning.text.endswith("5 validation images are too few to show it. Give it more of them")


def test_a_gap_is_no_fault_where_it_is_small_or_where_few_images_are_the_subject():
    assert record_warnings.warnings_of(learnt(0.9, 0.6)) == []
    few = learnt(0.96, 0.21)
    few["identity"] |= {"images_per_class": 10}
    assert record_warnings.warnings_of(few) == []


def test_the_gravest_comes_first():
    found = content(
        left_chance=False, target_classes_seen_by_source=1, class_images={"training": [1, 9]},
        frozen_blocks_unchanged=False,
    )  # fmt: skip
    assert record_warnings.codes(found) == ("not frozen", "leak", "at chance", "unbalanced")


def test_a_diverged_network_is_not_said_to_be_at_chance():
    assert record_warnings.codes(content(top1=None)) == ("diverged",)


def test_what_older_records_do_not_say_is_no_fault(tmp_path):
    old = content() | {"integrity": {}}
    record = record_files.write(tmp_path / "x", old)
    assert record_warnings.warnings_of(record.content) == []
    assert record_warnings.sound(record)
