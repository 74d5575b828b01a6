"""What is wrong with a network, in a word and in a sentence."""

import pytest

import fake_study
from tftransfer import findings, records


def content(label="A4B", top1=0.5, **integrity):
    whole = fake_study.content(fake_study.cell(label), top1)
    return whole | {"integrity": whole["integrity"] | integrity}


@pytest.mark.parametrize(
    ("integrity", "word", "text"),
    [
        ({"left_chance": False}, "at chance", "random0-A4B-seed0 did not leave chance: top-1 50.0 %"),
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
            "random0-A4B-seed0 is unbalanced: its classes have 10 to 31 training images, so that top-1 tells most of "
            "the large ones; the mean over classes is 50.0 %",
        ),
        ({"class_images": {"training": [10, 10], "validation": [0, 1]}}, "unbalanced", "0 to 1 validation images"),
        (
            {"foreign_source": {"file": "x.h5"}, "target_classes_seen_by_source": None},
            "leak?",
            "which classes x.h5 was trained on is not known",
        ),
        (
            {"foreign_source": {"file": "x.h5", "classes_known": True}, "target_classes_seen_by_source": None},
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
    ],
    ids=str,
)
def test_each_fault_has_a_word_and_a_sentence(integrity, word, text):
    (fault,) = findings.named(content(**integrity))
    assert fault.word == word
    assert text in fault.text
    assert "random0-A4B-seed0" in fault.text


def test_a_sound_network_has_none():
    balanced = {"training": [10, 30], "validation": [5, 5]}
    assert findings.named(content(class_images=balanced)) == []
    assert findings.named(content("B4B", target_classes_seen_by_source=20)) == [], "its own classes"
    assert findings.named(content("S4B", target_classes_seen_by_source=20)) == []


def test_the_gravest_comes_first():
    found = content(
        left_chance=False, target_classes_seen_by_source=1, class_images={"training": [1, 9]},
        frozen_blocks_unchanged=False,
    )  # fmt: skip
    assert findings.words(found) == ("not frozen", "leak", "at chance", "unbalanced")


def test_a_diverged_network_is_not_said_to_be_at_chance():
    assert findings.words(content(top1=None)) == ("diverged",)


def test_what_older_records_do_not_say_is_no_fault(tmp_path):
    old = content() | {"integrity": {}}
    record = records.write(tmp_path / "x", old)
    assert findings.faults(record) == []
    assert findings.sound(record)
