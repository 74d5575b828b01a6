import math

import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis.best import best


@pytest.fixture
def study(tmp_path):
    """Two splits: B4B leads target B in the mean, A5B+ of split 1 has the highest score; target A has only its base."""
    for split, (base, *scores) in enumerate(((0.50, 0.53, 0.51), (0.60, 0.64, 0.66))):
        fake_study.write(tmp_path, "base", base, split, target="B")
        for label, top1 in zip(("B4B", "A5B+"), scores, strict=True):
            fake_study.write(tmp_path, label, top1, split)
    fake_study.write(tmp_path, "base", 0.9, target="A")
    fake_study.write(tmp_path, "A3A", None)
    return tmp_path


def test_the_best_network_of_each_target_and_its_kind(study):
    found = best(analysis.networks(study)).set_index("target")
    row = found.loc["B"]
    assert (row["label"], row["split"], row["top1"]) == ("A5B+", "random1", 0.66)
    assert (row["minus_base"], row["networks"], row["pairs"]) == (pytest.approx(0.06), 6, 2)
    # Its kind leads by 1 and 6 points; two kinds have an interval: Student's t with one degree of freedom at 98.75 %.
    reach = 25.4517 * 0.025
    assert row["mean"] == pytest.approx(0.035)
    assert (row["low"], row["high"]) == pytest.approx((0.035 - reach, 0.035 + reach), rel=1e-4)
    assert row["kinds"] == 2
    alone = found.loc["A"]
    assert (alone["label"], alone["networks"], alone["pairs"]) == ("baseA", 1, 0)
    assert math.isnan(alone["mean"])


def test_images_per_class_are_not_pooled(study):
    fake_study.write(study, "base", 0.2, target="B", images_per_class=10)
    fake_study.write(study, "A5B+", 0.3, images_per_class=10)
    found = best(analysis.networks(study)).set_index(["target", "images_per_class"])
    assert found.loc[("B", 10), "top1"] == 0.3
    assert found.loc[("B", 10), "pairs"] == 1
    assert found.loc[("B", 0), "top1"] == 0.66
