import pytest

import fake_study
from tftransfer.records import record_files
from tftransfer.reporting import collected, sentences, tables


def said(study):
    text = " ".join(sentences.summary(collected.collect(str(study), [])))
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def test_one_pair_is_said_to_be_one(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "B4B", 0.45)
    fake_study.write(tmp_path, "A4B", 0.44)
    text = said(tmp_path)
    assert "frozen own blocks (BnB) against the base: -5.00 percentage points (1 pair, so without an interval)" in text
    assert "against own ones (BnB): -1.00 percentage points (1 pair, so without an interval)" in text
    assert "specific to their half" not in text, "one pair shows nothing"


def test_no_specific_block_is_claimed_within_the_uncertainty(tmp_path):
    for split, off in enumerate((0.02, -0.03, 0.01)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        for n in (4, 5):
            fake_study.write(tmp_path, f"B{n}B", 0.45, split)
            fake_study.write(tmp_path, f"A{n}B", 0.449 + off, split)
    text = said(tmp_path)
    assert "no block is shown to be specific" in text
    assert "not distinguishable from zero" in text
    assert "the larger" not in text


def test_fine_tuning_without_its_control_is_open(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    assert "without BnB+ it is unknown how much of that is due to longer training" in said(tmp_path)


def test_fine_tuning_beyond_its_control_is_paired(tmp_path):
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        fake_study.write(tmp_path, "B4B+", 0.51, split)
        fake_study.write(tmp_path, "A4B+", 0.53 + off, split)
    text = said(tmp_path)
    assert "AnB+ is significantly better than BnB+ at n = 4 (95 % interval)." in text
    # By hand: 2.0, 2.1 and 1.9 points more; Student's t with two degrees of freedom, 4.3027 * 0.1 / sqrt(3) = 0.25.
    claim = (
        "(3 pairs), AnB+ minus BnB+ is +2.00 percentage points on average (95 % interval +1.75 to +2.25, over 3 splits)"
    )
    assert claim in text


def test_bases_trained_as_long_are_the_fair_comparison(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B+", 0.52)
    of = fake_study.cell("A4B+").longer_base
    record_files.write(tmp_path / of.name, fake_study.content(of, 0.53))
    assert "AnB+ at n = 4: -1.00 percentage points" in said(tmp_path)


def test_gains_are_no_losses(tmp_path):
    """The control is above its base at both n, and transfer above the control."""
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        for n, gain in ((4, 0.02), (5, 0.05)):
            fake_study.write(tmp_path, f"B{n}B", 0.5 + gain + off, split)
            fake_study.write(tmp_path, f"A{n}B", 0.5 + 2.5 * gain - off, split)
    text = said(tmp_path)
    claim = "(BnB minus base) lowers the mean top-1 at no n; the smallest gain is at n = 4: +2.00 percentage points"
    assert claim in text
    for word in ("costs", "the larger", "loss is significant (95 % intervals for all n together) at"):
        assert word not in text


def test_transfer_below_its_control_is_said(tmp_path):
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        for n, lead in ((4, -0.02), (5, 0.02)):
            fake_study.write(tmp_path, f"B{n}B+", 0.51, split)
            fake_study.write(tmp_path, f"A{n}B+", 0.51 + lead + off, split)
    said_ = (
        "AnB+ is significantly better than BnB+ at n = 5 and significantly worse than BnB+ at n = 4 (95 % intervals "
        "for all n together)."
    )
    assert said_ in said(tmp_path)


def write_losses(study, own=-0.02, other=-0.05, blocks=(4,), **one_split):
    """Writes three repeats, splits or else seeds, of base, BnB and AnB."""
    for place, off in enumerate((0.0, 0.001, -0.001)):
        where = {"seed": place} if one_split else {"split_seed": place}
        for label, top1 in [
            *(("base", 0.5),),
            *((f"B{n}B", 0.5 + own + off) for n in blocks),
            *((f"A{n}B", 0.5 + own + other - off) for n in blocks),
        ]:
            of = fake_study.cell(label, target="B" if label == "base" else None, **where)
            content = fake_study.content(of, top1)
            content["cost"]["validation_images"] = one_split.get("images", 1000)
            content["integrity"]["left_chance"] = one_split.get("left_chance", True)
            record_files.write(study / of.name, content)


def test_a_claim_of_one_split_names_its_halves_and_images(tmp_path):
    write_losses(tmp_path, images=20_000, blocks=(1,))
    text = said(tmp_path)
    assert "over 3 seeds and 20000 validation images" in text
    claim = (
        "significant (95 % interval) at n = 1, for these two halves and images like these 20000: features of the first "
        "block are specific"
    )
    assert claim in text


def test_few_validation_images_and_one_split_show_nothing(tmp_path):
    write_losses(tmp_path, images=108)
    text = said(tmp_path)
    assert "no block is shown to be specific" in text
    assert "not distinguishable from zero" in text


def test_networks_at_chance_show_no_feature_to_be_specific(tmp_path):
    write_losses(tmp_path, images=20_000, left_chance=False)
    text = said(tmp_path)
    assert "At n = 4 networks are not shown to be above chance, so no loss is claimed there." in text
    for claim in ("specific to their half", "costs most", "the larger", "is significant"):
        assert claim not in text


def test_a_gain_is_not_the_smaller_loss(tmp_path):
    write_losses(tmp_path, own=0.03, other=-0.05)
    text = said(tmp_path)
    assert "specificity is the only one at n = 4, where the mean of co-adaptation is a gain" in text
    assert "is the larger" not in text


def test_only_n_that_were_trained_are_named(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    for n in (2, 4):
        fake_study.write(tmp_path, f"A{n}B+", 0.52)
    fake_study.write(tmp_path, "B2B+", 0.51)
    report = collected.collect(str(tmp_path), [])
    text = said(tmp_path)
    claim = (
        "on average over n = 2, 4; the control for longer training (BnB+) scores 1.00 percentage points above"
        " its own, over n = 2."
    )
    assert claim in text
    (table,) = [table for table in tables.tables(report) if table.title.startswith("Boost")]
    assert [row[0] for row in table.rows] == ["2, 4", "4"]


@pytest.mark.parametrize("base", [True, False])
def test_pairs_that_are_no_halves_have_sentences_of_their_own(tmp_path, base):
    fake_study.write_pair(tmp_path, base=base)
    said = " ".join(sentences.summary(collected.collect(str(tmp_path), []))).replace("\N{NO-BREAK SPACE}", " ")
    assert "A:kdn:B, first n blocks kept, the rest dropped (linear probe), from weights 1a2b3c4d, " in said
    assert "Of 4 policies that are no curve over n, A:k4t1k2n1:B, blocks 1 to 4 kept" in said
    assert not [word for word in ("half", "halves", "co-adaptation", "BnB", "nan") if word in said.split()]
    assert ("for all 4 policies together" in said) == base
    assert ("no base" in said) != base


def test_policies_of_halves_are_told_beside_the_papers_effects(tmp_path):
    for split in range(3):
        fake_study.write(tmp_path, "base", 0.5 + split / 1000, split, target="B")
        for n in (1, 2):
            fake_study.write(tmp_path, f"A:k{n}t{7 - n}n1:B", 0.52 + n / 100 + split / 500, split)
    said = " ".join(sentences.summary(collected.collect(str(tmp_path), []))).replace("\N{NO-BREAK SPACE}", " ")
    assert "has its highest mean difference from the base at n = 2: +4.10 percentage points" in said
    assert "It is significantly above it at n = 1, 2 (95 % intervals for all n together)." in said
