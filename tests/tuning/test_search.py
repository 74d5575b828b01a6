"""The search with trainings that are made up, so that its clock is exact."""

import dataclasses
import json

import pytest
from fake_trials import Laboratory, needs_keras_tuner

from tftransfer.experiment.config import Config
from tftransfer.tuning import space
from tftransfer.tuning.study import DIVERGED, FAILED, OK, winner


@needs_keras_tuner
@pytest.mark.parametrize("tuner", ["hyperband", "random", "grid", pytest.param("bayesian", marks=pytest.mark.slow)])
def test_a_search_tries_the_default_first_ends_in_time_and_not_below_it(tuner, tmp_path):
    if tuner == "bayesian":
        pytest.importorskip("sklearn")
        pytest.importorskip("scipy")
    laboratory = Laboratory()
    trials = laboratory.search(tmp_path, 400.0, tuner)
    assert laboratory.trained[0][1:] == (dataclasses.replace(Config(epochs=12.0), evaluations=1), None)
    assert trials[0].recipe == space.tuned(Config(epochs=12.0))
    assert len(trials) > 5
    assert 300 < laboratory.now <= 400
    assert winner(trials).top1 > trials[0].top1
    recipes = [tuple(one.recipe.values()) for one in trials]
    assert len(set(recipes)) == len(recipes), "nothing is trained twice"
    assert [one.number for one in trials] == list(range(1, len(trials) + 1))


@needs_keras_tuner
def test_brackets_of_hyperband_choose_the_lengths(tmp_path):
    trials = Laboratory().search(tmp_path, 10_000.0, trials=14)
    first_bracket = trials[1:14]
    assert [one.recipe["epochs"] for one in first_bracket] == [2.67] * 9 + [8.0] * 3 + [24.0]

    def values(one):
        return {name: value for name, value in one.recipe.items() if name != "epochs"}

    scores = {tuple(values(one).items()): one.top1 or 0.0 for one in first_bracket[:9]}
    promoted = [scores[tuple(values(one).items())] for one in first_bracket[9:12]]
    assert sorted(promoted) == sorted(scores.values())[-3:]


@needs_keras_tuner
def test_the_length_follows_the_time(tmp_path):
    trials = Laboratory().search(tmp_path / "some", 300.0)
    assert max(one.recipe["epochs"] for one in trials) == 12.0, "a bracket up to 24 epochs would not end in time"
    trials = Laboratory().search(tmp_path / "little", 150.0)
    assert [one.recipe["epochs"] for one in trials[1:4]] == [4.0] * 3, "nor would one of thirteen trials"


@needs_keras_tuner
@pytest.mark.parametrize("tuner", ["hyperband", "random", "grid"])
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(tuner, tmp_path):
    whole = Laboratory().search(tmp_path / "whole", 400.0, tuner)
    for stop in (1, 6):
        root = tmp_path / f"stop{stop}"
        with pytest.raises(KeyboardInterrupt):
            Laboratory(interrupt_at=stop).search(root, 400.0, tuner)
        second = Laboratory()
        assert second.search(root, 400.0, tuner) == whole
        assert len(second.trained) == len(whole) - (stop - 1)
        third = Laboratory()
        assert third.search(root, 400.0, tuner) == whole
        assert not third.trained
        longer = Laboratory()
        assert len(longer.search(root, 600.0, tuner)) > len(whole)
        assert longer.now <= 600 - sum(one.seconds for one in whole)


@needs_keras_tuner
def test_failed_and_diverged_trials_are_named_and_do_not_end_the_search(tmp_path):
    from tftransfer.tuning import search

    laboratory = Laboratory(fails=lambda recipe: recipe.width > 0.4)
    trials = laboratory.search(tmp_path, 800.0, "random")
    status = [one.status for one in trials]
    assert status.count(FAILED) >= 1
    assert status.count(DIVERGED) >= 1
    assert status.count(OK) >= 5
    named = search.failures(trials)
    assert len(named) == status.count(FAILED) + status.count(DIVERGED)
    assert any("ValueError: no such thing" in line and "width 0.5" in line for line in named)
    assert any("FAILED after" in line and "no such thing" in line for line in laboratory.said)
    stored = [json.loads(path.read_text()) for path in tmp_path.glob("trials/*/trial.json")]
    assert sum(one["status"] == "failed" for one in stored) == status.count(FAILED)


@needs_keras_tuner
def test_a_search_in_which_everything_fails_ends_and_tries_the_default_again(tmp_path):
    laboratory = Laboratory(fails=lambda recipe: True)
    trials = laboratory.search(tmp_path)
    assert [one.status for one in trials] == [FAILED] * 3
    assert "3 trials in a row failed" in laboratory.said[-1]
    again = Laboratory().search(tmp_path)
    assert again[0].status == OK
    assert len(again) > 3


@needs_keras_tuner
def test_a_trial_is_cut_to_the_time_that_is_left_or_not_started(tmp_path):
    laboratory = Laboratory()
    trials = laboratory.search(tmp_path, 140.0, "random", lists={"widths": "0.25", "lengths": "12,24"})
    cut = [one for one in trials if one.asked != one.recipe]
    assert laboratory.now <= 140
    for one in cut:
        assert one.asked["epochs"] / 2 <= one.recipe["epochs"] < one.asked["epochs"]
    assert len(Laboratory().search(tmp_path / "short", 20.0)) == 1, "the first is always trained"


@needs_keras_tuner
def test_most_trials_and_a_space_of_one_recipe(tmp_path):
    assert len(Laboratory().search(tmp_path / "few", 1e5, trials=4)) == 4
    one = {"widths": "0.25", "learning_rates": "0.01", "weight_decays": "0", "dropouts": "0", "batch_sizes": "64",
           "initializers": "paper", "lengths": "3"}  # fmt: skip
    for tuner in ("hyperband", "random", "grid"):
        (only,) = Laboratory().search(tmp_path / tuner, 1e5, tuner, lists=one)
        assert only.recipe["learning_rate"] == 0.01


@needs_keras_tuner
def test_a_small_space_is_searched_whole(tmp_path):
    few = {"widths": "0.25", "learning_rates": "0.01,0.03", "weight_decays": "0", "dropouts": "0,0.5",
           "batch_sizes": "64", "initializers": "paper", "lengths": "3"}  # fmt: skip
    assert len(Laboratory().search(tmp_path, 1e5, "grid", lists=few)) == 4


@needs_keras_tuner
def test_a_trial_that_takes_too_long_is_ended_and_a_longer_budget_trains_it(tmp_path):
    class Slowing(Laboratory):
        def train(self, folder, recipe, limit):
            if len(self.trained) == 3:
                self._cost = 1e6  # the machine has other things to do
            return super().train(folder, recipe, limit)

    slowing = Slowing()
    assert len(slowing.search(tmp_path, 400.0)) == 3
    assert slowing.now <= 400 * 1.1
    assert "a longer --time_budget goes on" in slowing.said[-1]
    same = Laboratory()
    assert len(same.search(tmp_path, 400.0)) == 3, "its time counts"
    assert not same.trained
    assert len(Laboratory().search(tmp_path, 800.0)) > 3
