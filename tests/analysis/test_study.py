import json

import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import study
from tftransfer.records import record_files


def test_unreadable_and_unfinished_networks_hide_no_others(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    for name, text in (("damaged", "{"), ("old", json.dumps({"format": 0}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / record_files.RECORD).write_text(text)
    other = fake_study.content(fake_study.cell("A4B"), 0.4)
    del other["identity"]["treatment"]["preserve"]
    other["identity"]["treatment"]["unheard_of"] = 3
    record_files.write(tmp_path / "later", other)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "events.out.tfevents.1").touch()
    found = study.read(tmp_path)
    assert [record.name for record in found.records] == ["random0-baseB-seed0"]
    assert len(found.unreadable) == 3
    assert "another version" in " ".join(found.unreadable)
    assert found.unfinished == ("begun",)
    assert len(analysis.networks(found)) == len(analysis.networks(tmp_path)) == 1


def test_folders_that_are_no_study_say_what_would_be_one(tmp_path):
    record = fake_study.write(tmp_path / "study", "base", 0.5, target="B")
    (tmp_path / "study" / "events.out.tfevents.1").touch()  # TensorBoard's, of the study
    with pytest.raises(ValueError, match="no such study"):
        analysis.networks(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"holds studies .* Use one of study"):
        analysis.networks(tmp_path)
    with pytest.raises(ValueError, match="folder of one network"):
        analysis.networks(record.folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No network of a study lies here"):
        analysis.networks(tmp_path / "empty")
