"""A small study, its numbers computed by hand."""

import math
import statistics

import numpy as np
import pandas as pd
import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import decomposition, differences, frames

T_ONE, T_ONE_OF_TWO = 12.7062, 25.4517  # Student's t, one degree of freedom: at 97.5 %, and at 98.75 % for two n
# (split, target) -> base, B4B, A4B, A5B
SCORES = {
    (0, "A"): (0.50, 0.47, 0.46, 0.40),
    (0, "B"): (0.60, 0.59, 0.55, 0.51),
    (1, "B"): (0.62, 0.58, 0.57, 0.53),
}
# A half that is only a source, and one that no network has as a target: in no mean beside others.
SOURCES = {(1, "A"): 0.20, (2, "B"): 0.10}


@pytest.fixture
def study(tmp_path):
    for (split, target), scores in SCORES.items():
        other = {"A": "B", "B": "A"}[target]
        fake_study.write(tmp_path, "base", scores[0], split, target=target)
        for label, top1 in zip(
            (f"{target}4{target}", f"{other}4{target}", f"{other}5{target}"), scores[1:], strict=True
        ):
            fake_study.write(tmp_path, label, top1, split)
    for (split, target), top1 in SOURCES.items():
        fake_study.write(tmp_path, "base", top1, split, target=target)
    return tmp_path


def by_hand(place, less=0):
    """Returns the mean difference over splits, each counting equally, and half its spread between the two."""
    first = statistics.fmean(SCORES[0, target][place] - SCORES[0, target][less] for target in "AB")
    second = SCORES[1, "B"][place] - SCORES[1, "B"][less]
    return (first + second) / 2, abs(first - second) / 2


@pytest.mark.parametrize(("treatment", "n", "place"), [("BnB", 4, 1), ("AnB", 4, 2), ("AnB", 5, 3)])
def test_effects(study, treatment, n, place):
    found = analysis.effects(analysis.networks(study)).set_index(["treatment", "n"]).loc[treatment, n]
    mean, spread = by_hand(place)
    assert (found["minus_base"], found["pairs"], found["clusters"]) == (pytest.approx(mean), 3, 2)
    ends = (mean - T_ONE * spread, mean + T_ONE * spread)
    assert (found["low"], found["high"]) == pytest.approx(ends, rel=1e-4)
    # BnB has one n, so its only interval is also the one that holds together.
    reach = T_ONE_OF_TWO if treatment == "AnB" else T_ONE
    assert found["low_together"] == pytest.approx(mean - reach * spread, rel=1e-4)
    assert found["base"] == pytest.approx(statistics.fmean(scores[0] for scores in SCORES.values()))
    assert found["paired_top1"] == pytest.approx(statistics.fmean(scores[place] for scores in SCORES.values()))


def test_means_of_bases_are_over_those_that_pair(study):
    frame = analysis.networks(study)
    own = statistics.fmean(scores[0] for scores in SCORES.values())
    assert differences.base_mean(frame[frame["treatment"].eq("AnB")]) == pytest.approx(own)
    bases = differences.paired_bases(frame)
    assert sorted(bases["top1"]) == [0.50, 0.60, 0.62], "0.20 and 0.10 are compared with nothing"
    only = frame[frame["treatment"].eq("base")]
    assert len(differences.paired_bases(only)) == 5, "where nothing is compared, bases are what there is"


def test_a_network_without_base_is_in_no_mean_beside_bases(study):
    fake_study.write(study, "A4B", 0.99, split_seed=3)
    found = analysis.effects(analysis.networks(study)).set_index(["treatment", "n"]).loc["AnB", 4]
    assert (found["networks"], found["pairs"]) == (4, 3)
    assert found["paired_top1"] - found["base"] == pytest.approx(
        statistics.fmean(scores[2] - scores[0] for scores in SCORES.values())
    )
    assert math.isnan(differences.base_mean(analysis.networks(study).query("split == 'random3'")))


def null_frame(studies, splits=4, blocks=7, drop=0.0):
    """Returns networks of studies without any effect, each a recipe of its own; AnB of the last n loses `drop`."""
    rng = np.random.default_rng(3)
    rows = []
    for study in range(studies):
        for split in range(splits):
            for target in "AB":
                cell = {
                    "status": "done", "target": target, "split": f"random{split}", "halves": "random", "seed": 0,
                    "images_per_class": 0, "preserve": 0, "release_step": 0, "recipe": f"{study:08}",
                }  # fmt: skip
                rows.append(cell | {"treatment": "base", "n": 0, "top1": 0.5 + 0.01 * rng.normal()})
                shared = 0.01 * rng.normal()
                for treatment in ("BnB", "AnB"):
                    top1 = 0.5 + shared + 0.01 * rng.normal(size=blocks)
                    top1[-1] -= drop * (treatment == "AnB")
                    rows += [cell | {"treatment": treatment, "n": n, "top1": v} for n, v in enumerate(top1, start=1)]
    names = [{"name": str(place)} for place in range(len(rows))]
    return frames.frame([row | name for row, name in zip(rows, names, strict=True)])


@pytest.mark.slow
def test_studies_without_effect_make_false_claims_in_five_of_a_hundred_at_most():
    studies = 1000
    frame = null_frame(studies)
    found = decomposition.decomposition(frame)
    lost = found[found["verdict_together"].eq("below")]
    for effect in ("co-adaptation", "specificity"):
        false = lost.loc[lost["effect"].eq(effect), "recipe"].nunique() / studies
        assert false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies), effect
    dominant = decomposition.dominance(frame)
    named = dominant["dominates_together"].isin(["co-adaptation", "specificity"])
    shown = pd.concat([lost["recipe"], dominant.loc[named, "recipe"]])
    assert shown.nunique() / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies), "any loss that sentences name"
    alone = found[found["effect"].eq("specificity") & found["verdict"].eq("below")]
    assert alone["recipe"].nunique() / studies > 0.08, "intervals for each n alone would claim one more often"


def test_a_real_drop_is_found_at_its_n():
    studies = 30
    found = decomposition.decomposition(null_frame(studies, drop=0.15))
    lost = found[found["effect"].eq("specificity") & found["verdict_together"].eq("below")]
    assert (lost["n"].eq(7).sum()) > 0.9 * studies
    assert lost["n"].ne(7).sum() <= 0.2 * studies
