import math

import numpy as np

from tftransfer.advising import held_out, racing


def rung(top1, error, tolerance=0.01, families=()):
    count = len(top1)
    return racing.kept(np.array(top1), np.full((count, count), error), tolerance, families).tolist()


def test_dropped_is_only_what_lies_two_errors_and_a_tolerance_behind():
    assert rung([0.8, 0.75, 0.7], error=0.03) == [True, True, False]
    assert rung([0.8, 0.75, 0.7], error=0.06) == [True, True, True], "within two paired errors"
    assert rung([0.8, 0.75, 0.7], error=0.001, tolerance=0.07) == [True, True, False], "within the tolerance"


def test_the_error_is_that_of_the_pair_with_the_best():
    errors = np.array([[0, 0.5, 0.01], [0.5, 0, 0.5], [0.01, 0.5, 0]])
    assert racing.kept(np.array([0.8, 0.7, 0.7]), errors, 0.01).tolist() == [True, True, False]


def test_one_of_each_family_survives_the_first_rung():
    families = ["keep", "keep", "scratch", "scratch"]
    assert rung([0.8, 0.5, 0.3, 0.4], 0.01, families=families) == [True, False, False, True]
    assert rung([0.8, 0.5, 0.3, 0.4], 0.01) == [True, False, False, False]


def test_a_diverged_network_is_dropped_even_alone_in_its_family():
    assert rung([0.8, math.nan, 0.79], 0.01, families=["a", "b", "a"]) == [True, False, True]
    assert rung([math.nan, math.nan], 0.01, families=["a", "b"]) == [False, False]


def test_the_best_is_rarely_dropped():
    """2,000 races of 16 in which nine are truly as good: a given one of these nearly always stays."""
    rng = np.random.default_rng(0)
    truth = np.append(np.full(9, 0.8), np.full(7, 0.6))
    lost = np.zeros(2)
    for _ in range(2000):
        correct = rng.random((16, 200)) < truth[:, None]
        errors = held_out.paired_error(held_out.disagreement(correct), 200)
        stays = racing.kept(correct.mean(axis=1), errors, 0.005)
        lost += (~stays[0], (~stays[9:]).mean())
    # The best of nine equals is lucky, so that more than 1 in 20 lies two errors behind it.
    assert lost[0] / 2000 < 0.12
    assert lost[1] / 2000 > 0.9, "what is 20 points behind does not go on"


def test_finalists_are_the_best_and_the_cheaper_of_equals():
    top1 = np.array([0.7, 0.8, math.nan, 0.8, 0.6])
    assert racing.finalists(top1, [1, 5, 0, 2, 1]) == (3, 1, 0, 4)
    assert racing.finalists(top1, [1, 5, 0, 2, 1], most=2) == (3, 1)
    assert len(racing.finalists(np.linspace(0.5, 0.9, 16), np.ones(16))) == 6
