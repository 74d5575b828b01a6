import dataclasses

import numpy as np
import pytest

from simulated_studies import DEPTHS, ERROR, FAMILIES, NAMES, TRUTHS
from tftransfer.advising import confidence, paired_scores, statements, stopping

PLAN = stopping.Plan((4, 0, 1, 2, 3, 5), folds=10, seeds=3, runs=36, tolerance=0.003, test_train_ratio=0.0)


def simulated(truth, seed):
    """Returns every score that could be measured, `(6, folds, seeds)`."""
    rng = np.random.default_rng(seed)
    shape = (6, PLAN.folds, PLAN.seeds)
    return truth[:, None, None] + rng.normal(0, 0.03, shape[1:]) + rng.normal(0, ERROR, shape)


def race(scores):
    """Returns the table after the race: fold 0 and seed 0 of all."""
    top1 = np.full(scores.shape, np.nan)
    top1[:, 0, 0] = scores[:, 0, 0]
    return paired_scores.PairedScores(NAMES, top1, FAMILIES, DEPTHS)


def confirm(scores, plan, order=lambda runs: runs):
    """Returns the table, the trainings in their order and the end's reason; `order` is that in which they finish."""
    table, done = race(scores), []
    while True:
        found = stopping.next_runs(table, plan)
        if not found.runs:
            return table, done, found.reason
        for run in order(found.runs)[:2]:  # killed after two trainings each time
            done.append(run)
            top1 = table.top1.copy()
            top1[run] = scores[run]
            table = dataclasses.replace(table, top1=top1)


@pytest.mark.parametrize(("candidates", "runs"), [(6, 36), (6, 100), (5, 40), (3, 12), (2, 7), (6, 7), (6, 5), (1, 9)])
def test_halving_spends_its_budget_in_equal_rounds(candidates, runs):
    rounds = stopping.allocation(candidates, runs)
    spent = [active * repeats for active, repeats in rounds]
    assert sum(spent) <= runs
    assert [active for active, _ in rounds] == [6, 3, 2][: len(rounds)] if candidates == 6 else True
    if runs >= 12 and candidates > 1:
        assert max(spent) - min(spent) <= 2 * candidates
        assert runs - sum(spent) < 2


def test_blocks_take_new_folds_and_seeds_first_and_each_once():
    order = stopping.blocks(5, 3)
    assert [fold for fold, _ in order[:4]] == [1, 2, 3, 4]
    assert len(set(order)) == 14
    assert (0, 0) not in order
    assert stopping.blocks(1, 3) == [(0, 1), (0, 2)]


def test_a_killed_call_and_another_order_of_trainings_decide_the_same():
    scores = simulated(0.8 - np.array([0, 0.004, 0.008, 0.012, 0.016, 0.02]), 3)
    table, done, reason = confirm(scores, PLAN)
    other, undone, same = confirm(scores, PLAN, lambda runs: runs[::-1])
    assert done != undone
    assert (set(done), reason) == (set(undone), same)
    np.testing.assert_array_equal(table.top1, other.top1)
    assert len(done) > 6


def test_worse_halves_are_trained_no_further():
    truth = 0.8 - np.array([0, 0.1, 0.1, 0.1, 0.002, 0.1])
    table, done, reason = confirm(simulated(truth, 0), dataclasses.replace(PLAN, tolerance=0.0))
    trained = table.present.sum(axis=(1, 2))
    assert (reason, len(done)) == (stopping.SPENT, 36)
    assert set(np.argsort(-trained)[:2]) == {0, 4}
    assert sorted(trained.tolist()) == [3, 3, 3, 7, 13, 13]


def test_a_clear_winner_ends_it_and_little_budget_or_few_folds_do():
    clear = simulated(np.array([0.9, 0.8, 0.8, 0.8, 0.8, 0.8]), 0)
    _, done, reason = confirm(clear, PLAN)
    assert (len(done), reason) == (6, stopping.CERTAIN)
    tie = simulated(np.full(6, 0.8), 0)
    _, done, reason = confirm(tie, dataclasses.replace(PLAN, runs=5))
    assert (done, reason) == ([], stopping.SPENT)
    # Three blocks are left of two folds and two seeds.
    _, done, reason = confirm(tie, dataclasses.replace(PLAN, folds=2, seeds=2, runs=200, tolerance=0))
    assert (len(done), reason) == (18, stopping.NO_FOLDS)


def test_only_finalists_are_trained():
    scores = simulated(np.full(6, 0.8), 1)
    plan = dataclasses.replace(PLAN, finalists=(2, 5), runs=4, tolerance=0)
    _, done, _ = confirm(scores, plan)
    assert {run[0] for run in done} == {2, 5}
    images = np.eye(6) * 1e-4
    assert stopping.next_runs(race(scores), plan, images).runs == ((2, 1, 1), (5, 1, 1))


def test_scores_of_later_blocks_do_not_change_the_decision():
    scores = simulated(0.8 - np.array([0, 0.1, 0.1, 0.1, 0.002, 0.1]), 0)
    plan = dataclasses.replace(PLAN, tolerance=0.0)
    top1, blocks = race(scores).top1, stopping.blocks(PLAN.folds, PLAN.seeds)
    for block in blocks[:2]:
        top1[:, *block] = scores[:, *block]
    table = dataclasses.replace(race(scores), top1=top1.copy())
    before = stopping.next_runs(table, plan)
    later = blocks[6]
    top1[1, *later], top1[4, *later] = 1.0, 0.0
    assert stopping.next_runs(dataclasses.replace(table, top1=top1), plan) == before
    assert {run[0] for run in before.runs} >= {0, 4}


def test_stopping_early_states_the_regret_that_it_has():
    """Stops where regret looks small select lucky moments; what is stated then is still no less than the true one."""
    rng = np.random.default_rng(0)
    stated, true, spent = [], [], []
    for i in range(40):
        truth = TRUTHS["line"](rng)
        table, done, _ = confirm(simulated(truth, i), dataclasses.replace(PLAN, tolerance=0.004))
        found = confidence.posterior(table, 0.0)
        regrets = statements.expected_regret(found.draws)
        stated.append(regrets.min())
        true.append(truth.max() - truth[regrets.argmin()])
        spent.append(len(done))
    assert np.mean(stated) >= np.mean(true) - 2 * np.std(true) / np.sqrt(40)
    assert np.mean(true) < 0.003
    assert np.mean(spent) < 34
