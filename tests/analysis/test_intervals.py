import math

import numpy as np
import pandas as pd
import pytest

from tftransfer.analysis import intervals


def table(values, splits, seeds=None):
    return pd.DataFrame({"difference": values, "split": splits, "seed": seeds or [0] * len(values)})


def test_a_textbook_interval():
    found = intervals.mean_of(table([1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "d"]), "difference")
    # Student's t with 3 degrees of freedom is 3.182 at 97.5 %; the standard error is sqrt(5/3)/2.
    assert (found.low, found.high) == pytest.approx((2.5 - 3.18245 * 0.645497, 2.5 + 3.18245 * 0.645497), rel=1e-5)
    assert (found.mean, found.over, found.clusters) == (2.5, "splits", 4)


def test_the_margin_is_that_of_scipy_stats():
    from scipy import stats

    values = np.array([0.1, 0.4, -0.2])
    low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert intervals.t_margin(values) == pytest.approx((high - low) / 2)


def test_each_split_counts_equally_however_many_pairs_it_has():
    found = intervals.mean_of(table([1.0, 1.0, 1.0, 3.0], ["a", "a", "a", "b"]), "difference")
    assert (found.mean, found.clusters) == (2.0, 2)


def test_one_split_falls_back_on_seeds_and_says_so():
    found = intervals.mean_of(table([1.0, 2.0, 3.0, 4.0], ["a"] * 4, [0, 0, 1, 1]), "difference")
    assert (found.over, found.clusters, found.mean) == ("seeds", 2, 2.5)
    assert found.low < 1.5 < 3.5 < found.high


@pytest.mark.parametrize(
    ("values", "splits"),
    [([1.0], ["a"]), ([1.0, 2.0], ["a", "a"]), ([1.0, math.nan], ["a", "b"]), ([2.0, 2.0], ["a", "b"])],
    ids=["one pair", "two directions of one seed", "one pair left", "no spread"],
)
def test_no_false_intervals(values, splits):
    found = intervals.mean_of(table(values, splits), "difference")
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.over == ""
    assert not math.isnan(found.mean)


def test_nothing_has_no_mean():
    found = intervals.mean_of(table([], []), "difference")
    assert math.isnan(found.mean)
    assert found.clusters == 0


def simulated_coverage(splits, seeds, repeats):
    """Returns how often two intervals hold the true mean 0: ours, and one that takes pairs for independent.

    Each split shifts all of its differences; so do its two bases, which both directions and all networks share.
    """
    rng = np.random.default_rng(1)
    ours = naive = 0
    for _ in range(repeats):
        rows = []
        for split in range(splits):
            shift = rng.normal(0, 1)
            for seed in range(seeds):
                base = dict(zip("AB", rng.normal(0, 0.5, 2), strict=True))
                rows += [(shift - base[target] + rng.normal(0, 0.5), str(split), seed) for target in "AB"]
        data = pd.DataFrame(rows, columns=["difference", "split", "seed"])
        found = intervals.mean_of(data, "difference")
        ours += found.low <= 0 <= found.high
        values = data["difference"].to_numpy()
        naive += abs(values.mean()) <= intervals.t_margin(values)
    return ours / repeats, naive / repeats


@pytest.mark.parametrize(("splits", "seeds"), [(2, 1), (4, 1), (4, 2)])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(splits, seeds):
    ours, naive = simulated_coverage(splits, seeds, repeats=500)
    assert 0.925 <= ours <= 0.975
    assert naive < 0.92, "pairs of one split are not independent"
