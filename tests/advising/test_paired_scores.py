import math

import numpy as np
import pytest

from tftransfer.advising import paired_scores


def test_rows_become_a_table_with_what_is_missing():
    rows = [("a", 1, 0, 0.5), ("b", 0, 1, 0.25), ("a", 0, 1, 0.75)]
    table = paired_scores.from_rows(rows, ["b", "a", "c"], ["x", "y", "y"], [0.5, math.nan, 1])
    assert table.top1.shape == (3, 2, 2)
    assert table.top1[1, 1, 0] == 0.5
    assert table.top1[0, 0, 1] == 0.25
    assert table.present.sum(axis=(1, 2)).tolist() == [1, 2, 0]
    some = table.of([2, 0])
    assert (some.names, some.families, some.depths.tolist()) == (("c", "b"), ("y", "x"), [1.0, 0.5])
    assert some.present.sum(axis=(1, 2)).tolist() == [0, 1]


def test_nothing_trained_is_a_table_too():
    assert not paired_scores.from_rows([], ["a", "b"]).present.any()


@pytest.mark.parametrize(
    ("rows", "message"),
    [([("c", 0, 0, 0.5)], "Received also: c"), ([("a", 0, 0, 0.5), ("a", 0, 0, 0.5)], "fold 0 with seed 0.*two"),
     ([("a", 0, 0, 50.0)], "from 0 to 1")],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        paired_scores.from_rows(rows, ["a", "b"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"names": ("a", "a")}, "name of its own"), ({"names": ("a",)}, "of 1 candidates"),
     ({"families": ("x",)}, "one family for each"), ({"depths": np.array([0.5])}, "one depth for each"),
     ({"depths": np.array([0.5, 7])}, "from 0 to 1")],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused(changes, message):
    fields = {"names": ("a", "b"), "top1": np.zeros((2, 1, 1))} | changes
    with pytest.raises(ValueError, match=message):
        paired_scores.PairedScores(**fields)
