"""Texts of others through every output of the package, not of one module: nothing acts, runs or becomes a formula."""

import csv
import io
import json
import re
import sys
import types

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

import fake_study
from tftransfer import report, run
from tftransfer.cli import command_line
from tftransfer.data import progress
from tftransfer.execution import score_table
from tftransfer.records import event_files, record_files
from tftransfer.scheduling import display, scheduler, study_status, summary
from tftransfer.scheduling.sweep_folder import SweepFolder

ACTS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x00"
MARKUP = (
    "</svg><script>alert(1)</script><img src=x onerror=alert(1)> [a](javascript:b) |`| $\\frac$ https://evil.example"
)
HOSTILE = f"{ACTS}\n{MARKUP}\n"
FORMULA = "=HYPERLINK(1)"


def hostile(content, text):
    """Changes everything in a record that others may choose."""
    content["name"] = f"{text}{content['name']}"
    content["treatment"]["label"] = text
    content["command"] = content["machine"]["processor"] = content["versions"]["python"] = text
    content["identity"]["recipe"] |= {"dataset": text, "model": text}
    content["identity"]["split"] = f"{text}file"
    return content


@pytest.fixture
def study(tmp_path):
    """A study whose every name is hostile, or a formula."""
    folder = tmp_path / "study"
    for label, top1 in (("base", 0.5), ("A4B", 0.4), ("B4B", 0.45), ("A5B", 0.3), ("B5B", 0.35)):
        cell = fake_study.cell(label, target="B" if label == "base" else None)
        for number, text in enumerate((HOSTILE, FORMULA)):
            content = hostile(fake_study.content(cell, top1), text)
            record_files.write(folder / f"{label}{number}", content)
    enormous = fake_study.content(fake_study.cell("A6B"), None, name="x" * 3_000_000)
    record_files.write(folder / "enormous", enormous)
    return folder


def is_quiet(text):
    return all(character.isprintable() or character in "\n\t\xa0" for character in text)


def test_a_report_in_all_formats(study, tmp_path):
    assert report.main(["report", f"--study={study}", "--format=html,md,csv,svg", f"--out={tmp_path / 'out'}"]) == 0
    for path in (tmp_path / "out").iterdir():
        text = path.read_text(encoding="utf-8")
        assert is_quiet(text), path.name
        assert "\u202e" not in text
        assert len(text) < 3_000_000, path.name
        if path.suffix in (".html", ".svg"):
            assert not re.search(r"<script|<img ", text), path.name
    text = (tmp_path / "out" / "report.md").read_text()
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    parts = [child for token in tokens for child in [token, *(token.children or [])]]
    assert not {part.type for part in parts} & {"link_open", "html_inline", "html_block", "hr"}
    pictures = [str(part.attrs["src"]) for part in parts if part.type == "image"]
    assert all(re.fullmatch(r"[\w-]+\.svg", picture) for picture in pictures), "ours only"
    rows = [token for token in tokens if token.type == "tr_open"]
    cells = [token for token in tokens if token.type in ("td_open", "th_open")]
    assert rows
    assert cells


def test_cells_of_csv_are_texts_and_numbers(study, tmp_path):
    assert report.main(["report", f"--study={study}", "--format=csv", f"--out={tmp_path / 'out'}"]) == 0
    for path in (tmp_path / "out").iterdir():
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            for column, cell in row.items():
                fine = not cell.startswith(tuple("=+-@\t\r")) or re.fullmatch(r"-\d+(\.\d+)?(e-\d+)?", cell)
                assert fine, (column, cell)
                assert column not in ("minus_base", "top1") or not cell or float(cell) < 1
    with (tmp_path / "out" / "networks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {f"'{FORMULA}"} <= {row["dataset"] for row in rows}
    assert min(float(row["minus_base"]) for row in rows if row["minus_base"]) < 0


def test_the_table_of_a_sweep_and_status(tmp_path):
    cells = [fake_study.cell(label) for label in ("A4B", "B4B", "A5B")]
    board = SweepFolder(tmp_path)
    board.write_plan(cells)
    plan = json.loads((board.folder / "plan.json").read_text())
    plan[f"[/red]{HOSTILE}"] = plan[cells[0].name] | {
        "treatment": plan[cells[0].name]["treatment"] | {"source": "[/b]"}
    }
    (board.folder / "plan.json").write_text(json.dumps(plan))
    board.write_failure(cells[0], f"{HOSTILE}{'x' * 1_000_000}")
    text = display.text(study_status.look(tmp_path, lost={f"[/red]{HOSTILE}": "failed"}))
    assert is_quiet(text)
    assert "\\x1b[2J" in text
    assert len(text) < 20_000


def ended(names, reason):
    cells = [fake_study.cell(name) for name in names]
    return {cell.name: scheduler.State(cell, scheduler.FAILED, reason, word="failed") for cell in cells}


def test_the_end_of_a_sweep(tmp_path, capsys):
    states = ended(["A4B"], HOSTILE)
    SweepFolder(tmp_path).write_plan([state.cell for state in states.values()])
    summary.show(list(states.values()), tmp_path, 1.0)
    output = capsys.readouterr()
    assert is_quiet(output.out + output.err)
    assert len(output.err.splitlines()) == 1


def test_each_distinct_warning_of_a_sweep_is_said_once_and_the_table_is_last(tmp_path, capfd):
    states = ended([f"A{n}B" for n in range(1, 8)], "needs 80 GB")
    SweepFolder(tmp_path).write_plan([state.cell for state in states.values()])
    for number in range(30):
        cell = fake_study.cell("B4B", number)
        content = fake_study.content(cell, 0.05 + number / 10_000)
        states[cell.name] = scheduler.State(
            cell, scheduler.DONE, record=record_files.write(tmp_path / cell.name, content)
        )
    sys.stderr = sys.stdout
    try:
        summary.show(list(states.values()), tmp_path, 1.0)
    finally:
        sys.stderr = sys.__stderr__
    lines = capfd.readouterr().out.splitlines()
    warnings = [line for line in lines if line.startswith("WARNING: ")]
    assert len(warnings) == 2
    assert warnings[0].startswith(
        "WARNING: random0-A1B-seed0 failed: needs 80 GB (likewise 6 more: random0-A2B-seed0, "
    )
    assert "(likewise 29 more: " in warnings[1]
    assert warnings[1].endswith(" and 24 others)")
    assert max(map(lines.index, warnings)) < min(place for place, line in enumerate(lines) if "\u2502" in line)


def network(content, tmp_path, trained_here=True):
    return types.SimpleNamespace(
        record=record_files.write(tmp_path / content["name"][-20:], content), trained_here=trained_here
    )


def test_the_table_of_a_run_and_its_warnings(tmp_path, capsys):
    cell = fake_study.cell("A4B")
    content = hostile(fake_study.content(cell, 0.05), HOSTILE)
    text = score_table.text(cell.split, tmp_path, HOSTILE, [types.SimpleNamespace(
        record=record_files.write(tmp_path / "x", content), trained_here=True)], 1.0)  # fmt: skip
    run._say(text)
    assert is_quiet(capsys.readouterr().out)
    assert "\\x1b[2J\\x9b31m\\u202egnp" in text
    assert len([line for line in text.splitlines() if "5.0 %" in line]) == 2, "one line a network, and chance"


def test_errors_are_one_quiet_line(capsys):
    def fail(argv):
        raise ValueError(f"bad name: {HOSTILE}")

    fail.__globals__["__name__"] = "tftransfer.made_up"
    try:
        with pytest.raises(SystemExit):
            command_line.main(fail, ["run.py"])
    finally:
        fail.__globals__["__name__"] = __name__
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert is_quiet(output)


def test_names_of_data_sets_while_they_are_prepared(capsys):
    progress.printer(HOSTILE)(1, 10)
    output = capsys.readouterr().err
    assert is_quiet(output)
    assert output.count("\n") == 1


def test_hparams_are_short_printable_text(tmp_path):
    cell = fake_study.cell("A4B")
    content = hostile(fake_study.content(cell, 0.4), HOSTILE + "x" * 1_000_000 + "\udcff")
    file = event_files.EventFile(tmp_path)
    event_files.write_result(file, HOSTILE, content, 1.7e9)
    file.close()
    found = EventAccumulator(str(tmp_path)).Reload().PluginTagToContent("hparams").values()
    (start,) = [
        data.session_start_info for data in map(plugin_data_pb2.HParamsPluginData.FromString, found)
        if data.HasField("session_start_info")
    ]  # fmt: skip
    texts = [value.string_value for value in start.hparams.values()] + [start.group_name]
    assert all(text.isprintable() and len(text) < 400 for text in texts)
    assert any("<script>" in text for text in texts), "as text"
