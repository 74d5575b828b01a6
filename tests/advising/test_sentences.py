"""What an advice says: every number of it is from the content, and it reads as English."""

import re

import pytest

from tftransfer.advising import candidates, sentences

WORK = (100, 300, 200, 200, 100, 50, 20, 5)


def content(**changed):
    """Returns an advice as `document.content` and the last training give it."""
    rows = [
        {"name": one.name, "words": one.words, "cost": one.cost(WORK), "runs": 1, "mean": 0.8, "last": 0.8,
         "last_step": 100, "regret": 0.01 + 0.001 * i, "confirmed": [[1, 1, 0.8]]}
        for i, one in enumerate(candidates.make(WORK))
    ]  # fmt: skip
    told = {
        "chosen": "k3t4n1", "regret": 0.0031, "within": 0.861, "tolerance": 0.005, "best_set": ["k3t4n1"],
        "cheapest": "k3t4n1", "chance": 1 / 6, "held_out_images": 500, "smallest": 0.0112, "labels_to_halve": 7500,
        "validation_images": 1250, "top1": 0.9134, "interval": (0.8981, 0.9262), "warnings": [], "warning_texts": [],
        "candidates": rows,
        "habits": {
            "all tuned": {"mean": 0.0204, "low": 0.009, "high": 0.0314},
            "head only": {"mean": 0.0441, "low": 0.031, "high": 0.06},
            "from scratch": {"mean": 0.312, "low": 0.29, "high": 0.334},
        },
    }  # fmt: skip
    return told | changed


def test_an_advice_in_sentences():
    assert sentences.lines(content()) == [
        "Keep blocks 1 to 3, tune blocks 4 to 7, new head: 91.3 % (89.8 to 92.6) on 1,250 images that no phase saw.",
        "Expected regret: 0.3 percentage points. It is within your tolerance of 0.5 points of the best with "
        "probability 0.86.",
        "No other candidate may be as good, within the data's power.",
        "Against the advice, in percentage points: tuning all blocks loses 2.0 (0.9 to 3.1); a new head alone loses "
        "4.4 (3.1 to 6.0); training from scratch loses 31.2 (29.0 to 33.4).",
        "The 500 held-out images of a fold cannot show differences below 1.1 percentage points; 7,500 more labels "
        "would halve that.",
    ]


def test_scores_of_one_fold_are_said_to_be():
    rows = [one | {"confirmed": []} for one in content()["candidates"]]
    assert any("rests on one fold" in line for line in sentences.lines(content(candidates=rows)))
    assert not any("rests on one fold" in line for line in sentences.lines(content()))


def test_habits_that_win_are_said_to_win_with_their_interval_turned():
    habits = {"head only": {"mean": -0.012, "low": -0.03, "high": 0.006}}
    (line,) = [line for line in sentences.lines(content(habits=habits)) if "head alone" in line]
    assert line == "Against the advice, in percentage points: a new head alone wins 1.2 (-0.6 to 3.0)."


def test_a_habit_that_is_no_better_and_no_worse_neither_loses_nor_wins():
    habits = {"all tuned": {"mean": -0.0003, "low": -0.01, "high": 0.01}}
    (line,) = [line for line in sentences.lines(content(habits=habits)) if "tuning all" in line]
    assert line.endswith("tuning all blocks does as well (-1.0 to 1.0).")


def test_an_advised_habit_is_not_compared_with_itself():
    habits = {"all tuned": {"mean": 0.0, "low": 0.0, "high": 0.0}}
    told = sentences.lines(content(chosen="all tuned", cheapest="all tuned", best_set=["all tuned"], habits=habits))
    assert told[0].startswith("Tune all blocks, new head: 91.3 %")
    assert not any("Against" in line for line in told)


@pytest.mark.parametrize(
    ("others", "listed"),
    [
        (["k2t5n1"], "keep blocks 1 to 2, tune blocks 3 to 7, new head (expected to lose 0.4)"),
        (["head only", "k3n5"],
         "keep all blocks, new head (expected to lose 0.4); and keep blocks 1 to 3, re-initialise blocks 4 to 7, new "
         "head (expected to lose 0.4)"),
        (["head only", "all tuned", "from scratch", "k2n6", "k3n5"],
         "keep all blocks, new head (expected to lose 0.4); tune all blocks, new head (expected to lose 0.4); train "
         "from scratch (expected to lose 0.4); and 2 more"),
    ],
)  # fmt: skip
def test_ties_are_listed(others, listed):
    rows = [one | {"regret": 0.004} for one in content()["candidates"]]
    told = sentences.lines(content(best_set=["k3t4n1", *others], candidates=rows))
    assert f"A tie: the data do not rule out that one of these is the best: {listed}." in told
    assert not any("No other" in line for line in told)


def test_the_cheapest_of_a_tie_is_named_if_it_saves_something():
    told = sentences.lines(content(best_set=["k3t4n1", "k6t1n1"], cheapest="k6t1n1"))
    saved = 100 * (1 - 25 / 375)
    assert f"The cheapest of them: keep blocks 1 to 6, tune block 7, new head; its steps take {saved:.0f} % less " \
           "arithmetic." in told  # fmt: skip
    told = sentences.lines(content(chosen="head only", best_set=["head only", "k3d4n1"], cheapest="k3d4n1"))
    assert not any("cheapest" in line for line in told), "it costs the same"


def test_a_candidate_that_costs_nothing_saves_less_than_everything():
    rows = [one | {"cost": 0.0} if one["name"] == "head only" else one for one in content()["candidates"]]
    told = sentences.lines(content(candidates=rows, best_set=["k3t4n1", "head only"], cheapest="head only"))
    assert any("its steps take 99 % less arithmetic" in line for line in told)


def test_certainty_is_not_rounded_up_to_one():
    assert "with probability above 0.99." in sentences.lines(content(within=0.9996))[1]
    assert "with probability 0.99." in sentences.lines(content(within=0.99))[1]


def test_nothing_is_recommended_where_nothing_trains():
    (line,) = sentences.lines(content(chosen=""))
    assert line == (
        "Nothing transfers, nothing trains: no candidate is above chance (16.7 %) on 500 held-out images. Check the "
        "labels."
    )


def test_too_few_images_are_not_blamed_on_the_labels():
    (line,) = sentences.lines(content(chosen="", held_out_images=4, chance=0.5))
    assert line == (
        "Too few images: 4 held-out images cannot show that any candidate is above chance (50.0 %). Add labels."
    )
    (line,) = sentences.lines(content(chosen="", held_out_images=1, chance=0.5))
    assert line.startswith("Too few images: 1 held-out image cannot")


def test_warnings_come_last():
    told = sentences.lines(content(warning_texts=["it was trained on copies of 9 of its 20 validation images"]))
    assert told[-1] == "Warning: it was trained on copies of 9 of its 20 validation images."


def test_a_last_training_that_diverged_leaves_no_score():
    told = sentences.lines(content(top1=None, interval=None))
    assert "its training on all images diverged, so there is no model" in told[0]
    assert not any("no phase saw" in line for line in told)


def test_candidates_that_are_right_on_the_same_images_have_no_smallest_difference():
    assert sentences.lines(content(smallest=0.0))[-1] == (
        "On the 500 held-out images of a fold, most candidates are right and wrong on the same ones."
    )


def test_every_number_is_from_the_content():
    told = " ".join(sentences.lines(content(best_set=["k3t4n1", "k2t5n1", "k6t1n1"], cheapest="k6t1n1")))
    known = {"91.3", "89.8", "92.6", "1,250", "0.3", "0.5", "0.86", "2.0", "0.9", "3.1", "4.4", "6.0", "31.2", "29.0",
             "33.4", "500", "1.1", "7,500", "93", "1.8", "3.0"} | set("1234567")  # fmt: skip
    assert set(re.findall(r"\d[\d,.]*(?<![.,])", told)) <= known


def test_sentences_begin_and_end_as_sentences_do():
    for changed in ({}, {"best_set": ["k3t4n1", "k2n6"]}, {"chosen": ""}, {"smallest": 0.0}, {"habits": {}}):
        for line in sentences.lines(content(**changed)):
            assert re.fullmatch(r"[A-Z][^\n]*[a-z0-9)]\.", line), line
            assert "  " not in line
            assert ".." not in line


def test_the_table_has_the_least_regret_first_and_dropped_ones_last():
    rows = [
        one | {"regret": {"k2n6": 0.0, "all tuned": 0.002}.get(one["name"], 0.01)} for one in content()["candidates"]
    ]
    rows[5] |= {"regret": None, "mean": None, "runs": 0, "last": 0.99, "last_step": 12}
    rows[6] |= {"regret": None, "mean": None, "runs": 0, "last": None, "last_step": None}
    told = sentences.table(content(candidates=rows))
    assert [line.split("  ")[0] for line in told[1:3]] == ["k2n6", "all tuned"]
    assert told[-2].startswith(rows[5]["name"])
    assert told[-2].endswith("(dropped after 12 steps)")
    rows[5]["last_step"] = 1
    assert sentences.table(content(candidates=rows))[-2].endswith("(dropped after 1 step)")
    assert "99.0 %" in told[-2]
    assert told[-1].startswith(rows[6]["name"])
    assert "dropped" not in told[-1]
    assert len(told) == 1 + len(rows)
