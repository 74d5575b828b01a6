import math

import pytest

from tftransfer.reporting import phrases


def test_missing_numbers_are_empty():
    assert phrases.percent(math.nan) == phrases.points(math.nan) == phrases.interval(math.nan, 0.1) == ""
    assert phrases.percent(None) == phrases.points(None) == ""


@pytest.mark.parametrize(("fraction", "text"), [(0.6251, "62.5 %"), (0.0, "0.0 %"), (1.0, "100.0 %")])
def test_fractions_are_shown_in_per_cent(fraction, text):
    assert phrases.percent(fraction) == text


def test_the_sign_of_a_difference_is_a_minus_sign_or_a_word():
    assert phrases.points(-0.0123) == "\N{MINUS SIGN}1.23"
    assert phrases.above(-0.0123) == "1.23 percentage points below"
    assert phrases.above(-1e-6, 1) == "0.0 percentage points from"


@pytest.mark.parametrize(("values", "text"), [([], ""), ([4], "4"), ([5, 4], "4, 5"), ([1, 2, 3, 3], "1 to 3")])
def test_consecutive_numbers_are_ranges(values, text):
    assert phrases.numbers(values) == text


def test_nouns_are_in_the_plural_where_they_should_be():
    assert [phrases.count(many, "pair") for many in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
    assert phrases.over(1, "seeds", 20) == "over 1 seed and 20 validation images"
