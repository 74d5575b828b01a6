"""The phases of an advice, with trainings that are made up: what is dropped, kept, confirmed, and when it ends."""

import dataclasses

import numpy as np
import pytest
from simulated_advice import KilledError, Laboratory, best_is

from tftransfer.advising import advisor, candidates, schedule, state


@pytest.fixture
def laboratory(tmp_path):
    return lambda **options: Laboratory(tmp_path, **options)


def test_the_best_candidate_is_advised_with_its_doubt(laboratory, monkeypatch):
    advice = laboratory(quality=best_is("k3t4n1", best=0.95)).advise(monkeypatch)
    assert advice.chosen.name == advice.verdict.chosen
    assert "k3t4n1" in advice.verdict.best_set
    assert advice.verdict.regret < 0.03
    assert set(advice.verdict.differences) == set(candidates.HABITS)
    assert advice.verdict.differences["from scratch"].mean > 0.2
    assert advice.facts["ended"]
    assert set(advice.scores) == set(advisor.SCORES)
    assert all(set(of) == {1, 3, 7} for of in advice.scores.values())


def test_habits_run_to_the_end_and_what_lies_far_behind_does_not(laboratory, monkeypatch):
    lab = laboratory(quality=best_is("k6t1n1", best=0.95, worst=0.2))
    advice = lab.advise(monkeypatch)
    steps = {name: max(r.step for r in advice.results if r.candidate == name) for name in candidates.HABITS}
    assert set(steps.values()) == {advice.config.steps}, "what habits lose is known"
    last = {c.name: max(r.step for r in advice.results if r.candidate == c.name) for c in advice.candidates}
    assert min(last.values()) < advice.config.steps
    raced = {r.candidate for r in advice.results if r.step == r.steps}
    assert set(advice.posterior.names) == raced


def test_one_of_each_family_outlives_the_first_rung(laboratory, monkeypatch):
    advice = laboratory(quality=best_is("k6t1n1", best=0.99, worst=0.1)).advise(monkeypatch, budget=40_000.0)
    going_on = set(advice.facts["rung 2"])
    assert {c.family for c in advice.candidates if c.name in going_on} == {c.family for c in advice.candidates}


def test_finalists_are_confirmed_on_other_folds_and_seeds(laboratory, monkeypatch):
    advice = laboratory().advise(monkeypatch, seed=5)
    confirmed = [r for r in advice.results if (r.fold, r.seed) != (0, 0)]
    assert confirmed
    assert {r.step for r in confirmed} == {advice.config.steps}
    assert len({r.candidate for r in confirmed}) <= 6
    blocks = {(r.fold, r.seed) for r in confirmed}
    assert len({fold for fold, _ in blocks}) == min(4, len(blocks)), "new folds come first"


def test_seeds_follow_from_that_of_the_options(laboratory, monkeypatch):
    lab = laboratory()
    lab.advise(monkeypatch, seed=5)
    seeds = {seed for _, _, seed, _, _ in lab.scored}
    assert min(seeds) == 5
    assert len(seeds) > 1


def test_rates_are_searched_at_anchors_and_interpolated_by_depth(laboratory, monkeypatch):
    lab = laboratory()
    advice = lab.advise(monkeypatch)
    searched = {r.candidate for r in advice.results if r.candidate.endswith("(rate search)")}
    assert searched == {f"{name} (rate search)" for name in ("all tuned", "head only", "from scratch", "k4t3n1")}
    rates = advice.facts["rates"]
    assert set(rates) == {c.name for c in advice.candidates}
    assert all(1 / 3 - 1e-6 <= rate <= 3 + 1e-6 for rate in rates.values())
    assert advice.rate == rates[advice.chosen.name]
    steps = {r.step for r in advice.results if r.candidate in searched}
    assert steps == {round(advice.config.steps / 8)}


@pytest.mark.parametrize("killed_at", [0, 1, 13, 30, 45, 60, 66])
def test_a_call_that_was_killed_ends_with_the_same_advice(killed_at, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = Laboratory(tmp_path / "a")
    expected = whole.advise(monkeypatch, budget=1500.0)
    lab = Laboratory(tmp_path / "b", killed_at=killed_at)
    with pytest.raises(KilledError):
        lab.advise(monkeypatch, budget=1500.0)
    assert killed_at < len(whole.scored)
    lab.killed_at = None
    advice = lab.advise(monkeypatch, budget=1500.0)
    assert [r for r in advice.results if r not in expected.results] == []
    assert advice.results == expected.results
    assert advice.verdict == expected.verdict
    assert advice.facts["ended"] == expected.facts["ended"]
    seconds = [state.State(tmp_path / name, "k" * 64).seconds for name in "ab"]
    assert seconds[0] == pytest.approx(seconds[1], abs=1e-6 if killed_at > 2 else 60)
    assert len(lab.scored) <= len(whole.scored) + 2, "no score twice, but for the two of the first look"


def test_a_call_that_is_killed_again_and_again_ends_with_the_same_advice(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    expected = Laboratory(tmp_path / "a").advise(monkeypatch, budget=1500.0)
    lab = Laboratory(tmp_path / "b")
    for killed_at in range(4, 100, 9):
        lab.killed_at = killed_at
        try:
            advice = lab.advise(monkeypatch, budget=1500.0)
            break
        except KilledError:
            pass
    assert advice.results == expected.results
    assert advice.verdict == expected.verdict


def test_a_finished_advice_trains_nothing_when_it_is_repeated(laboratory, monkeypatch):
    lab = laboratory()
    first = lab.advise(monkeypatch)
    begun = len(lab.begun)
    again = lab.advise(monkeypatch)
    assert len(lab.begun) == begun
    assert (again.verdict, again.results, again.rate) == (first.verdict, first.results, first.rate)
    assert again.scores == first.scores


def test_another_key_begins_anew(laboratory, monkeypatch):
    lab = laboratory()
    lab.advise(monkeypatch)
    begun = len(lab.begun)
    lab.advise(monkeypatch, key="other" * 10)
    assert len(lab.begun) >= begun * 2 - 1


@pytest.mark.parametrize(
    ("budget", "started"),
    [(150, 1), (200, 1), (200, 40), (300, 1), (300, 40), (600, 40), (1200, 1), (2500, 40), (5000, 1), (20_000, 1)],
)
def test_a_call_ends_at_most_a_tenth_after_its_budget(budget, started, laboratory, monkeypatch):
    lab = laboratory(quality=lambda one: 0.8 if not one.is_scratch else 0.5)  # ties, which all time is spent on
    try:
        advice = lab.advise(monkeypatch, budget=budget, started=started)
    except advisor.BudgetError as error:
        assert budget <= 300
        minutes = float(str(error).partition("--time_budget=")[2].partition("m ")[0])
        assert minutes * 60 > budget
        assert lab.advise(monkeypatch, budget=minutes * 60, started=started, key="other" * 10)
        return
    last = max(r.seconds for r in advice.results if r.candidate == advice.chosen.name)
    assert lab.now + 1.25 * last <= 1.1 * budget
    if advice.facts["ended"] in ("out of time", "budget spent"):
        assert lab.now >= 0.5 * budget or advice.config.steps == 400


def test_a_budget_of_a_second_is_refused_with_one_that_would_do(laboratory, monkeypatch):
    with pytest.raises(
        advisor.BudgetError, match=r"1 s were given, about \d+ minutes are needed .* --time_budget=\d+m"
    ):
        laboratory().advise(monkeypatch, budget=1.0)


def test_a_race_that_is_slower_than_it_was_planned_drops_the_worst(laboratory, monkeypatch):
    lab = laboratory(quality=lambda one: 0.8)
    slow = schedule.Speed(step=0.1, forward=0.05, start=0.0)
    monkeypatch.setattr(advisor.Advisor, "_look", lambda self: slow)
    advice = lab.advise(monkeypatch, budget=330.0)
    assert any("out of time for" in line for line in lab.said)
    for rung in ("rung 2", "rung 3"):
        assert set(candidates.HABITS) <= set(advice.facts[rung])
        assert len(advice.facts[rung]) >= 5


def test_building_that_is_over_costs_no_further_time(laboratory, monkeypatch):
    lab = laboratory(quality=lambda one: 0.8)
    advice = lab.advise(monkeypatch, budget=400.0, steps=8)
    assert len(advice.facts["rung 3"]) > 5, "8 steps take less than a second; building took nearly all of the time"
    assert not any("out of time" in line for line in lab.said)


def test_labels_without_signal_give_no_advice(laboratory, monkeypatch):
    lab = laboratory(quality=lambda one: 0.17)
    advice = lab.advise(monkeypatch)
    assert (advice.chosen, advice.verdict, advice.posterior) == (None, None, None)
    assert not [r for r in advice.results if r.fold], "nothing is confirmed"


def test_networks_that_diverge_are_never_advised_and_do_not_end_the_race(laboratory, monkeypatch):
    lab = laboratory(diverging=("all tuned", "from scratch", "k3t4n1"))
    advice = lab.advise(monkeypatch)
    assert advice.chosen.name not in lab.diverging
    assert all(r.top1 == 0 for r in advice.results if r.candidate in lab.diverging)
    assert "k3t4n1" not in advice.facts["rung 2"]
    assert advice.verdict.differences["all tuned"].mean > 0.3
    lab = laboratory(diverging=[one.name for one in advice.candidates])
    assert lab.advise(monkeypatch, key="other" * 10).chosen is None


def test_a_kept_block_that_changed_ends_the_call_and_is_not_remembered(laboratory, monkeypatch):
    lab = laboratory(spoiled="k2t5n1")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Kept blocks of k2t5n1 changed: conv1"):
            lab.advise(monkeypatch)
    lab.spoiled = ""
    advice = lab.advise(monkeypatch)
    assert len(advice.results) == len({dataclasses.astuple(r) for r in advice.results})


def test_a_batch_must_fit_the_images_of_all_folds_but_one(laboratory, monkeypatch):
    with pytest.raises(ValueError, match="larger than the half: --batch_size=200, the half has 192"):
        laboratory().advise(monkeypatch, batch_size=200)
    assert laboratory().advise(monkeypatch, batch_size=192, steps=64)


def test_no_phase_sees_a_validation_image(laboratory, monkeypatch):
    lab = laboratory()
    seen = []
    fold = advisor.Advisor._fold
    monkeypatch.setattr(advisor.Advisor, "_fold", lambda *a: seen.append(fold(*a)) or seen[-1])
    lab.advise(monkeypatch)
    for task in seen:
        assert {task.training.subset, task.validation.subset} == {"train"}
        assert not set(task.training.ids) & set(task.validation.ids)


def test_cheap_scores_of_many_images_are_those_of_some(laboratory, monkeypatch):
    monkeypatch.setattr(advisor, "_MOST_SCORED", 60)
    counts = []
    monkeypatch.setitem(advisor.SCORES, "k-NN", lambda x, y: counts.append((len(x), len(np.unique(y)))) or 0.5)
    laboratory().advise(monkeypatch)
    assert set(counts) == {(60, 6)}
