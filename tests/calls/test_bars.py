import io
import sys
import types

import pytest

from tftransfer.calls import bars


class Shell:
    """A notebook's kernel: what is displayed, and what it is updated to."""

    kernel = object()

    def __init__(self):
        self.shown = []

    def module(self):
        def display(value, display_id):
            assert display_id
            self.shown.append(value)
            return types.SimpleNamespace(update=self.shown.append)

        namespace = types.SimpleNamespace(display=display, HTML=str)
        return types.SimpleNamespace(get_ipython=lambda: self, display=namespace)


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", shell.module())
    return shell


def test_a_notebook_has_one_bar_of_html_without_widgets(shell, capsys):
    with bars.bar("run <b>") as bar:
        assert isinstance(bar, bars.NotebookBar)
        bar._drawn = -1e9
        bar.show(0.25, "baseB, step 1 of 4 <i>")
        bar.line("baseB: step 1/4")
        bar.line("WARNING: few steps")
        bar._drawn = -1e9
        bar.show(None, "scoring")
    first, quarter, scoring, last = shell.shown
    assert "starting" in first
    assert 'value="0.2500"' in quarter
    assert "25 %" in quarter
    assert "run &lt;b&gt;: baseB, step 1 of 4 &lt;i&gt;" in quarter
    assert 'value="0.2500"' in scoring, "a stage leaves the fraction as it is"
    assert 'value="1.0000"' in last
    assert "done" in last
    assert capsys.readouterr().out == "WARNING: few steps\n"


def test_a_bar_says_how_it_ended(shell):
    bar = bars.bar("sweep")
    bar.__enter__()
    bar.show(0.5, "half")
    bar.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "interrupted; the same call goes on" in shell.shown[-1]
    assert 'value="0.5000"' in shell.shown[-1]


def test_a_bar_is_drawn_a_few_times_a_second_at_most(shell):
    with bars.bar("run") as bar:
        for step in range(1000):
            bar.show(step / 1000, "training")
    assert len(shell.shown) < 10


def test_elsewhere_there_are_plain_lines(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    with bars.bar("run") as bar:
        bar.show(0.5, "half")
        bar.line("baseB: step 1/4")
    assert capsys.readouterr().out == "baseB: step 1/4\n"


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch):
    terminal = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert isinstance(bars.bar("run"), bars.PlainLines)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_a_bar_with_warnings_above_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    output = Terminal()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", "xterm")
    with bars.bar("run") as bar:
        assert isinstance(bar, bars.TerminalBar)
        bar.show(0.5, "A4B [bold]step 1")
        bar.line("WARNING: [red]few steps")
        bar.line("A4B: step 1/2")
    text = output.getvalue()
    assert "WARNING: [red]few steps" in text, "texts are no markup"
    assert "step 1/2" not in text
