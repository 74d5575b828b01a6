"""An advice as plain data."""

import json

import numpy as np
import pytest
from simulated_advice import WORK, Laboratory, best_is

from tftransfer.advising import document, sentences

BLOCKS = tuple(f"block{i}" for i in range(8))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Returns an advice, its task and its content."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        lab = Laboratory(tmp_path_factory.mktemp("advice"), quality=best_is("k3t4n1", best=0.95))
        advice = lab.advise(monkeypatch)
    return advice, lab.task, document.content(advice, lab.task, 0.005, WORK, BLOCKS, 5)


def test_it_is_plain_json(told):
    content = told[2]
    assert json.loads(json.dumps(content, allow_nan=False)) == json.loads(json.dumps(content))


def test_numbers_are_those_of_the_verdict(told):
    advice, task, content = told
    assert content["chosen"] == advice.chosen.name
    assert (content["regret"], content["within"]) == (advice.verdict.regret, advice.verdict.within)
    assert content["best_set"] == list(advice.verdict.best_set)
    assert content["habits"]["all tuned"]["mean"] == advice.verdict.differences["all tuned"].mean
    assert content["held_out_images"] == len(task.training) // 5 == 48
    assert content["labels_to_halve"] == 3 * 48 * 5
    assert content["chance"] == pytest.approx(np.bincount(task.training.labels).max() / 240)
    assert content["blocks"] == list(BLOCKS)
    assert content["ended"]


def test_each_candidate_has_its_scores(told):
    advice, _, content = told
    assert [one["name"] for one in content["candidates"]] == [one.name for one in advice.candidates]
    for one in content["candidates"]:
        own = [r for r in advice.results if r.candidate == one["name"]]
        whole = [r for r in own if r.step == r.steps]
        assert one["runs"] == len(whole)
        assert one["mean"] == (pytest.approx(np.mean([r.top1 for r in whole])) if whole else None)
        assert (one["regret"] is None) == (not whole)
        assert [step for step, _ in one["race"]] == sorted(r.step for r in own if (r.fold, r.seed) == (0, 0))
        assert len(one["confirmed"]) == len([r for r in whole if (r.fold, r.seed) != (0, 0)])
        trainings = {(r.fold, r.seed): r.seconds for r in sorted(own, key=lambda r: r.step)}
        assert one["seconds"] == pytest.approx(sum(trainings.values()), abs=0.06), "of dropped ones, too"
    regrets = {one["name"]: one["regret"] for one in content["candidates"] if one["regret"] is not None}
    assert min(regrets, key=regrets.get) == content["chosen"]


def test_what_cheap_scores_would_have_lost_is_measured_among_linear_probes(told):
    advice, _, content = told
    assert set(content["scores"]) == set(advice.scores)
    probes = {one["name"]: one["last"] if one["mean"] is None else one["mean"] for one in content["candidates"]
              if one["family"] == "keep, drop the rest" or one["name"] == "head only"}  # fmt: skip
    for name, lost in content["score_regrets"].items():
        favourite = max((d for d in advice.scores[name]), key=lambda d: advice.scores[name][d])
        policy = "head only" if favourite == 7 else f"k{favourite}d{7 - favourite}n1"
        assert lost == pytest.approx(max(probes.values()) - probes[policy])


def test_an_advice_of_nothing_has_no_verdict(tmp_path, monkeypatch):
    lab = Laboratory(tmp_path, quality=lambda one: 0.16)
    content = document.content(lab.advise(monkeypatch), lab.task, 0.005, WORK, BLOCKS, 5)
    assert (content["chosen"], content["regret"], content["best_set"], content["habits"]) == ("", None, [], {})
    json.dumps(content, allow_nan=False)
    assert "Check the labels" in sentences.lines(content)[0]
    assert len(sentences.table(content)) == 1 + len(content["candidates"])


def test_what_is_said_is_made_of_the_content(told):
    content = told[2] | {"top1": 0.9, "interval": (0.8, 0.95), "validation_images": 60, "warnings": []}
    again = json.loads(json.dumps(content))
    assert sentences.lines(again) == sentences.lines(content)
    assert sentences.table(again) == sentences.table(content)
