import json

import pytest

import made_advice
from tftransfer.advising import sentences
from tftransfer.results import Advice


@pytest.fixture
def folder(tmp_path):
    content = made_advice.content(warning_texts=[])
    content["sentences"] = sentences.lines(content)
    (tmp_path / "advice.json").write_text(json.dumps(content))
    return tmp_path


def test_an_advice_reads_itself(folder):
    advice = Advice(folder)
    chosen = next(one for one in advice.content["candidates"] if one["name"] == advice.content["chosen"])
    assert advice.policy == chosen["policy"]
    assert advice.interval[0] <= advice.top1 <= advice.interval[1]
    assert str(advice).splitlines() == list(advice.sentences)
    assert repr(advice) == f"Advice({str(folder)!r})"


def test_its_table_has_a_row_for_each_candidate_the_best_first(folder):
    table = Advice(folder).table
    regrets = [regret for regret in table["regret"] if regret == regret]
    assert regrets == sorted(regrets)
    assert set(table["name"]) == {one["name"] for one in made_advice.content()["candidates"]}


def test_it_draws_itself_with_texts_escaped(folder):
    content = json.loads((folder / "advice.json").read_text())
    content["sentences"] = ["<script>alert(1)</script>"]
    (folder / "advice.json").write_text(json.dumps(content))
    drawn = Advice(folder)._repr_html_()
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


def test_a_folder_without_an_advice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="No finished advice in"):
        Advice(tmp_path)


def test_where_nothing_is_recommended_there_is_no_model(tmp_path):
    content = made_advice.nothing() | {"sentences": ["Nothing transfers."]}
    (tmp_path / "advice.json").write_text(json.dumps(content))
    advice = Advice(tmp_path)
    assert (advice.policy, advice.top1, advice.interval) == ("", None, None)
    with pytest.raises(ValueError, match="recommends nothing"):
        advice.model  # noqa: B018
