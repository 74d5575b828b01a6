import pytest

import fake_study
from tftransfer.records import record_files
from tftransfer.reporting import collected, sentences


def said(study):
    text = " ".join(sentences.summary(collected.collect(str(study), [])))
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def test_the_papers_summary():
    text = said("paper")
    for part in (
        "136 networks of CaffeNet",
        "the 8 bases that the other networks are compared with reach 62.5 % top-1 on average (61.5 % to 63.4 %)",
        "costs most at n = 5: -2.97 percentage points (95 % interval for all 7 n together -3.59 to -2.36, over 4 "
        "splits)",
        "costs most at n = 7: -8.24 percentage points",
        "is significant (95 % intervals for all n together) at n = 5 to 7: features of the first 5 blocks are specific "
        "to their half; at n = 1 to 4 it is not",
        "Of these two losses, specificity is the larger at n = 6, 7; at n = 1 to 5 the data do not decide",
        "score 0.97 percentage points above their own base, on average over n = 1 to 7",
        "scores 0.97 percentage points above its own: a difference of 0.00 percentage points",
        "No AnB+ and BnB+ networks share a target, split, seed and n here",
        "With target B, the best of 42 networks (4 splits, whose halves are not equally difficult) is A3B+ (random0",
        "64.8 % top-1, 1.35 percentage points above its own base; the 2 networks of AnB+, n = 3 with this target score "
        "1.30 percentage points above",
        "With all classes, the best of 8 networks is baseall (all, seed 0): 57.6 % top-1.",
        "-25.0 against -8.3 percentage points",
        "Networks with random frozen filters score 8.5 percentage points below the base",
        "read the warnings below: Table 1, at chance, balance.",
    ):
        assert part in text


@pytest.mark.parametrize("label", [None, "A4B"])
def test_studies_with_little_in_them(tmp_path, label):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    if label:
        fake_study.write(tmp_path, label, None)
    assert "the base reaches 50.0 %" in said(tmp_path)


def test_only_bases_with_networks_are_averaged_beside_them(tmp_path):
    for split, base in enumerate((0.12, 0.13)):
        fake_study.write(tmp_path, "base", base, split, target="B")
        fake_study.write(tmp_path, "base", 0.09, split, target="A")
        fake_study.write(tmp_path, "B4B", base + 0.002 * (1 + split), split)
    assert "the 2 bases that the other networks are compared with reach 12.5 % top-1 on average" in said(tmp_path)


def test_images_per_class_have_paragraphs_of_their_own(tmp_path):
    """A true zero with all images: pooled with ten images per class it looked like a gain of ten points."""
    for size, base, lead in ((0, 0.6, 0.0), (10, 0.2, 0.2)):
        fake_study.write(tmp_path, "base", base, target="B", images_per_class=size)
        fake_study.write(tmp_path, "A4B+", base + lead, images_per_class=size)
        fake_study.write(tmp_path, "B4B", base - lead, images_per_class=size)
    report = collected.collect(str(tmp_path), [])
    _, all_images, ten = (
        text.replace("\N{NO-BREAK SPACE}", " ") for text in sentences.summary(report) if "warnings below" not in text
    )
    assert all_images.startswith("On random halves of the classes, the base reaches 60.0 %")
    assert "(AnB+) score 0.00 percentage points from their own base" in all_images
    assert ten.startswith("On random halves of the classes, 10 images per class, the base reaches 20.0 %")
    assert "(AnB+) score 20.00 percentage points above their own base" in ten


def test_the_best_network_is_named_with_its_kind_and_what_luck_does(tmp_path):
    for split, (base, *scores) in enumerate(((0.50, 0.53, 0.51), (0.60, 0.64, 0.66))):
        fake_study.write(tmp_path, "base", base, split, target="B")
        for label, top1 in zip(("B4B", "A5B+"), scores, strict=True):
            fake_study.write(tmp_path, label, top1, split)
    text = said(tmp_path)
    claim = (
        "is A5B+ (random1, seed 0): 66.0 % top-1, 6.00 percentage points above its own base; the 2 networks of AnB+, n "
        "= 5"
    )
    assert claim in text
    # The mean of 1 and 6 points; Student's t with one degree of freedom at 1 - 0.05 / 2 / 2: 25.4517 * 2.5.
    claim = (
        "3.50 percentage points above their own bases on average (95 % interval for all 2 kinds together "
        "-60.13 to +67.13"
    )
    assert claim in text
    assert "which favours lucky ones" in text


def test_a_longer_base_does_not_hide_the_best_copy(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    of = fake_study.cell("A4B+").longer_base
    record_files.write(tmp_path / of.name, fake_study.content(of, 0.53))
    text = said(tmp_path)
    assert "the best of 3 networks is baseB-plusA (random0, seed 0): 53.0 % top-1, 3.00 percentage points" in text
    assert "it is the only network of baseB-plusA with this target" in text, "under one name"
    assert (
        "The best of its 1 network with transplanted or random blocks is A4B+ (random0, seed 0): 52.0 % top-1" in text
    )


def test_preserved_blocks_and_staged_release_are_in_no_sentence(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    fake_study.write(tmp_path, "A4B", 0.9, preserve=2)
    fake_study.write(tmp_path, "A4B", 0.8, preserve=2, release_step=100)
    text = said(tmp_path)
    assert "in the tables but in none of these sentences" in text
    assert "the best of 2 networks is A4B+ (random0, seed 0): 52.0 % top-1, 2.00 percentage points" in text
    assert "(AnB+) score 2.00 percentage points" in text
    assert "90.0" not in text
    assert "80.0" not in text


def test_one_of_two_bases_is_named_as_that_which_is_compared(tmp_path):
    fake_study.write(tmp_path, "base", 0.695, target="A")
    fake_study.write(tmp_path, "base", 0.388, target="B")
    fake_study.write(tmp_path, "A4B", 0.3)
    assert "the base that the other networks are compared with reaches 38.8 %" in said(tmp_path)
