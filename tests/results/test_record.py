import pathlib
import subprocess
import sys

import numpy as np
import pytest

import fake_study
import tftransfer as tt
from tftransfer.records import record_files
from tftransfer.results import Record

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    for label, target in (("base", "A"), ("base", "B")):
        fake_study.write(folder, label, 0.6, target=target)
    fake_study.write(folder, "A4B", 0.55)
    fake_study.write(folder, "B4B", None)
    return folder


def test_a_record_has_its_scores_history_and_warnings(study):
    record = tt.Record(study / "random0-A4B-seed0")
    assert (record.name, record.label, record.status, record.top1) == ("random0-A4B-seed0", "A4B", "done", 0.55)
    assert record.result["chance"] == 0.05
    assert list(record.history["step"]) == [100, 200, 300, 400]
    assert record.history["val_top1"].iloc[-1] == 0.55
    assert str(record) == "A4B: 55.0 %"
    assert repr(record) == f"Record({str(record.folder)!r})"


def test_the_frame_compares_with_the_base_of_the_study(study):
    frame = Record(study / "random0-A4B-seed0").frame
    assert len(frame) == 1
    assert frame["minus_base"].iloc[0] == pytest.approx(-0.05)


def test_a_network_that_diverged_has_no_score(study):
    record = Record(study / "random0-B4B-seed0")
    assert record.top1 is None
    assert record.status == "diverged"
    assert "diverged" in record._repr_html_()


def test_it_draws_itself_and_texts_of_others_are_no_markup(study):
    record = record_files.read(study / "random0-A4B-seed0")
    folder = study / "<b>bold"
    record_files.write(folder, {**record.content, "name": "<script>x"})
    text = Record(folder)._repr_html_()
    assert "<svg" in text
    assert "55.0 %" in text
    assert "<script>" not in text
    assert "<b>bold" not in text


def test_there_must_be_a_network(tmp_path):
    with pytest.raises(ValueError, match=r"No finished network in .* Expected a folder with record\.json"):
        Record(tmp_path)


def test_weights_come_by_layer_and_only_where_they_were_kept(finished):
    weights = Record(finished / "random0-baseB-seed0").weights()
    assert set(weights) >= {"conv1", "fc8"}
    assert weights["fc8"][1].shape == (3,)
    assert all(isinstance(array, np.ndarray) for arrays in weights.values() for array in arrays)
    with pytest.raises(ValueError, match="were not kept"):
        Record(finished / "random0-B4B-tuned-seed0").weights()


def test_its_class_names_are_in_the_order_of_the_outputs(finished):
    record = Record(finished / "random0-A4B-seed0")
    assert len(record.class_names) == 3
    assert record.class_names == record.model().class_names


def test_reading_needs_no_tensorflow(study):
    code = (
        "import sys, tftransfer as tt; "
        f"r = tt.Record({str(study / 'random0-A4B-seed0')!r}); r.frame, r.history, r._repr_html_(); "
        f"s = tt.Study({str(study)!r}); s.frame, s.effects(), s.status, s.figures, s._repr_html_(); "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
