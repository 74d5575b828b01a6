"""The paper's own numbers, to the digit."""

import numpy as np
import pytest

from tftransfer import analysis


@pytest.fixture(scope="module")
def frame():
    return analysis.networks("paper")


def points(frame, halves, treatment):
    found = analysis.effects(frame)
    found = found[found["halves"].eq(halves) & found["treatment"].eq(treatment)]
    return [f"{100 * value:+.2f}" for value in found.sort_values("n")["minus_base"]]


def test_all_148_published_networks_are_there(frame):
    assert len(frame) == 148
    counts = frame[frame["halves"].eq("random")]["treatment"].value_counts().to_dict()
    assert counts == {"AnB": 56, "BnB": 28, "AnB+": 10, "BnB+": 10, "base": 8}
    assert not frame["excluded"].any()


def test_points_below_and_above_the_own_base(frame):
    assert points(frame, "random", "BnB") == ["+0.35", "+0.03", "-0.21", "-1.85", "-2.97", "-0.45", "+0.00"]
    assert points(frame, "random", "AnB") == ["+0.31", "-0.12", "-0.62", "-2.53", "-4.71", "-4.45", "-8.26"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [("A", [53.7, 53.9, 52.1, 50.1, 46.2, 41.0, 37.4, 29.1]), ("B", [65.3, 65.7, 65.1, 62.5, 58.2, 52.2, 48.5, 39.9])],
)
def test_semantic_split(frame, target, expected):
    found = frame[frame["halves"].eq("natural_manmade") & frame["target"].eq(target)].sort_values("n")
    assert list(np.round(100 * found["top1"], 1)) == expected


def test_random_filters_and_reduced_data(frame):
    everything = frame[frame["halves"].eq("all")]
    random = everything[everything["images_per_class"].eq(0)].sort_values("n")
    assert list(np.round(100 * random["top1"], 1)) == [57.6, 49.2, 40.3, 0.1, 1.9, 5.0, 1.4, 1.5]
    reduced = everything[everything["images_per_class"].gt(0)].sort_values("images_per_class")
    assert set(reduced["recipe"]).isdisjoint(random["recipe"]), "they had fewer steps"
    assert list(np.round(100 * reduced["top1"], 1))[-5:] == [38.4, 47.6, 51.5, 54.1, 55.2]


def test_pairing_halves_the_spread_of_transfer(frame):
    transfer = frame[frame["halves"].eq("random") & frame["treatment"].eq("AnB")].groupby("n")
    assert [round(100 * value, 2) for value in (transfer["top1"].std().min(), transfer["top1"].std().max())] == [
        0.57,
        0.68,
    ]
    paired = transfer["minus_base"].std()
    assert [round(100 * value, 2) for value in (paired.min(), paired.max())] == [0.27, 0.37]
