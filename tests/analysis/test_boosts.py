import pytest

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
    assert table["difference_paired"].abs().tolist() == [0.0, 0.06, 0.15]


def test_the_logged_directions_do_not_meet():
    frame = analysis.networks("paper")
    targets = frame.groupby("treatment")["target"].agg(["unique", "size"])
    assert targets.loc["AnB+"].tolist() == [["B"], 10]
    assert targets.loc["BnB+"].tolist() == [["A"], 10]
