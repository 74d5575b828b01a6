"""Findings that outlive a call."""

import json

import numpy as np
import pytest

from tftransfer.advising.state import Result, State, packed

MASK = np.array([True, False, True] * 5)


def result(name="a", step=10, fold=0, seed=0, rate=1.0):
    return Result(name, fold, seed, step, 20, rate, packed(MASK), len(MASK), 1.5)


def test_masks_are_kept_bit_by_bit():
    assert np.array_equal(result().mask, MASK)
    assert result().top1 == pytest.approx(MASK.mean())


def test_another_call_goes_on_from_every_finding(tmp_path):
    state = State(tmp_path, "a" * 64)
    assert not state.resumed
    state.remember(3.0, plan={"steps": 5}, rates={"a": 3.0})
    state.add(result(), 7.25)
    again = State(tmp_path, "a" * 64)
    assert again.resumed
    assert (again.seconds, again.facts, again.results) == (
        7.25,
        {"plan": {"steps": 5}, "rates": {"a": 3.0}},
        [result()],
    )


def test_results_are_found_by_all_that_decides_them(tmp_path):
    state = State(tmp_path, "a" * 64)
    for one in (result(step=10), result(step=20), result("b")):
        state.add(one, 1.0)
    assert state.find("a", 0, 0, 10, 1.0) == result()
    for other in (("c", 0, 0, 10, 1.0), ("a", 1, 0, 10, 1.0), ("a", 0, 1, 10, 1.0), ("a", 0, 0, 15, 1.0),
                  ("a", 0, 0, 10, 3.0)):  # fmt: skip
        assert state.find(*other) is None
    assert state.last("a", 0, 0, 1.0).step == 20
    assert state.last("a", 1, 0, 1.0) is None


def test_findings_of_another_key_are_left_alone(tmp_path):
    first = State(tmp_path, "a" * 64)
    first.add(result(), 5.0)
    other = State(tmp_path, "b" * 64)
    assert not other.resumed
    assert len(other.others) == 1
    other.add(result("b"), 1.0)
    assert State(tmp_path, "a" * 64).results == [result()], "a try with another budget loses nothing"
    assert State(tmp_path, "a" * 8 + "c" * 56).results == [], "eight digits alone may be equal"


@pytest.mark.parametrize("changed", [{"seconds": "x"}, {"results": [{"candidate": "a"}]}, {"facts": 3}, {"results": 3}])
def test_a_file_that_something_else_wrote_is_named(changed, tmp_path):
    State(tmp_path, "a" * 64).add(result(), 5.0)
    (path,) = tmp_path.glob("state-*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(ValueError, match=r"state-aaaaaaaa.json does not hold the findings .* Delete it"):
        State(tmp_path, "a" * 64)
