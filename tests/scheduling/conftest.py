"""A study that is half done, and time that passes."""

import time

import pytest

from planned_cells import cells, write_record
from tftransfer.experiment.grids import Grid
from tftransfer.scheduling.sweep_folder import Heartbeat, SweepFolder

NOW = 1000.0


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two bases and a frozen network done, two networks running, one failed, one waiting."""
    monkeypatch.setattr("time.time", lambda: NOW)
    asked = cells(Grid("AnB,BnB", "1-2", "B"), Grid("AnB", "3", "B"))
    sweep_folder = SweepFolder(tmp_path)
    sweep_folder.write_plan(asked)
    by_label = {cell.treatment.label: cell for cell in asked}
    for label in ("baseA", "baseB", "A3B"):
        write_record(tmp_path, by_label[label])
    heartbeat = Heartbeat(
        {by_label["A1B"].name: 0.25, by_label["A2B"].name: None}, 50, 200, 400.0, NOW - 3, NOW - 63, "host 1"
    )
    sweep_folder.write_heartbeat("job", heartbeat)
    sweep_folder.write_failure(by_label["B1B"], "no memory")
    return tmp_path


@pytest.fixture
def later(monkeypatch):
    """Lets seconds pass by the clock that nobody sets."""
    monotonic = time.monotonic

    def let_pass(seconds):
        monkeypatch.setattr("tftransfer.scheduling.liveness.time.monotonic", lambda: monotonic() + seconds)

    return let_pass
