import types

import pytest

import fake_study
from tftransfer import analysis
from tftransfer.execution import score_table
from tftransfer.records import record_files


@pytest.mark.parametrize(("classes", "shown"), [(20, "60.0 %"), (5, "")])
def test_top_5_stands_in_tables_only_where_it_tells_something(tmp_path, classes, shown):
    cell = fake_study.cell("A4B")
    content = fake_study.content(cell, 0.4)
    content["identity"]["data"]["class_count"] = classes
    content["result"]["minus_base"] = -0.1
    record = record_files.write(tmp_path / "study" / cell.name, content)
    text = score_table.text(cell.split, tmp_path, "motifs", [types.SimpleNamespace(record=record, now=True)], 1.0)
    (line,) = [line for line in text.splitlines() if line.startswith("A4B")]
    assert line.split("  ")[0] == "A4B"
    assert ("60.0 %" in line) == bool(shown)
    assert line.index("-10.0 points") + len("-10.0 points") == 18 + 8 + 9 + 15, "columns stay where they are"
    assert analysis.networks(tmp_path / "study")["top5"].isna().all() == (not shown)
