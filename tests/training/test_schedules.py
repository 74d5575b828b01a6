"""The course of the rate that a training really takes, as its history says, against the options."""

import dataclasses
import math

import pytest

from tftransfer.training import trainer
from tftransfer.training.group import Network


@pytest.fixture
def rates(recipe, task):
    """Returns the rate of each of eight updates: that of a history's row is the next update's."""

    def taken(**options):
        config = dataclasses.replace(recipe, steps=8, evaluations=8, learning_rate=0.004, **options)
        return trainer.train(config, task, [Network("base")], {})[0].history["learning_rate"]

    return taken


def test_a_cosine_falls_to_0_at_the_end_of_the_training(rates):
    expected = [0.004 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(1, 9)]
    assert rates() == pytest.approx(expected, abs=1e-9)


def test_steps_drop_when_and_by_what_the_options_say(rates):
    found = rates(schedule="step", drop_steps=3, drop_factor=0.5)
    assert found == pytest.approx([0.004, 0.004, 0.002, 0.002, 0.002, 0.001, 0.001, 0.001])


def test_a_constant_rate_stays_and_warm_up_is_a_line(rates):
    assert rates(schedule="constant", warmup_steps=2) == pytest.approx([0.004] * 8)
    assert rates(schedule="constant", warmup_steps=2)[0] == pytest.approx(0.004), "2 of 2"
