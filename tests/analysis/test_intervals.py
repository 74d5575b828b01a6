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


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((-3.0, -2.0, -2.5), "below"), ((3.0, 2.0, 2.5), "above"), ((-3.0, 2.0, 1.0), "not distinguishable"),
     ((1.0, 1.0, 1.0), "no interval"), ((1.0,), "no interval")],
)  # fmt: skip
def test_what_an_interval_says_of_its_mean(values, verdict):
    assert intervals.mean_of(table(values, [str(i) for i in range(len(values))]), "difference").verdict == verdict


def test_intervals_that_hold_together_are_bonferronis():
    values = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 0.0, 1.0]), np.array([2.0])]
    wide, _, single = intervals.together([intervals.Clusters("splits", v) for v in values])
    # Two of the three have an interval: Student's t with 3 degrees of freedom is 4.17653 at 1 - 0.05 / 2 / 2.
    assert (wide.low, wide.high) == pytest.approx((2.5 - 4.17653 * 0.645497, 2.5 + 4.17653 * 0.645497), rel=1e-4)
    assert math.isnan(single.low)
    (alone,) = intervals.together([intervals.Clusters("splits", values[0])])
    assert alone == intervals.interval_of(intervals.Clusters("splits", values[0])), "one comparison needs no correction"


def test_intervals_of_accuracies_stay_between_0_and_1():
    networks = pd.DataFrame({"top1": [0.01, 0.2], "split": ["a", "b"], "seed": 0})
    found = intervals.accuracy_of(networks)
    assert (found.mean, found.low, found.high) == (pytest.approx(0.105), 0.0, 1.0)
    assert intervals.mean_of(networks.rename(columns={"top1": "difference"}), "difference").low < -1, (
        "differences do not"
    )


def simulated_coverage(splits, seeds, repeats, shared=0.0):
    """Returns how often two intervals hold the true mean 0: ours, and one that takes pairs for independent.

    Each split shifts all of its differences; so do its two bases, which both directions and all networks share.

    Args:
        splits: Of a study.
        seeds: Of a study.
        repeats: Studies.
        shared: Standard deviation of an effect that one seed has in all splits, as of initial weights that do not
            derive from the split; in standard deviations of a split's mean difference.
    """
    rng = np.random.default_rng(1)
    ours = naive = 0
    spread = math.sqrt(1 + (2 * 0.25 + 2 * 0.25) / 4 / seeds)
    for _ in range(repeats):
        rows = []
        by_seed = rng.normal(0, shared * spread * math.sqrt(seeds), seeds)
        for split in range(splits):
            shift = rng.normal(0, 1)
            for seed in range(seeds):
                base = dict(zip("AB", rng.normal(0, 0.5, 2), strict=True))
                own = shift + by_seed[seed]
                rows += [(own - base[target] + rng.normal(0, 0.5), str(split), seed) for target in "AB"]
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


@pytest.mark.parametrize(("shared", "coverage"), [(0.5, 0.89), (1.0, 0.75), (2.0, 0.50)])
def test_what_all_splits_share_is_in_no_interval_over_splits(shared, coverage):
    """The reason why initial weights derive from the split: protocol 1 shared them, at an unknown `shared`."""
    from scipy import stats

    # The mean of s splits varies by 1 / s + shared², its interval knows of 1 / s.
    reach = stats.t.ppf(0.975, 3) / math.sqrt(1 + 4 * shared**2)
    assert 1 - 2 * stats.t.sf(reach, 3) == pytest.approx(coverage, abs=0.005)
    ours, _ = simulated_coverage(4, 1, repeats=600, shared=shared)
    assert ours == pytest.approx(coverage, abs=3 * math.sqrt(0.25 / 600))


def one_split(seeds, rng, images=50):
    """Returns differences of one split without a true one: each image has its own odds, which all seeds share."""
    rows = []
    for target in "AB":
        ease = rng.normal(1, 1.5, images)
        odds = [1 / (1 + np.exp(-ease - rng.normal(0, 1.5, images))) for _ in range(2)]
        for seed in range(seeds):
            first, second = ((rng.random(images) < of_images).mean() for of_images in odds)
            rows.append(("one", seed, target, images, first - second, first, second))
    table_ = pd.DataFrame(
        rows, columns=["split", "seed", "target", "validation_images", "difference", "first", "second"]
    )
    variances = (intervals.variance(table_[name], table_["validation_images"]) for name in ("first", "second"))
    return table_, sum(variances)


@pytest.mark.parametrize("seeds", [2, 4, 8, 16])
def test_intervals_over_seeds_hold_for_other_validation_images(seeds):
    rng = np.random.default_rng(seeds)
    held, before = [], []
    for _ in range(300):
        table_, of_images = one_split(seeds, rng)
        found = intervals.mean_of(table_.assign(difference_variance=of_images), "difference")
        alone = intervals.mean_of(table_, "difference")
        held.append(found.low <= 0 <= found.high or math.isnan(found.low))
        before.append(alone.low <= 0 <= alone.high or math.isnan(alone.low))
    assert np.mean(held) >= 0.93
    assert seeds == 2 or np.mean(before) < 0.93, "the spread of seeds alone says nothing of images"


def test_the_error_of_images_by_hand():
    differences = [0.10, 0.20, 0.30, 0.40]
    seeds = pd.DataFrame(
        {"difference": differences, "split": "one", "seed": [0, 0, 1, 1], "target": [*"ABAB"],
         "validation_images": 50, "difference_variance": [0.01, 0.04, 0.01, 0.04]}
    )  # fmt: skip
    found = intervals.mean_of(seeds, "difference")
    # Each target counts half: errors of 0.1 and 0.2, whatever the seeds. Seeds stand at 0.15 and 0.35, error 0.1.
    margin = math.hypot(12.7062 * 0.1, 1.95996 * math.hypot(0.1, 0.2) / 2)
    assert (found.mean, found.high - found.mean) == pytest.approx((0.25, margin), rel=1e-5)
    assert (found.over, found.clusters, found.images) == ("seeds", 2, 100)
    splits = seeds.assign(split=["x", "x", "y", "y"])
    assert intervals.mean_of(splits, "difference").images == 0, "an interval over splits speaks of the same images"


def null_studies(splits, studies=4000, blocks=7, correlation=0.5, drop=0.0):
    """Returns differences of studies in which nothing has an effect, `(studies, n, splits)`; the last n has `drop`."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(studies, 1, splits)), rng.normal(size=(studies, blocks, splits))
    found = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    found[:, -1] -= drop
    return found


def claims(study, *, joint):
    """Returns the verdicts at all n of one study."""
    found = [intervals.Clusters("splits", differences) for differences in study]
    each = intervals.together(found) if joint else [intervals.interval_of(one) for one in found]
    return {interval.verdict for interval in each}


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("splits", [2, 4, 8])
def test_who_picks_an_n_finds_a_difference_in_five_of_a_hundred_null_studies_at_most(splits, correlation):
    studies = null_studies(splits, studies=1500, correlation=correlation)
    joint, alone = (
        np.mean([bool(claims(study, joint=how) & {"below", "above"}) for study in studies]) for how in (True, False)
    )
    assert joint <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(studies))
    assert alone > 0.1, "intervals for each n alone are false somewhere much more often"


def test_a_real_drop_is_found():
    found = np.mean(["below" in claims(study, joint=True) for study in null_studies(4, studies=300, drop=8.0)])
    assert found > 0.9
    assert np.mean(["below" in claims(study, joint=True) for study in null_studies(2, studies=300, drop=8.0)]) > 0.03
