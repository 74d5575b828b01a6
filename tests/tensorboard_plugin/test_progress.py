import contextlib

import pytest
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer

import fake_runs
from tftransfer.records import event_files
from tftransfer.tensorboard_plugin import progress
from tftransfer.tensorboard_plugin.folders import Folders

BASE_A, BASE_B, A1B = fake_runs.cells(["AnB"], [1])


def tensorboards_data(logdir):
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    return data_provider.MultiplexerDataProvider(multiplexer, str(logdir))


@pytest.mark.parametrize("below", ["study", "published/study", "."])
def test_unfinished_networks_say_how_far_they_are(tmp_path, below):
    study = tmp_path / "logdir" / below
    fake_runs.finish(study, BASE_B)
    with contextlib.closing(fake_runs.begin(study, A1B, rows=2)):
        (found,) = Folders(str(tmp_path / "logdir")).all().values()
        (row,) = progress.of(found, tensorboards_data(tmp_path / "logdir"), context.RequestContext(), "")
    history = fake_runs.content(A1B)["history"]
    assert (row["name"], row["step"]) == (A1B.name, history["step"][1])
    assert row["top1"] == pytest.approx(history["val_top1"][1])
    assert row["written"] == max(path.stat().st_mtime for path in (study / A1B.name).iterdir())


def test_without_tensorboards_data_a_network_is_still_named(tmp_path):
    fake_runs.finish(tmp_path / "study", BASE_B)
    fake_runs.begin(tmp_path / "study", A1B, rows=1).close()
    (found,) = Folders(str(tmp_path)).all().values()
    (row,) = progress.of(found, None, None, "")
    assert (row["name"], row["step"], row["top1"]) == (A1B.name, None, None)


def test_a_score_that_is_no_number_is_not_known(tmp_path):
    fake_runs.finish(tmp_path / "study", BASE_B)
    with contextlib.closing(fake_runs.begin(tmp_path / "study", A1B, rows=1)) as events:
        events.scalars(300, {progress.TOP1: float("nan")}, fake_runs.WALL_TIME + 99)
        (found,) = Folders(str(tmp_path)).all().values()
        (row,) = progress.of(found, tensorboards_data(tmp_path), context.RequestContext(), "")
    assert (row["step"], row["top1"]) == (300, None)


def test_the_tags_are_those_that_are_written():
    assert event_files.SCALARS["loss"] == progress.LOSS
    assert event_files.SCALARS["val_top1"] == progress.TOP1
