import pathlib
import subprocess
import sys

import pytest

from tftransfer import report
from tftransfer.cli import command_line
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parent.parent


def run(*options):
    return report.main(["report", *options])


def test_the_paper_as_markdown(tmp_path, capsys):
    assert run("--study=paper", "--format=md,csv", f"--out={tmp_path}") == 0
    text = (tmp_path / "report.md").read_text()
    for shown in ("| 1\N{EN DASH}7 | +1.6 | +1.4 | +0.97 | +0.97 | 0.00 |", "\N{MINUS SIGN}8.26", "not a refutation"):
        assert shown in text
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.md", "networks.csv", "effects.csv", "decomposition.csv"
    }  # fmt: skip
    assert str(tmp_path / "report.md") in capsys.readouterr().out


@pytest.mark.parametrize("folder", sorted((ROOT / "runs" / "published").glob("tiny*")), ids=lambda path: path.name)
def test_published_studies(folder, tmp_path):
    assert run(f"--study={folder}", "--format=md", f"--out={tmp_path}") == 0
    text = (tmp_path / "report.md").read_text()
    (record,) = [record for record in record_files.read_study(folder) if "-A4B-" in record.name]
    assert f"{100 * record.result['top1']:.1f} %" in text
    assert "without an interval" in text
    assert str(folder) not in text, "no folders of this machine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Which study"),
        (["--study=nowhere"], "no such study"),
        (["--study=paper", "--format=pdf"], "Expected some of html, md"),
        (["--study=paper", "--overlay=paper"], "would change nothing"),
        (["--study=runs/x", "--overlay=paper", "--format=md"], "would change nothing"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as error:
        run(*options)
    assert "\n" not in str(error.value)


def test_a_missing_package_gives_the_pip_command(monkeypatch):
    def find_spec(name, package=None):
        return None if name == "pandas" else object()

    monkeypatch.setattr(report.importlib.util, "find_spec", find_spec)
    with pytest.raises(ValueError, match=r"pandas\. Install them with: pip install 'tftransfer\[report\]'"):
        run("--study=paper")


def test_an_empty_study_says_what_is_there(tmp_path):
    (tmp_path / "s" / "begun").mkdir(parents=True)
    (tmp_path / "s" / "begun" / "events.out.tfevents.1").touch()
    assert run(f"--study={tmp_path / 's'}", "--format=md", f"--out={tmp_path / 'out'}") == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "No finished network" in text
    assert "begun" in text


def test_markdown_needs_neither_tensorflow_nor_matplotlib(tmp_path):
    code = (
        "import sys; from tftransfer import report; "
        f"report.main(['report', '--study=paper', '--format=md,csv', '--out={tmp_path}']); "
        "print([m for m in ('tensorflow', 'keras', 'tensorboard', 'matplotlib', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_bad_input_ends_with_exit_code_2(capsys):
    with pytest.raises(SystemExit) as end:
        command_line.main(report.main, ["tftransfer/report.py", "--study=nowhere"])
    assert end.value.code == command_line.EXIT_BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1


RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_page_of_results_shows_the_papers_numbers():
    from tftransfer import analysis
    from tftransfer.analysis import boosts

    frame = analysis.networks("paper")
    table = 100 * boosts.boosts(frame[frame["halves"].eq("random")])
    one, two, three = (f"{value:.1f}" for value in table["over_base"])
    assert f"gains {one}, {two} and {three} points" in RESULTS
    paired = f"{table['transfer_paired'][0]:.2f} points over n = 1 to 7, and the control BnB+"
    assert f"{paired} {table['control_paired'][0]:.2f}" in RESULTS.replace("\n", " ")


def test_pictures_in_docs_are_small():
    assert all(path.stat().st_size < 300_000 for path in (ROOT / "docs").glob("paper_*"))
