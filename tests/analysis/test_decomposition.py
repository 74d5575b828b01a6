import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import decomposition
from tftransfer.records import record_files


def effect(frame, name):
    found = decomposition.decomposition(frame)
    return found[found["effect"].eq(name)].set_index("n")


def test_losses_add_up_where_all_three_networks_are_there(tmp_path):
    fake_study.write(tmp_path, "base", 0.60, target="B")
    fake_study.write(tmp_path, "B4B", 0.57)
    fake_study.write(tmp_path, "A4B", 0.55)
    fake_study.write(tmp_path, "A4B+", 0.62)
    frame = analysis.networks(tmp_path)
    means = decomposition.decomposition(frame).set_index("effect")["mean"]
    assert means.round(6).to_dict() == {
        "co-adaptation": -0.03, "specificity": -0.02, "transfer": -0.05, "fine-tuned transfer": 0.02, "recovery": 0.07
    }  # fmt: skip
    found = decomposition.dominance(frame)
    assert found["dominates"].tolist() == ["undecided"], "one pair decides nothing"


def test_fine_tuning_is_compared_with_bases_trained_as_long(tmp_path):
    fake_study.write(tmp_path, "base", 0.60, target="B")
    fake_study.write(tmp_path, "A4B+", 0.64)
    of = fake_study.cell("A4B+").longer_base
    record_files.write(tmp_path / of.name, fake_study.content(of, 0.63))
    found = effect(analysis.networks(tmp_path), "transfer beyond longer base")
    assert found["mean"].round(6).to_dict() == {4: 0.01}


def test_only_pairs_of_the_same_target_split_and_seed_are_subtracted(tmp_path):
    fake_study.write(tmp_path, "base", 0.60, target="B")
    fake_study.write(tmp_path, "A4A", 0.57)
    fake_study.write(tmp_path, "A4B", 0.55)
    fake_study.write(tmp_path, "B4B", 0.40, seed=1)
    fake_study.write(tmp_path, "B4B", 0.40, split_seed=1)
    fake_study.write(tmp_path, "B5B", 0.40)
    assert analysis.pairs(analysis.networks(tmp_path), "AnB", "BnB").empty


def test_the_larger_loss_is_found_where_there_is_enough_to_tell(tmp_path):
    fake_study.write_paper_like(tmp_path, noise=0.001, split_seeds=4)
    found = decomposition.dominance(analysis.networks(tmp_path)).set_index("n")["dominates_together"]
    assert found[[4, 5]].tolist() == ["co-adaptation"] * 2
    assert found[[6, 7]].tolist() == ["specificity"] * 2


def test_preserved_blocks_are_compared_with_the_same(tmp_path):
    fake_study.write(tmp_path, "base", 0.60, target="B")
    for label, top1 in (("A4B", 0.5), ("B4B", 0.51)):
        fake_study.write(tmp_path, label, top1)
        fake_study.write(tmp_path, label, top1 + (0.1 if label == "A4B" else 0.04), preserve=2)
    found = effect(analysis.networks(tmp_path), "specificity").reset_index().set_index("preserve")["mean"]
    assert found.to_dict() == pytest.approx({0: -0.01, 2: 0.05})


@pytest.fixture(scope="module")
def paper():
    return analysis.networks("paper")


def test_the_papers_decomposition(paper):
    loss = 100 * effect(paper, "co-adaptation")["mean"]
    assert loss.round(2).tolist() == [0.35, 0.03, -0.21, -1.85, -2.97, -0.45, 0.0]
    found = decomposition.dominance(paper).set_index("n")
    assert found["dominates"].tolist() == ["undecided"] * 3 + ["co-adaptation"] * 2 + ["specificity"] * 2
    assert found["dominates_together"].tolist() == ["undecided"] * 5 + ["specificity"] * 2, "picked among seven n"
    assert "transfer beyond control" not in set(decomposition.decomposition(paper)["effect"]), "no pair exists"


def write_splits(study, own, other, **options):
    """Writes base, B4B and A4B of four splits: `own` points from the base, and `other` from B4B, with some spread."""
    for split, off in enumerate((-0.001, 0.0, 0.0005, 0.001)):
        fake_study.write(study, "base", 0.5, split, target="B", **options)
        fake_study.write(study, "B4B", 0.5 + own + off, split, **options)
        fake_study.write(study, "A4B", 0.5 + own + other - off, split, **options)


@pytest.mark.parametrize(
    ("own", "other", "larger"),
    [
        (-0.05, -0.02, "co-adaptation"),
        (-0.02, -0.05, "specificity"),
        (0.02, 0.05, "no loss"),
        (0.05, -0.02, "specificity"),
        (0.02, 0.0, "undecided"),
        (-0.05, -0.05, "undecided"),
    ],
)
def test_only_what_is_lost_is_named_a_loss(tmp_path, own, other, larger):
    write_splits(tmp_path, own, other)
    (row,) = decomposition.dominance(analysis.networks(tmp_path)).to_dict("records")
    assert row["dominates"] == row["dominates_together"] == larger
    assert (row["co-adaptation"], row["specificity"]) == pytest.approx((own + 0.000125, other - 0.00025))


@pytest.mark.parametrize("stuck", ["base", "B4B", "A4B"])
def test_networks_at_chance_lead_to_no_verdict(tmp_path, stuck):
    write_splits(tmp_path, -0.05, -0.02)
    of = fake_study.cell(stuck, target="B" if stuck == "base" else None)
    content = fake_study.content(of, 0.5)
    content["integrity"]["left_chance"] = False
    record_files.write(tmp_path / of.name, content)
    frame = analysis.networks(tmp_path)
    (row,) = decomposition.dominance(frame).to_dict("records")
    assert row["dominates"] == row["dominates_together"] == "at chance"
    verdicts = decomposition.decomposition(frame).set_index("effect")["verdict_together"]
    assert (verdicts["co-adaptation"] == "at chance") == (stuck != "A4B")
    assert (verdicts["specificity"] == "at chance") == (stuck != "base")


def test_an_effect_of_one_split_covers_the_validation_images(tmp_path):
    for seed, off in enumerate((0.0, 0.001)):
        fake_study.write(tmp_path, "base", 0.5, target="B", seed=seed)
        fake_study.write(tmp_path, "B4B", 0.48 + off, seed=seed)
    row = effect(analysis.networks(tmp_path), "co-adaptation").loc[4]
    # Errors of 1,000 images at 50 and 48 %, nearly 1.58 points each: their joint one is 2.24, times 1.96.
    margin = 0.0438
    assert row["mean"] == pytest.approx(-0.0195)
    assert row["high"] - row["mean"] == pytest.approx((margin**2 + (12.7062 * 0.0005) ** 2) ** 0.5, rel=0.01)
    assert (row["over"], row["images"], row["verdict"]) == ("seeds", 1000, "not distinguishable")


def test_images_per_class_are_compared_with_the_same(tmp_path):
    write_splits(tmp_path, -0.05, -0.02)
    write_splits(tmp_path, -0.02, -0.05, images_per_class=10)
    found = decomposition.dominance(analysis.networks(tmp_path)).set_index("images_per_class")["dominates"]
    assert found.to_dict() == {0: "co-adaptation", 10: "specificity"}
    losses = effect(analysis.networks(tmp_path), "co-adaptation").set_index("images_per_class")["mean"]
    assert losses.to_dict() == pytest.approx({0: -0.049875, 10: -0.019875})
