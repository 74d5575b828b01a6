import importlib.util

import pytest
from fake_trials import needs_keras_tuner

from tftransfer.tuning import oracles

CHOICES = {"learning_rate": (0.01, 0.02, 0.03), "width": (0.25, 0.5), "epochs": (12.0,)}


def test_a_bracket_ends_with_one_trial_of_the_longest_length():
    bracket = oracles.Bracket(longest_epochs=18.0, rounds=3)
    assert bracket.epochs == [2.0] * 9 + [6.0] * 3 + [18.0]
    assert bracket.shortest_epochs == 2.0


@needs_keras_tuner
@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_the_same_seed_and_scores_give_the_same_proposals(tuner, tmp_path):
    def proposals(folder):
        oracle, values = oracles.Oracle(tuner, CHOICES, 3, None, folder), []
        for _ in range(4):
            trial, proposed = oracle.ask()
            values.append(proposed)
            oracle.tell(trial, proposed["width"])
        return values

    found = proposals(tmp_path / "a")
    assert found == proposals(tmp_path / "b")
    assert all(values["epochs"] == 12.0 for values in found), "an option with one value is not proposed but kept"


@needs_keras_tuner
def test_an_oracle_without_a_choice_proposes_nothing(tmp_path):
    one = {name: values[:1] for name, values in CHOICES.items()}
    assert oracles.Oracle("random", one, 0, None, tmp_path).ask() is None


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs keras_tuner and sklearn and scipy"):
        oracles.check_installed("bayesian")
