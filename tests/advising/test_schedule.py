"""Plans that fit into a budget."""

import dataclasses

import pytest

from tftransfer.advising import candidates, schedule
from tftransfer.advising.schedule import Speed

WORK = (100, 300, 200, 200, 100, 50, 20, 5)
SPEED = Speed(step=0.1, forward=0.05, start=2.0)


def fit(budget, before=0.0, most=1000, speed=SPEED):
    return schedule.fit(WORK, speed, budget, most, images=100, batch=50, before=before)


def test_a_plan_takes_its_part_of_the_budget():
    for budget in (100, 200, 500, 1000, 3000, 100_000):
        plan = fit(budget)
        if plan:
            assert plan.seconds <= schedule.RACE * budget
            runners = candidates.make(WORK, plan.cuts, plan.singles)
            again = schedule.race_seconds(runners, WORK, plan.steps, SPEED, 100, 50, plan.rates)
            assert again == plan.seconds
            assert plan.seconds + schedule.finish_seconds(plan.steps, SPEED) <= (1 - schedule.RESERVED) * budget


def test_more_time_gives_a_larger_race():
    plans = [plan for plan in map(fit, range(50, 5000, 50)) if plan]
    assert plans[-1] == dataclasses.replace(plans[-1], steps=1000, cuts=8, singles=4, rates=True)
    assert plans[0].cuts < 8
    assert not plans[0].rates


def test_time_that_is_spent_before_the_race_is_not_there_for_it():
    assert fit(1000).seconds > fit(1000, before=700).seconds
    assert fit(1000).cuts > fit(1000, before=700).cuts
    assert fit(1000, before=950) is None


def test_the_smallest_budget_is_the_smallest_with_a_plan():
    for before in (0.0, 30.0, 400.0):
        least = schedule.needed(WORK, SPEED, 100, 50, 1000, before)
        assert fit(least * 1.0001, before)
        assert fit(least * 0.999, before) is None


def test_few_steps_are_not_made_more():
    assert fit(10_000, most=10).steps == 10
    assert schedule.needed(WORK, SPEED, 100, 50, most_steps=10) < schedule.needed(WORK, SPEED, 100, 50, 1000)


def test_searching_rates_and_starting_take_time():
    runners = candidates.make(WORK)
    alone = schedule.race_seconds(runners, WORK, 100, SPEED, 100, 50, False)
    assert schedule.race_seconds(runners, WORK, 100, SPEED, 100, 50, True) > alone
    slow = dataclasses.replace(SPEED, start=20.0)
    assert schedule.race_seconds(runners, WORK, 100, slow, 100, 50, False) > alone
    assert schedule.start_seconds(0.0, SPEED) == 0.5
    assert schedule.start_seconds(1.0, SPEED) == 2.0


def test_the_last_training_is_kept_half_as_much_again_as_a_whole_network_takes():
    assert schedule.finish_seconds(100, SPEED) == pytest.approx(18.0)


def test_features_are_computed_for_each_view_and_the_centre():
    assert schedule.feature_seconds(SPEED, images=1000, batch=50, views=2) == pytest.approx(3 * 20 * 0.05)
