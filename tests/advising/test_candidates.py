"""Candidates: which there are, what each costs, and what it is called in words."""

import math

import pytest

from tftransfer.advising import candidates
from tftransfer.experiment import policies

WORK = (100, 300, 200, 200, 100, 50, 20, 5)


def by_name(work=WORK, *most):
    return {one.name: one for one in candidates.make(work, *most)}


def test_every_kind_of_candidate_is_there_once():
    found = candidates.make(WORK)
    assert [one.name for one in found[:3]] == ["from scratch", "head only", "all tuned"]
    assert set(candidates.HABITS) <= {one.name for one in found}
    assert len({one.name for one in found}) == len(found)
    families = {one.family for one in found}
    assert families == {"from scratch", "keep, tune the rest", "all tuned", "keep, rest new", "keep, drop the rest",
                        "one block tuned"}  # fmt: skip
    for one in found:
        assert policies.parse(one.policy, len(WORK)) == one.policy
        assert len(one.decisions) == len(WORK)
        assert one.decisions[-1] == "n"
        assert math.isnan(one.depth) or 0 <= one.depth <= 1


def test_only_the_habits_and_anchors_are_left_without_cuts():
    assert len(candidates.make(WORK, 0, 0)) == 5
    assert {one.name for one in candidates.make((9, 1))} == {one.name for one in candidates.make((9, 1), 0, 0)}


def test_cuts_are_spread_by_cost_and_never_below_the_head_alone():
    assert candidates.cuts(WORK, 8) == [1, 2, 3, 4, 5, 6]
    assert candidates.cuts((1,) * 20, 3) == [5, 10, 14]
    assert candidates.cuts((900, *(1,) * 19), 3) == [1, 2, 3], "the first block is nearly all of the cost"
    assert candidates.cuts((1, 1), 8) == []
    for most in range(1, 9):
        assert len(set(candidates.cuts(range(1, 40), most))) == most


def test_costs_are_those_of_passes_above_the_features():
    found = by_name()
    whole = sum(WORK)
    assert found["all tuned"].cost(WORK) == found["from scratch"].cost(WORK) == 1
    assert found["head only"].cost(WORK) == pytest.approx(5 / whole)
    assert found["k3t4n1"].cost(WORK) == pytest.approx(375 / whole)
    assert found["k3d4n1"].cost(WORK) == pytest.approx(5 / whole)
    tuned_first = candidates.Candidate("t1k6n1", "t1k6n1", "one block tuned")
    assert tuned_first.cost(WORK) == pytest.approx((3 * 105 + 2 * 870) / (3 * whole)), "gradients run through kept ones"


def test_depth_is_the_fraction_of_the_arithmetic_below_the_cut():
    found = by_name()
    assert (found["all tuned"].depth, found["head only"].depth) == (0, 1)
    assert found["k2t5n1"].depth == found["k2n6"].depth == pytest.approx(400 / 970)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("from scratch", "Train from scratch"),
        ("head only", "Keep all blocks, new head"),
        ("all tuned", "Tune all blocks, new head"),
        ("head first, then all", "Train a new head alone first, then all blocks with it"),
        ("all tuned, decaying rates", "Tune all blocks, each at 0.9 times the rate of the one above it, new head"),
        ("k1t6n1", "Keep block 1, tune blocks 2 to 7, new head"),
        ("k6t1n1", "Keep blocks 1 to 6, tune block 7, new head"),
        ("k3n5", "Keep blocks 1 to 3, re-initialise blocks 4 to 7, new head"),
        ("k3d4n1", "Keep blocks 1 to 3, drop blocks 4 to 7, new head"),
        ("k1t1k5n1", "Keep block 1, tune block 2, keep blocks 3 to 7, new head"),
    ],
)
def test_words_say_what_is_done_with_which_blocks(name, words):
    assert by_name()[name].words == words


def test_a_network_without_a_block_below_its_head_is_refused():
    with pytest.raises(ValueError, match="no block below its head"):
        candidates.make((5,))
