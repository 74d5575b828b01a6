import os

import pytest

import fake_runs
from tftransfer.records import record_files
from tftransfer.tensorboard_plugin import folders
from tftransfer.tensorboard_plugin.folders import Folders

BASE, A1B = fake_runs.cells(["AnB"], [1])[1:]


def record(study, cell=BASE):
    return record_files.write(study / cell.name, fake_runs.content(cell))


def test_studies_are_found_at_every_depth_that_commands_write(tmp_path):
    for study in ("a", "published/b"):
        record(tmp_path / study)
    assert list(Folders(str(tmp_path)).all()) == ["a", "published/b"]
    (alone,) = Folders(str(tmp_path / "a")).all().values()
    assert (alone.name, alone.run) == ("a", ""), "a logdir may be a study itself"
    assert [path.name for path in alone.records] == [BASE.name]


@pytest.mark.parametrize("logdir", ["", None, "gs://bucket/runs", "/no/such/folder"])
def test_a_logdir_that_is_no_folder_here_holds_nothing(logdir, tmp_path, monkeypatch):
    record(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    found = Folders(logdir)
    assert not found.any()
    assert found.all() == {}


def test_only_records_make_a_study(tmp_path):
    (tmp_path / "a" / "run").mkdir(parents=True)
    (tmp_path / "a" / "run" / f"{folders.EVENTS}1").touch()
    found = Folders(str(tmp_path))
    assert not found.any()
    record(tmp_path / "a")
    assert found.any()
    (study,) = found.all().values()
    assert [path.name for path in study.unfinished] == ["run"]


def test_a_version_changes_with_records_and_with_progress(tmp_path):
    record(tmp_path / "a")
    events = tmp_path / "a" / "run" / f"{folders.EVENTS}1"
    events.parent.mkdir()
    versions = []

    def changed():
        versions.append(Folders(str(tmp_path)).all()["a"].version)
        return len(set(versions)) == len(versions)

    assert changed()
    assert not changed(), "nothing happened"
    versions.clear()
    for step in (lambda: events.write_text("x"), lambda: events.write_text("xy"), lambda: record(tmp_path / "a", A1B)):
        assert changed()
        step()
    assert changed()
    record(tmp_path / "a", A1B)
    assert changed(), "the same record, written again"


def test_what_is_set_aside_is_not_shown(tmp_path):
    record(tmp_path / "a")
    os.rename(tmp_path / "a" / BASE.name, tmp_path / "a" / f".before-{BASE.name}")
    assert not Folders(str(tmp_path)).any()


def test_links_are_not_followed_and_links_to_records_are_named(tmp_path):
    logdir, outside = tmp_path / "logdir", tmp_path / "outside"
    record(outside)
    record(logdir / "a")
    (logdir / "linked").symlink_to(outside)
    (logdir / "a" / "linked").symlink_to(outside / BASE.name)
    (logdir / "a" / "x").mkdir()
    (logdir / "a" / "x" / "record.json").symlink_to(outside / BASE.name / "record.json")
    (study,) = Folders(str(logdir)).all().values()
    assert [path.name for path in study.records] == [BASE.name]
    assert study.refused == (f"{logdir}/a/x/record.json is a link or no plain file, and is not read.",)


def test_pipes_and_giants_are_named_and_never_opened(tmp_path, monkeypatch):
    record(tmp_path / "a")
    (tmp_path / "a" / "pipe").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe" / "record.json")
    monkeypatch.setattr(folders, "MOST_BYTES", 10)
    (study,) = Folders(str(tmp_path)).all().values()
    assert not study.records
    pipe, giant = study.refused
    assert "pipe/record.json is a link or no plain file" in pipe
    assert "bytes, far too many for a record" in giant


def test_a_huge_logdir_is_not_searched_to_its_end(tmp_path, monkeypatch):
    for name in "abc":
        record(tmp_path / name)
    monkeypatch.setattr(folders, "MOST_FOLDERS", 4)
    assert list(Folders(str(tmp_path)).all()) == ["a"]


def test_names_that_are_no_text_can_be_shown(tmp_path):
    record(tmp_path / os.fsdecode(b"study\xff"))
    (name,) = Folders(str(tmp_path)).all()
    assert name == "study\\udcff"


def test_a_folder_that_goes_away_meanwhile_is_no_error(tmp_path):
    assert folders._listing(tmp_path / "gone") == []
