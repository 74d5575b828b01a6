import os
import signal
import textwrap
import threading
import time

import pytest

from tftransfer.calls import CommandError, child


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Writes a module of a command, which a child process runs."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    head = "import sys, time, signal, os\nfrom tftransfer.cli import command_line\n"
    head += "from tftransfer.system import caller\n"

    def write(body):
        text = f"{head}def main(argv):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        (tmp_path / "speaking.py").write_text(f"{text}\ncommand_line.main(main)\n")
        return "speaking"

    return write


def test_lines_results_and_options_come_through(command, capfd):
    module = command("print(argv[1:]); print('WARNING: w', file=sys.stderr); caller.result(network='n')")
    ended = child.run(module, ["--n=4"], "run")
    assert ended.code == 0
    assert ended.result["network"] == "n"
    assert sorted(capfd.readouterr().out.splitlines()) == ["WARNING: w", "['--n=4']"]


def test_warnings_of_a_sweep_are_no_failure(command):
    assert child.run(command("return 4"), [], "sweep").code == 4


def test_wrong_input_is_a_value_error_with_the_commands_message(command, capfd):
    module = command("from tftransfer.cli import command_line; command_line.parse(__import__('tftransfer.run').run."
                     "RunConfig, ['--steps=four'], '')")  # fmt: skip
    with pytest.raises(ValueError, match="four") as error:
        child.run(module, [], "run")
    assert not isinstance(error.value, CommandError)
    assert "four" not in capfd.readouterr().out, "said once, by the exception"


def test_other_ends_are_errors_with_the_exit_code_and_what_was_made(command):
    module = command("print('baseB: loss is nan'); caller.result(network='n'); return 3")
    with pytest.raises(CommandError, match="loss is nan") as error:
        child.run(module, [], "run")
    assert error.value.exit_code == 3
    assert "diverged" in error.value.meaning
    assert error.value.result["network"] == "n"


def test_a_file_that_cannot_be_read_is_no_wrong_option(command):
    with pytest.raises(CommandError, match="nowhere") as error:
        child.run(command("open('/nowhere/x')"), [], "run")
    assert error.value.exit_code == 2


def test_a_process_that_is_killed_is_named(command):
    with pytest.raises(CommandError, match="SIGKILL") as error:
        child.run(command("os.kill(os.getpid(), signal.SIGKILL)"), [], "run")
    assert error.value.exit_code == -9


def test_a_fault_of_the_package_shows_its_traceback(command):
    with pytest.raises(CommandError, match="KeyError: 'x'") as error:
        child.run(command("{}['x']"), [], "run")
    assert error.value.exit_code == 1


def test_an_interrupt_ends_the_process_in_order(command, tmp_path):
    module = command(
        f"""
        caller.progress(0.1, "training")
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        try:
            time.sleep(60)
        finally:
            open({str(tmp_path / "saved")!r}, "w").write("checkpoint")
        """
    )

    def stop():
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        child.run(module, [], "run")
    thread.join()
    assert (tmp_path / "saved").read_text() == "checkpoint", "something to go on from"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_progress_moves_the_bar(command, monkeypatch):
    seen = []

    class Bar(child.bars.PlainLines):
        def show(self, fraction, text):
            seen.append((fraction, text))

    monkeypatch.setattr(child.bars, "bar", lambda title: Bar())
    child.run(command("caller.progress(0.5, 'half')"), [], "run")
    assert seen == [(0.5, "half")]
