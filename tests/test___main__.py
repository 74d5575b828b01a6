import os
import pathlib
import re
import subprocess
import sys

import pytest

import tftransfer
from tftransfer import __main__ as command
from tftransfer.cli import command_line

ROOT = pathlib.Path(__file__).parent.parent


def ended(*words):
    with pytest.raises(SystemExit) as end:
        command.main(["tftransfer", *words])
    return end.value.code


def test_help_says_in_ten_lines_what_there_is(capsys):
    for words in (["--help"], ["-h"], ["help"], []):
        assert ended(*words) == 0
    text = capsys.readouterr().out.split("usage:")[1]
    assert len(text.strip().splitlines()) <= 10
    for name in command_line.COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE), name


def test_every_command_is_reached(capsys):
    for name in command_line.COMMANDS:
        assert ended(name, "--help") == 0
        assert f"python -m tftransfer.{name}" in capsys.readouterr().out


def test_exit_codes_and_messages_are_those_of_the_command(capsys):
    assert ended("run", "--treatmnt=BnB") == 2
    assert "python -m tftransfer.run: " in capsys.readouterr().err
    assert ended("run", "--version") == ended("--version") == 0
    assert capsys.readouterr().out == f"tftransfer {tftransfer.__version__}\n" * 2


def test_an_unknown_command_gets_the_nearest(capsys):
    assert ended("sweeep") == 2
    assert "Received: sweeep. Did you mean sweep" in capsys.readouterr().err
    assert ended("--treatment=BnB") == 2


def test_help_needs_no_tensorflow():
    code = "import sys\nfrom tftransfer import __main__ as m\ntry: m.main(['tftransfer', '--help'])\n"
    code += "except SystemExit: print([x for x in ('tensorflow', 'keras', 'pandas', 'numpy') if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_as_a_module():
    words = [sys.executable, "-m", "tftransfer", "run", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    assert done.stdout == f"tftransfer {tftransfer.__version__}\n"
