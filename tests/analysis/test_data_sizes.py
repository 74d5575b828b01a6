import math
import statistics

import pytest

import fake_study
from tftransfer import analysis

BASES = {10: (0.20, 0.24), 100: (0.40, 0.46), 0: (0.60, 0.62)}
GAINS = {10: (0.08, 0.10), 100: (0.02, 0.05), 0: (-0.01, -0.04)}


def write(study, splits=(0, 1), sizes=tuple(BASES)):
    for size in sizes:
        for split in splits:
            base, gain = BASES[size][split], GAINS[size][split]
            fake_study.write(study, "base", base, split, target="B", images_per_class=size)
            fake_study.write(study, "A4B", base + gain, split, images_per_class=size)


def test_a_curve_over_images_is_paired_at_each_number_of_them(tmp_path):
    write(tmp_path)
    found = analysis.data_size(analysis.networks(tmp_path))
    assert found["images_per_class"].tolist() == [10, 100, 0], "all images last"
    assert (found["treatment"].eq("AnB") & found["n"].eq(4) & found["common"]).all()
    for row in found.itertuples():
        gains = GAINS[row.images_per_class]
        mean = sum(gains) / 2
        margin = 12.7062 * statistics.stdev(gains) / math.sqrt(2)  # Student's t, one degree of freedom
        assert (row.minus_base, row.low, row.high) == pytest.approx((mean, mean - margin, mean + margin), rel=1e-4)
        assert row.base == pytest.approx(sum(BASES[row.images_per_class]) / 2)
        assert (row.count, row.clusters, row.over) == (2, 2, "splits")


def test_points_of_one_curve_are_over_the_same_splits(tmp_path):
    write(tmp_path, splits=(0, 1), sizes=(10,))
    write(tmp_path, splits=(0,), sizes=(0,))
    found = analysis.data_size(analysis.networks(tmp_path))
    assert found["minus_base"].tolist() == pytest.approx([0.08, -0.01]), "split 1 has no network with all images"
    assert found["count"].tolist() == [1, 1]
    assert found["common"].all()


def test_points_that_share_nothing_say_so(tmp_path):
    write(tmp_path, splits=(1,), sizes=(10,))
    write(tmp_path, splits=(0,), sizes=(0,))
    found = analysis.data_size(analysis.networks(tmp_path))
    assert found["minus_base"].tolist() == pytest.approx([0.10, -0.01])
    assert not found["common"].any()


def test_treatments_stages_and_blocks_are_curves_of_their_own(tmp_path):
    write(tmp_path)
    for size in (10, 0):
        for split in (0, 1):
            fake_study.write(tmp_path, "A4B", 0.9, split, images_per_class=size, preserve=2)
    fake_study.write(tmp_path, "A5B", 0.9, images_per_class=10)
    found = analysis.data_size(analysis.networks(tmp_path))
    assert found.groupby("preserve")["images_per_class"].agg(list).to_dict() == {0: [10, 100, 0], 2: [10, 0]}
    assert set(found["n"]) == {4}, "one number of images is no curve"


def test_the_paper_reduced_only_bases():
    assert analysis.data_size(analysis.networks("paper")).empty
