import itertools
import re
import xml.etree.ElementTree as ET

import pytest

import made_advice
from tftransfer.advising import figures

DRAWN = (figures.block_map, figures.race, figures.repeats, figures.scores)


@pytest.mark.parametrize("draw", DRAWN)
def test_every_figure_is_one_svg_element_with_a_label(draw):
    root = ET.fromstring(draw(made_advice.content()))
    assert root.tag == "svg"
    assert root.get("aria-label")
    assert "nan" not in draw(made_advice.content())


def test_the_map_has_a_letter_for_each_block_of_each_row():
    content = made_advice.content()
    rows = figures.shown(content)
    assert rows[0]["name"] == content["chosen"]
    assert {"all tuned", "head only", "from scratch"} <= {one["name"] for one in rows}
    letters = re.findall(r'class="letter on-(.)"[^>]*>(.)<', figures.block_map(content))
    assert len(letters) == len(rows) * len(content["blocks"])
    assert all(kind == letter.lower() for kind, letter in letters)


def test_columns_are_as_wide_as_their_cost_beyond_a_letter():
    wide = figures._columns((1, 3, 0), 3 * figures._NARROWEST + 40)
    assert wide == [figures._NARROWEST + 10, figures._NARROWEST + 30, figures._NARROWEST]


def test_a_map_of_many_blocks_grows_wider():
    content = made_advice.content(tuple(f"b{n}" for n in range(72)), (1,) * 72)
    width = float(ET.fromstring(figures.block_map(content)).get("viewBox").split()[2])
    assert width > 72 * figures._NARROWEST


def test_lines_of_the_race_end_where_candidates_were_dropped():
    content = made_advice.content()
    ended = [one for one in content["candidates"] if one["race"][-1][0] < content["steps"]]
    root = ET.fromstring(figures.race(content))
    assert len(root.findall(".//polyline")) == len(content["candidates"])
    assert len([text for text in root.iter("text") if text.text == "\u00d7"]) == len(ended) > 0
    points = [len(line.get("points").split()) for line in root.iter("polyline")]
    assert sorted(points) == sorted(len(one["race"]) for one in content["candidates"])


def test_the_race_names_the_chosen_and_the_habits_without_overlap():
    root = ET.fromstring(figures.race(made_advice.content()))
    heights = sorted(float(text.get("y")) for text in root.iter("text") if "name" in text.get("class"))
    assert all(two - one >= 14.9 for one, two in itertools.pairwise(heights))


def test_each_repeat_is_a_dot():
    content = made_advice.content()
    rows = [one for one in content["candidates"] if one["confirmed"]]
    root = ET.fromstring(figures.repeats(content))
    dots, behind = list(root.iter("circle")), [t for t in root.iter("text") if "further" in (t.text or "")]
    assert len(dots) == (len(rows) - len(behind)) * 4  # three further folds and the race
    assert 0 < len(behind) < len(rows)


def test_what_was_measured_stands_before_the_cheap_scores():
    content = made_advice.content()
    truth = figures.measured(content)
    assert max(truth) == len(content["blocks"]) - 1  # a new head alone
    assert list(truth) == sorted(truth)
    names = [t.text for t in ET.fromstring(figures.scores(content)).iter("text") if "name" in t.get("class")]
    assert names == ["measured top-1", *content["scores"]]


def test_without_numbers_there_is_no_figure():
    content = made_advice.content(scores={}, score_regrets={})
    assert figures.scores(content) == ""
    bare = [one | {"race": [], "confirmed": []} for one in content["candidates"]]
    assert figures.race(content | {"candidates": bare}) == figures.repeats(content | {"candidates": bare}) == ""


def test_equal_scores_do_not_divide_by_zero():
    content = made_advice.content()
    equal = [
        one | {"race": [[75, 1.0], [600, 1.0]], "mean": 1.0, "confirmed": [[1, 1, 1.0]]}
        for one in content["candidates"]
    ]
    content = content | {"candidates": equal, "scores": {"k-NN": {"3": 0.5, "7": 0.5}}}
    for draw in DRAWN:
        ET.fromstring(draw(content))
    zero = [one | {"race": [[600, 0.0]], "mean": 0.0, "confirmed": [[1, 1, 0.0]]} for one in content["candidates"]]
    for draw in (figures.race, figures.repeats):
        ET.fromstring(draw(content | {"candidates": zero}))


@pytest.mark.parametrize("draw", DRAWN)
def test_names_are_escaped(draw):
    hostile = "</svg><script>alert(1)</script>\x1b"
    content = made_advice.content(blocks=(hostile,) * 20)
    text = draw(content | {"scores": {hostile: {"3": 1.0}}})
    assert "<script" not in text
    assert "\x1b" not in text
