import pathlib

import pytest

import fake_study
import tftransfer as tt
from tftransfer import analysis
from tftransfer.analysis import decomposition
from tftransfer.results import Report, study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "study"
    fake_study.write_paper_like(folder, split_seeds=1)
    return folder


def test_its_numbers_are_those_of_analysis(folder):
    ours = tt.Study(folder)
    frame = analysis.networks(folder)
    assert ours.frame.equals(frame)
    assert ours.effects().equals(analysis.effects(frame))
    assert ours.decomposition().equals(decomposition.decomposition(frame))
    assert ours.name == "study"
    assert len(ours.records) == 58


def test_networks_by_label_or_name(folder):
    ours = tt.Study(folder)
    assert ours["A4B"].name == "random0-A4B-seed0"
    assert ours["random0-A4B-seed0"].label == "A4B"
    with pytest.raises(KeyError, match="0 networks are called A9B"):
        ours["A9B"]
    fake_study.write(folder.parent / "two", "A4B", 0.5, 0)
    fake_study.write(folder.parent / "two", "A4B", 0.5, 1)
    with pytest.raises(KeyError, match=r"2 networks are called A4B.*random0-A4B-seed0, random1-A4B-seed0"):
        tt.Study(folder.parent / "two")["A4B"]


def test_a_new_network_is_seen(tmp_path):
    fake_study.write(tmp_path / "s", "base", 0.5, target="B")
    ours = tt.Study(tmp_path / "s")
    assert len(ours.frame) == 1
    fake_study.write(tmp_path / "s", "B3B", 0.4)
    assert len(ours.frame) == 2


def test_figures_by_kind(folder, tmp_path):
    ours = tt.Study(folder)
    assert {"figure2", "paired", "losses"} <= set(ours.figures)
    figure = ours.figure()
    assert figure.kind == "paired"
    assert figure.svg.lstrip().startswith("<?xml")
    assert "<svg" in figure._repr_html_()
    assert figure.save(tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in figure.save(tmp_path / "f.svg").read_text()
    with pytest.raises(ValueError, match=r"FILE\.svg or FILE\.png"):
        figure.save(tmp_path / "f.pdf")
    with pytest.raises(ValueError, match=r"Expected one of figure2, paired.*Received: 'figure9'"):
        ours.figure("figure9")
    assert ours.figure("paired", overlay="paper").svg != figure.svg
    with pytest.raises(ValueError, match="overlay"):
        ours.figure(overlay="on")


def test_the_paper_is_a_study():
    paper = tt.Study("paper")
    assert paper.name == "paper"
    assert len(paper.frame) > 100
    assert "paired" in paper.figures
    with pytest.raises(ValueError, match="no status"):
        _ = paper.status
    assert "<svg" in paper._repr_html_()


def test_its_status_says_what_is_done_and_what_diverged(tmp_path):
    folder = tmp_path / "s"
    fake_study.write(folder, "base", 0.5, target="B")
    fake_study.write(folder, "B3B", None)
    status = tt.Study(folder).status
    assert (status.networks, status.done, status.failed, status.waiting, status.running) == (2, 1, 1, 0, 0)
    assert "diverged" in status.warnings
    assert "1 done" in str(status)
    assert "<pre>" in status._repr_html_()


def test_a_study_draws_itself(folder):
    text = tt.Study(folder)._repr_html_()
    for part in ("58 done", "AnB+", "<svg", "points from own base"):
        assert part in text


def test_without_pandas_a_study_says_what_to_install(folder, monkeypatch):
    def missing(*names):
        raise ImportError("pip install 'tftransfer[report]'")

    monkeypatch.setattr(study.extras, "require", missing)
    assert "pip install" in tt.Study(folder)._repr_html_()
    with pytest.raises(ImportError):
        _ = tt.Study(folder).frame


def test_a_report_is_written_where_it_is_wanted(folder, tmp_path):
    report = tt.Study(folder).report(format=["md", "csv"], out=tmp_path / "out")
    assert {path.name for path in report.paths} == {"report.md", "networks.csv", "effects.csv", "decomposition.csv"}
    assert all(path.is_file() for path in report.paths)


def test_the_page_of_a_report_comes_first():
    report = Report((pathlib.Path("a.csv"), pathlib.Path("report.html")))
    assert report.path.name == "report.html"
    assert 'href="report.html"' in report._repr_html_()


def test_there_must_be_a_folder(tmp_path):
    with pytest.raises(ValueError, match="There is no such study"):
        tt.Study(tmp_path / "nowhere")
