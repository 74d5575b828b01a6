import pandas as pd
import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import boosts


@pytest.fixture(scope="module")
def table():
    frame = analysis.networks("paper")
    return (100 * boosts.boosts(frame[frame["halves"].eq("random")]).set_index(["first", "last"])).round(2)


def test_table_1_of_the_paper_to_the_digit(table):
    shown = table[["over_base", "over_control"]].round(1)
    assert shown.to_numpy().tolist() == [[1.6, 1.4], [1.8, 1.4], [2.1, 1.7]]


def test_the_paired_reading_of_the_same_logs(table):
    assert table["transfer_paired"].tolist() == [0.97, 1.17, 1.16]
    assert table["control_paired"].tolist() == [0.97, 1.10, 1.01]
    assert table["difference_of_means"].abs().tolist() == [0.0, 0.06, 0.15]
    assert table["difference_paired"].isna().all(), "no AnB+ has the target of a BnB+"
    assert table["common"].eq(0).all()


def test_the_logged_directions_do_not_meet():
    frame = analysis.networks("paper")
    targets = frame.groupby("treatment")["target"].agg(["unique", "size"])
    assert targets.loc["AnB+"].tolist() == [["B"], 10]
    assert targets.loc["BnB+"].tolist() == [["A"], 10]


def small_study(folder, images_per_class=0, transfer=(0.53, 0.56), control=(0.52, 0.53)):
    """Two splits of target B with bases 0.5 and 0.54, AnB+ and BnB+ at n = 1."""
    options = {"images_per_class": images_per_class}
    for split, base in enumerate((0.50, 0.54)):
        fake_study.write(folder, "base", base, split, target="B", **options)
        fake_study.write(folder, "A1B+", transfer[split], split, **options)
        fake_study.write(folder, "B1B+", control[split], split, **options)


def test_transfer_and_control_are_compared_where_both_are(tmp_path):
    small_study(tmp_path)
    fake_study.write(tmp_path, "A2B+", 0.60)
    fake_study.write(tmp_path, "base", 0.7, target="A")
    fake_study.write(tmp_path, "A1A+", 0.9)
    (row,) = boosts.boosts(analysis.networks(tmp_path), ((1, 2),)).to_dict("records")
    # By hand: AnB+ leads its base by 3, 2 and 10 points, BnB+ by 2, -1 and 20; two pairs differ, by 1 and 3.
    assert row["transfer_paired"] == pytest.approx((0.03 + 0.02 + 0.10) / 3)
    assert row["control_paired"] == pytest.approx((0.02 - 0.01 + 0.20) / 3)
    assert row["difference_of_means"] == pytest.approx(-0.02)
    assert row["difference_paired"] == pytest.approx(0.02), "n = 2 and target A have no partner"
    assert row["common"] == 2
    # Student's t with one degree of freedom, spread 0.02 / sqrt(2), over two splits: 12.706 * 0.01.
    assert (row["low"], row["high"]) == pytest.approx((0.02 - 0.127062, 0.02 + 0.127062), rel=1e-4)


def test_images_per_class_are_rows_of_their_own(tmp_path):
    small_study(tmp_path)
    small_study(tmp_path, 10, transfer=(0.73, 0.76))
    found = boosts.boosts(analysis.networks(tmp_path), ((1, 1),))
    assert found.set_index("images_per_class")["transfer_paired"].to_dict() == pytest.approx({0: 0.025, 10: 0.225})
    assert found["over_base"].tolist() == pytest.approx(found["transfer_paired"].tolist()), "bases of as many images"
    assert found["over_control"].tolist() == pytest.approx([0.02, 0.22])


def test_preserved_blocks_and_staged_release_are_in_no_boost(tmp_path):
    small_study(tmp_path)
    frame = analysis.networks(tmp_path)
    kept = frame[frame["treatment"].ne("base")].assign(preserve=2, top1=0.9, minus_base=0.4)
    found = [boosts.boosts(table) for table in (frame, pd.concat([frame, kept], ignore_index=True))]
    assert found[0].equals(found[1])
