"""The course of the rate that a training really takes, as its history says, against the options."""

import dataclasses
import math

import pytest

from tftransfer.training import trainer
from tftransfer.training.group import Network


@pytest.fixture
def rates(recipe, task):
    """Returns the rate of each of eight steps."""

    def taken(**options):
        config = dataclasses.replace(recipe, steps=8, evaluations=8, learning_rate=0.004, **options)
        return trainer.train(config, task, [Network("base")], {})[0].history["learning_rate"]

    return taken


def test_a_cosine_falls_from_the_first_update_to_the_last(rates):
    expected = [0.004 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates() == pytest.approx(expected, abs=1e-9)


def test_steps_drop_when_and_by_what_the_options_say(rates):
    found = rates(schedule="step", drop_steps=3, drop_factor=0.5)
    assert found == pytest.approx([0.004, 0.004, 0.004, 0.002, 0.002, 0.002, 0.001, 0.001])


def test_a_constant_rate_stays_and_warm_up_is_a_line(rates):
    assert rates(schedule="constant", warmup_steps=2) == pytest.approx([0.002] + [0.004] * 7), "1 of 2, then 2 of 2"
