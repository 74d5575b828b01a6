"""Links of the documents lead somewhere, their commands parse, and their code runs."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import reference_page
from PIL import Image

from tftransfer.cli import command_line
from tftransfer.execution import run_config

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "BUILD.md", *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCES = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"python -m tftransfer\.(\w+)((?: [^#`\n|]*)?)")
# Options that are no fields.
FOREIGN = {"--no", "--flagfile", "--help"}


def text_of(page):
    return page.read_text(encoding="utf-8")


@functools.cache
def anchors(page):
    """Returns the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCES.sub("", text_of(page)), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


def links(page):
    found = LINK.findall(re.sub(r"`[^`\n]*`", "", FENCES.sub("", text_of(page))))
    return [target for target in found if not target.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_broken_links_would_be_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b` (c)\n[x](#a-b-c) [y](page.md#nothing) `[not](one)` [z](https://example.org)\n")
    assert links(page) == ["#a-b-c", "page.md#nothing"]
    assert anchors(page) == {"a-b-c"}


def test_every_page_is_on_the_site_and_on_its_first_page():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    first = text_of(ROOT / "docs" / "index.md")
    for page in ROOT.glob("docs/*.md"):
        assert f": {page.name}\n" in listed, page.name
        assert page.name == "index.md" or f"({page.name})" in first, page.name


COMMANDS = sorted(
    (command, options.partition(" && ")[0].strip(" .,;:)"))
    for command, options in {
        found for page in PAGES if page != reference_page.PAGE for found in COMMAND.findall(text_of(page))
    }
    if command != "COMMAND" and options.strip(" .")
)


@pytest.mark.parametrize(("command", "options"), COMMANDS)
def test_every_command_parses(command, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "flags").symlink_to(ROOT / "flags")
    (tmp_path / "nets.py").write_text("def build(input_shape, classes): ...\n")
    words = shlex.split(options)
    settings, given = command_line.parse(reference_page.config_class(command), [f"{command}.py", *words], "usage")
    if command == "run":
        assert settings.list_blocks or settings.list or run_config.parse_treatment(settings, given)


def test_there_are_commands_of_every_kind():
    assert {command for command, _ in COMMANDS} == set(reference_page.COMMANDS)
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page):
    known = {f"--{field.name}" for command in reference_page.COMMANDS
             for field in dataclasses.fields(reference_page.config_class(command))}  # fmt: skip
    inline = re.findall(r"`(--[a-z_0-9]+)(?:[= ][^`]*)?`", FENCES.sub("", text_of(page)))
    known |= {option.replace("--", "--no", 1) for option in known}
    if page.name in ("measured.md", "ray.md", "robustness.md"):  # name options of benchmarks, of Ray and of faults
        return
    assert set(inline) <= known | FOREIGN


def test_the_reference_is_that_of_the_options():
    assert text_of(reference_page.PAGE) == reference_page.page(), "python -m tests.support.reference_page writes it"


def test_the_site_is_built(tmp_path):
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path], cwd=ROOT, text=True,
        capture_output=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Its name, <code>random0-B4B-seed0</code>" in (tmp_path / "api" / "index.html").read_text(encoding="utf-8")


def examples(name):
    """Returns the Python code of a page, block by block."""
    return re.findall(r"```python\n(.*?)```", text_of(ROOT / "docs" / name), re.DOTALL)


def test_the_example_of_transplanting_runs(capsys):
    (code,) = examples("own_network.md")
    assert "width=0.25" in code
    code = code.replace("width=0.25", "width=0.1")  # a third of the time
    exec(compile(code, "own_network.md", "exec"), {"__name__": "page"})
    a4b, base = map(float, re.fullmatch(r"A4B ([\d.]+), baseB ([\d.]+)\n", capsys.readouterr().out).groups())
    assert min(a4b, base) > 0.5, "both leave chance, 0.33"


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_predicting_run(number, finished, tmp_path, monkeypatch, capsys):
    code = examples("predict.md")[number]
    (tmp_path / "photographs").mkdir()
    for name in ("one.jpg", "two.jpg"):
        Image.new("RGB", (50, 40), (200, 30, 90)).save(tmp_path / "photographs" / name)
    monkeypatch.chdir(tmp_path)
    assert "runs/STUDY/NETWORK" in code
    code = code.replace("runs/STUDY/NETWORK", str(finished / "random0-A4B-seed0"))
    exec(compile(code, "predict.md", "exec"), {"__name__": "page"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"photographs/one\.jpg class\d \d+ % class\d \d+ %", lines[0]), lines


NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
RUN = """
import pathlib, sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
try:
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[1])
"""


def short_notebook():
    """Returns the notebook with fewer steps and without outputs."""
    notebook = json.loads(text_of(NOTEBOOK))
    notebook["cells"] = [cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell
                         for cell in notebook["cells"]]  # fmt: skip
    text = json.dumps(notebook)
    assert text.count("STEPS = 200") == 1
    assert text.count("n=[1, 2, 3, 4]") == 1
    return text.replace("STEPS = 200", "STEPS = 20").replace("n=[1, 2, 3, 4]", "n=[2]")


def run_program(words, folder, **environment):
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")} | environment
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    notebook = json.loads(short_notebook())
    code = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    (tmp_path / "tutorial.py").write_text(f"{code}\n\nprint(a2b.label, len(effects), list(study.figures))\n")
    done = run_program(["tutorial.py"], tmp_path, MPLBACKEND="Agg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("A2B 3 ['figure2', 'paired'"), done.stdout


@pytest.mark.slow
def test_the_notebook_runs_in_jupyter(tmp_path):
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install '.[test]'")
    pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[test]'")
    (tmp_path / "tutorial.ipynb").write_text(short_notebook(), encoding="utf-8")
    done = run_program(["-c", RUN, "tutorial.ipynb"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads((tmp_path / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = {kind for cell in cells for output in cell.get("outputs", ()) for kind in output.get("data", ())}
    assert {"text/html", "image/png"} <= shown
    assert "<progress" in json.dumps(cells), "commands show one bar"


def test_the_notebook_is_small_and_was_run():
    assert NOTEBOOK.stat().st_size < 400_000
    cells = [cell for cell in json.loads(text_of(NOTEBOOK))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run all cells, in order"
    assert "/tmp/" not in text_of(NOTEBOOK), "shows where it was made"
