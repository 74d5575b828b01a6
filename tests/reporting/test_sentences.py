import pytest

import fake_study
from tftransfer import records
from tftransfer.reporting import collected, sentences


def said(study):
    text = " ".join(sentences.summary(collected.collect(str(study), [])))
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def test_the_papers_summary():
    text = said("paper")
    for part in (
        "136 networks of CaffeNet",
        "costs most at n = 5: -2.97 points (95 % interval -3.27 to -2.68, over 4 splits)",
        "cost most at n = 7: -8.24 points",
        "beyond its interval is 4",
        "co-adaptation is the larger at n = 4, 5 and specificity is the larger at n = 6, 7",
        "stand +0.97 points from their own base, on average over n = 1 to 7",
        "stands at +0.97: a difference of 0.00 points",
        "No AnB+ and BnB+ share a target here",
        "-25.0 against -8.3 points",
        "Random frozen filters stand -8.5 points",
    ):
        assert part in text


def test_one_pair_is_said_to_be_one(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "B4B", 0.45)
    fake_study.write(tmp_path, "A4B", 0.44)
    text = said(tmp_path)
    assert "frozen own blocks (BnB) against the base: -5.00 points (1 pair, so without an interval)" in text
    assert "against own ones (BnB): -1.00 points (1 pair, so without an interval)" in text
    assert "specific to their half" not in text, "one pair shows nothing"


def test_no_specific_block_is_claimed_within_the_uncertainty(tmp_path):
    for split, off in enumerate((0.02, -0.03, 0.01)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        for n in (4, 5):
            fake_study.write(tmp_path, f"B{n}B", 0.45, split)
            fake_study.write(tmp_path, f"A{n}B", 0.449 + off, split)
    assert "no block is shown to be specific" in said(tmp_path)


def test_fine_tuning_without_its_control_is_open(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    assert "without BnB+ it is open how much of that is longer training" in said(tmp_path)


def test_fine_tuning_beyond_its_control_is_paired(tmp_path):
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        fake_study.write(tmp_path, "B4B+", 0.51, split)
        fake_study.write(tmp_path, "A4B+", 0.53 + off, split)
    assert "AnB+ beats BnB+ beyond the interval at n = 4" in said(tmp_path)


def test_bases_trained_as_long_are_the_fair_comparison(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    of = fake_study.cell("A4B+").control
    records.write(tmp_path / of.name, fake_study.content(of, 0.53))
    assert "AnB+ stands best at n = 4: -1.00 points" in said(tmp_path)


@pytest.mark.parametrize("label", [None, "A4B"])
def test_studies_with_little_in_them(tmp_path, label):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    if label:
        fake_study.write(tmp_path, label, None)
    assert "the base reaches 50.0 %" in said(tmp_path)
