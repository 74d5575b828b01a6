"""What the README shows is what happens."""

import pathlib
import re

import pytest
from PIL import Image

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(capsys):
    code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "width=0.25" in code
    code = code.replace("width=0.25", "width=0.1")  # a third of the time
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    a4b, base = map(float, re.fullmatch(r"A4B ([\d.]+), baseB ([\d.]+)\n", capsys.readouterr().out).groups())
    assert min(a4b, base) > 0.5, "both leave chance, 0.33"


def test_the_example_of_predicting_runs(finished, tmp_path, monkeypatch, capsys):
    _, code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "photographs").mkdir()
    for name in ("one.jpg", "two.jpg"):
        Image.new("RGB", (50, 40), (200, 30, 90)).save(tmp_path / "photographs" / name)
    monkeypatch.chdir(tmp_path)
    assert "runs/STUDY/NETWORK" in code
    code = code.replace("runs/STUDY/NETWORK", str(finished / "random0-A4B-seed0"))
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"photographs/one\.jpg class\d \d+ % class\d \d+ %", lines[0]), lines


@pytest.mark.parametrize("options", re.findall(r"python -m tftransfer\.run ([^#\n`]*)", README))
def test_every_command_parses(options, capsys):
    from tftransfer.cli import command_line
    from tftransfer.execution import run_config

    words = [word.strip("'") for word in options.split() if not word.startswith("&&")]
    root = pathlib.Path(__file__).parent.parent
    words = [word.replace("=flags/", f"={root}/flags/") for word in words]
    settings, given = command_line.parse(run_config.RunConfig, ["run.py", *words], "usage")
    assert settings.list_blocks or run_config.parse_treatment(settings, given)


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (pathlib.Path(__file__).parent.parent / target).is_file(), target
