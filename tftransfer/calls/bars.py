"""One progress bar: by rich in a terminal, HTML in a notebook, plain lines elsewhere."""

import sys
import time
from typing import Any, Protocol

from tftransfer.system import escaping

_REDRAW_SECONDS = 0.25


class Bar(Protocol):
    """A progress bar, used as a context."""

    def show(self, fraction: float | None, text: str) -> None:
        """Shows how far the work is, 0 to 1; None leaves the fraction as it is."""

    def line(self, text: str) -> None:
        """Takes a line that the command prints."""

    def __enter__(self) -> "Bar": ...

    def __exit__(self, *error: object) -> None: ...


def bar(title: str) -> Bar:
    """Returns the bar that suits where this process shows its output.

    Args:
        title: What is done.
    """
    if _notebook():
        return NotebookBar(title)
    return TerminalBar(title) if sys.stdout.isatty() else PlainLines()


def _notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _is_told(line: str) -> bool:
    """Whether a line of a command is one that the user must see beside a bar."""
    return line.startswith(("WARNING", "NOTE"))


class PlainLines:
    """The lines that the command prints in a shell, as they are."""

    def show(self, fraction: float | None, text: str) -> None:
        """Shows nothing: the lines say it."""

    def line(self, text: str) -> None:
        """Prints the line."""
        print(text, flush=True)

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(self, *error: object) -> None:
        return None


class TerminalBar:
    """A bar on the last line of a terminal."""

    def __init__(self, title: str) -> None:
        from rich import progress
        from rich.text import Text

        columns = progress.BarColumn(), progress.TaskProgressColumn(), progress.TimeRemainingColumn()
        self._text, self._title = Text, title
        self._progress = progress.Progress(_Description(), *columns, transient=True)
        self._task = self._progress.add_task("", total=1.0, shown=escaping.terminal(title))

    def show(self, fraction: float | None, text: str) -> None:
        """Moves the bar."""
        more = {} if fraction is None else {"completed": fraction}
        self._progress.update(self._task, shown=escaping.terminal(f"{self._title}: {text}"), **more)

    def line(self, text: str) -> None:
        """Prints warnings above the bar."""
        if _is_told(text):
            self._progress.console.print(self._text(escaping.visible(text)))

    def __enter__(self) -> "TerminalBar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _Description() -> Any:  # noqa: N802 - a column of rich
    """Returns a column of the bar that shows texts without reading markup in them."""
    from rich import progress
    from rich.text import Text

    class Column(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text(task.fields["shown"])

    return Column()


class NotebookBar:
    """A bar of plain HTML below a cell, which is drawn again in place; it needs no widgets."""

    def __init__(self, title: str) -> None:
        self._title, self._fraction, self._text = title, None, "starting"
        self._drawn = self._started = time.monotonic()
        self._handle: Any = None

    def show(self, fraction: float | None, text: str) -> None:
        """Moves the bar, a few times a second at most."""
        self._text = text
        self._fraction = self._fraction if fraction is None else min(1.0, max(0.0, fraction))
        if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def line(self, text: str) -> None:
        """Prints warnings below the bar."""
        if _is_told(text):
            print(escaping.visible(text))

    def __enter__(self) -> "NotebookBar":
        self._handle = sys.modules["IPython"].display.display(self._html(), display_id=True)
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        ended = "interrupted; the same call goes on" if kind is KeyboardInterrupt else "ended" if kind else "done"
        self._fraction = self._fraction if kind else 1.0
        self._text = f"{ended}, {time.monotonic() - self._started:.0f} s"
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(self._html())

    def _html(self) -> Any:
        value = "" if self._fraction is None else f' value="{self._fraction:.4f}"'
        percent = "" if self._fraction is None else f" {100 * self._fraction:.0f} %"
        words = escaping.html(f"{self._title}: {self._text}")
        bar_ = f'<progress max="1"{value} style="width:20em;vertical-align:middle"></progress>'
        return sys.modules["IPython"].display.HTML(f'<div role="status">{bar_}{percent} <span>{words}</span></div>')
