import json

import pytest
from fake_trials import trial

from tftransfer.tuning.study import DIVERGED, FAILED, Study, winner


def test_the_winner_is_the_best_and_of_equal_ones_the_cheapest():
    trials = [
        trial(1, 0.5, 9.0),
        trial(2, 0.7, 30.0),
        trial(3, 0.7, 20.0),
        trial(4, status=FAILED),
        trial(5, 0.7, 20.0),
    ]
    assert winner(trials).number == 3
    assert winner(trials[:1]).number == 1
    assert winner([trial(status=DIVERGED)]) is None


def test_a_study_is_read_back_and_refuses_other_settings(tmp_path):
    study = Study(tmp_path / "s", {"tuner": "grid", "choices": {"width": (0.25, 0.5)}})
    written = [trial(2, width=0.5), trial(1, status=FAILED)]
    for one in written:
        study.write(one)
    study.bracket = {"longest_epochs": 24.0, "rounds": 3}
    again = Study(tmp_path / "s", {"tuner": "grid", "choices": {"width": (0.25, 0.5)}})
    assert again.trials() == written[::-1]
    assert (again.next_number(), again.bracket) == (3, {"longest_epochs": 24.0, "rounds": 3})
    with pytest.raises(ValueError, match=r"other settings.*tuner: \"grid\" there, \"random\" here.*--study=NAME"):
        Study(tmp_path / "s", {"tuner": "random", "choices": {"width": (0.25, 0.5)}})
    path = tmp_path / "s" / "study.json"
    content = json.loads(path.read_text())
    good = {"longest_epochs": 3.0, "rounds": 2}
    for bracket in ({}, {"rounds": 2}, {**good, "more": 1}, {**good, "rounds": "x"}, {**good, "rounds": 1e300}, [1]):
        path.write_text(json.dumps({**content, "bracket": bracket}))
        with pytest.raises(ValueError, match="damaged: bracket"):
            Study(tmp_path / "s", content["settings"])
    path.write_text(json.dumps({**content, "bracket": good}))
    assert Study(tmp_path / "s", content["settings"]).bracket == good
    with study.locked(), pytest.raises(ValueError, match="Another search"), again.locked():
        pass
    (again.folder(1) / "trial.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        again.trials()
