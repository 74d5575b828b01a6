"""Without standard input, output or error, and with such that go away, commands end as they should."""

import os
import pathlib
import pty
import subprocess
import sys

import pytest

SAYS = """
import sys
from tftransfer.cli import command_line

def command(argv):
    first = open("record", "w")
    print("a table")
    if {code}:
        raise command_line.UsageError("bad input")
    print(first.fileno() > 2, file=open("numbers", "w"))

command_line.main(command, ["run"])
"""


def shell(folder, redirected, code=0):
    """Runs a command as a shell does; returns its exit code and its standard error."""
    (folder / "program.py").write_text(SAYS.format(code=code))
    line = f"set -o pipefail; {sys.executable} program.py {redirected}"
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parents[2]))


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_ones_stand_for_nothing_and_no_file_takes_their_number(closed, tmp_path):
    assert shell(tmp_path, closed) == (0, "")
    assert (tmp_path / "numbers").read_text() == "True\n"
    code, error = shell(tmp_path, closed, code=1)
    assert code == 2
    assert error == ("" if "2>" in closed else "python -m tftransfer.run: bad input\n")


@pytest.mark.parametrize(("redirected", "code"), [("2>&1 | true", 141), ("2>&1 | head -0", 141), (">/dev/full", 2)])
def test_what_cannot_be_written_has_an_exit_code_and_no_traceback(redirected, code, tmp_path):
    found, error = shell(tmp_path, f"{redirected}")
    assert found == code or ("|" in redirected and found == 0), "a reader may still have been there"
    assert "Traceback" not in error
    assert "Exception ignored" not in error
    assert error.count("\n") == (1 if "full" in redirected else 0)


def test_a_terminal_that_was_closed_takes_nothing_from_a_training(tmp_path):
    """Later output goes nowhere; the process goes on to save its state."""
    ours, theirs = pty.openpty()
    code = (
        "import sys\nfrom tftransfer.system import standard_streams\nstandard_streams.open_all()\n"
        "print('begun', sys.stdout.isatty(), sys.stdout.fileno(), flush=True)\nsys.stdin.readline()\n"
        "for _ in range(3):\n    print('x' * 9000, flush=True)\nprint('y', file=sys.stderr, flush=True)\n"
        f"open({str(tmp_path / 'saved')!r}, 'w').close()\n"
    )
    words = [sys.executable, "-c", code]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    assert os.read(ours, 100) == b"begun True 1\r\n"
    os.close(ours)
    process.communicate(b"go on\n", timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "saved").exists()


SPOILS = """
import os, sys
from tftransfer.cli import command_line
from tftransfer.system import standard_streams

def command(argv):
    with standard_streams.kept():
        {spoils}
    print("a table")
    raise command_line.UsageError("bad input")

command_line.main(command, ["run"])
"""


@pytest.mark.parametrize(
    "spoils",
    [
        "os.close(1); os.close(2)", "sys.stderr = sys.stdout = None", "sys.stdout.close(); sys.stderr.close()",
        "os.closerange(0, 3); open('other', 'w')", "sys.stdin.close(); sys.stdout = open('other', 'w')",
    ],
)  # fmt: skip
def test_streams_that_others_close_or_replace_are_given_back(spoils, tmp_path):
    (tmp_path / "program.py").write_text(SPOILS.format(spoils=spoils))
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "a table\n")
    assert done.stderr == "python -m tftransfer.run: bad input\n"
