"""What the README shows is what happens."""

import pathlib
import re

import pytest

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    a4b, base = map(float, re.fullmatch(r"A4B ([\d.]+), baseB ([\d.]+)\n", capsys.readouterr().out).groups())
    assert min(a4b, base) > 0.5, "both leave chance, 0.33"


@pytest.mark.parametrize("options", re.findall(r"python -m tftransfer\.run ([^#\n`]*)", README))
def test_every_command_parses(options, capsys):
    from tftransfer import command_line, run_config

    words = [word.strip("'") for word in options.split() if not word.startswith("&&")]
    root = pathlib.Path(__file__).parent.parent
    words = [word.replace("=flags/", f"={root}/flags/") for word in words]
    settings, given = command_line.parse(run_config.RunConfig, ["run.py", *words], "usage")
    assert settings.list_blocks or run_config.parse_treatment(settings, given)


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (pathlib.Path(__file__).parent.parent / target).is_file(), target
