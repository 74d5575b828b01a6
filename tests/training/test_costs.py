"""What part of a group's arithmetic each network bears."""

import pytest

from tftransfer.models import AlexNet
from tftransfer.models.costs import block_cost
from tftransfer.training import costs
from tftransfer.training.group import Group, Network


@pytest.fixture(scope="module")
def template():
    return AlexNet((32, 32, 3), 5, width=0.1)


@pytest.fixture(scope="module")
def sources(template):
    return {
        name: Group(template, [Network("base")], {}, seed, "A").weights("base") for name, seed in (("s", 1), ("t", 2))
    }


def test_what_trains_counts_three_times_and_what_is_frozen_once_for_all_that_share_it(template, sources):
    networks = [Network("base"), Network("two", "s", 2, 2), Network("four", "s", 4, 4), Network("other", "t", 2, 2)]
    group = Group(template, networks, sources, 0, "B")
    work = [block_cost(block).multiply_adds for block in group.blocks]
    lower, middle, upper = sum(work[:2]), sum(work[2:4]), sum(work[4:])
    expected = {
        "base": 3 * sum(work),
        "two": lower / 2 + 3 * (middle + upper),
        "four": lower / 2 + middle + 3 * upper,
        "other": lower + 3 * (middle + upper),
    }
    found = costs.shares(group)
    assert sum(found.values()) == pytest.approx(1)
    whole = sum(expected.values())
    assert found == pytest.approx({name: cost / whole for name, cost in expected.items()})
