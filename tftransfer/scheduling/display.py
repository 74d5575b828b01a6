"""A sweep on the screen: one live table in a terminal, one line at a time elsewhere."""

import collections
import contextlib
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tftransfer.experiment import treatments
from tftransfer.records.record_files import Record
from tftransfer.scheduling.study_status import (
    DONE,
    FAILED,
    RUNNING,
    SILENT,
    WAITING,
    Line,
    Overview,
    by_role,
    compared,
    look,
)
from tftransfer.system import escaping

_REFRESH_SECONDS = 2.0
_LINE_SECONDS = 60.0
_FAILURES_SHOWN = _NAMES_SHOWN = 5


def picture(overview: Overview) -> Group:
    """Returns a study as a table under its headline, with the networks below that failed or have warnings."""
    below = [*_silent(overview), *_named(overview), *_failures(overview), *_unreadable(overview)]
    return Group(Text(headline(overview)), _table(overview), Text("\n".join(below)))


def _silent(overview: Overview) -> list[str]:
    """Returns one line for each process without a sign of life, with its networks."""
    by_reason: dict[str, list[str]] = {}
    for line in overview.lines:
        if line.state == SILENT:
            by_reason.setdefault(overview.silent[line.name], []).append(line.name)
    return [f"{SILENT}: {escaping.terminal(', '.join(names))}: {why}" for why, names in by_reason.items()]


def _table(overview: Overview) -> Table:
    """Returns a table of treatments by copied blocks: mean top-1, and the mean difference from the base in points.

    The mean of the bases is over those that other networks are compared with.
    """
    roles = by_role(overview.lines)
    base = treatments.role(treatments.base("B"))
    numbers = sorted({n for of_role in roles.values() for n in of_role})
    grid = Table()
    grid.add_column("treatment (points from own base)")
    for n in numbers:
        grid.add_column(_head(n, {role for (role, _), by_n in roles.items() if n in by_n}), justify="right")
    for (role, variant), by_n in roles.items():
        shown = {n: compared(lines, overview.lines) if role == base else lines for n, lines in by_n.items()}
        title = escaping.terminal(", ".join(filter(None, [role, variant])))
        grid.add_row(Text(title), *(_cell(by_n.get(n, []), shown.get(n, []), role == base) for n in numbers))
    return grid


def _head(n: int, roles: set[str]) -> str:
    """Returns the head of a column: bases have n = 0, as have policies that do not begin with copied blocks."""
    if n or not any(role.startswith("base") for role in roles):
        return f"n = {n}"
    return "base" if all(role.startswith("base") for role in roles) else "base, n = 0"


def headline(overview: Overview) -> str:
    """Returns one line: networks by state, speed, time left."""
    shown = (DONE, RUNNING, *((SILENT,) if overview.count(SILENT) else ()), WAITING, FAILED)
    states = ", ".join(f"{overview.count(state)} {state}" for state in shown)
    parts = [f"{escaping.terminal(overview.study)}: {states} of {len(overview.lines)} networks"]
    parts += [escaping.terminal(stage) for stage in overview.stages]
    if overview.images_per_second:
        parts.append(f"{overview.images_per_second:.0f} images/s over all networks")
    if overview.seconds_left is not None and overview.count(RUNNING) + overview.count(WAITING):
        parts.append(f"about {duration(overview.seconds_left)} left")
    return "; ".join(parts)


def text(overview: Overview) -> str:
    """Returns the table as plain text."""
    console = Console(width=160, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(picture(overview))
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def duration(seconds: float) -> str:
    """Returns a readable duration: `50 s`, `12 min`, `3.4 h`, `5.2 days`."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _cell(lines: Sequence[Line], shown: Sequence[Line], is_base: bool) -> Text:
    """Returns the mean top-1 of some networks, with `~` while some still train, and the words for their faults.

    Args:
        lines: All networks of the cell.
        shown: The networks that the mean is over.
        is_base: Whether they are bases, which have no difference from a base.
    """
    scores = [line.top1 for line in shown if line.top1 is not None]
    if not lines:
        return Text("")
    counts = collections.Counter(code for line in lines for code in line.codes)
    codes = [code if count == len(lines) else f"{code} {count}/{len(lines)}" for code, count in counts.items()]
    if not scores:
        return Text("\n".join(codes) or "-", style="dim")
    unfinished = any(line.state in (RUNNING, SILENT, WAITING) for line in shown)
    mean = f"{'~' if unfinished else ''}{100 * statistics.fmean(scores):.1f} %{'' if is_base else _lead(shown)}"
    return Text("\n".join([mean, *codes]), style="dim" if unfinished else "")


def _lead(lines: Sequence[Line]) -> str:
    """Returns the mean difference from the base in points, with the count where some networks have none."""
    leads = [line.minus_base for line in lines if line.minus_base is not None]
    scores = sum(line.top1 is not None for line in lines)
    if not leads:
        return ""
    return f" ({100 * statistics.fmean(leads):+.1f}{'' if len(leads) == scores else f' of {len(leads)}'})"


def _named(overview: Overview) -> list[str]:
    """Returns one line per code with the names of its networks, without failures that have a reason."""
    lines = []
    for code, of_code in overview.named().items():
        names = [name for name in of_code if name not in {*overview.failures, *overview.silent}]
        lines += [f"{code}: {escaping.first(names, _NAMES_SHOWN)}"] if names else []
    return lines


def _failures(overview: Overview) -> list[str]:
    """Returns one line for each distinct failure, with its reason."""
    code_of = {line.name: line.codes[0] for line in overview.lines if line.codes}
    reasons = [(name, f"{code_of.get(name, FAILED)}: {name}: {reason}") for name, reason in overview.failures.items()]
    lines = escaping.distinct(reasons)
    rest = len(lines) - _FAILURES_SHOWN
    return [*lines[:_FAILURES_SHOWN], *([f"and {rest} more reasons"] if rest > 0 else [])]


def _unreadable(overview: Overview) -> list[str]:
    """Returns one line for each unreadable record."""
    rest = len(overview.unreadable) - _FAILURES_SHOWN
    lines = [f"left out: {reason}" for reason in overview.unreadable[:_FAILURES_SHOWN]]
    return [*lines, *([f"and {rest} more records that cannot be used"] if rest > 0 else [])]


@contextlib.contextmanager
def live(study: pathlib.Path) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Shows a sweep while it runs.

    Args:
        study: Its folder.

    Yields:
        A function to call often, and one that takes lines for the user.
    """
    if not sys.stdout.isatty():
        yield _lines(study), escaping.say
        return
    records: dict[str, Record] = {}
    with Live(picture(look(study, records)), auto_refresh=False, transient=True) as shown:
        last = 0.0

        def update() -> None:
            nonlocal last
            if time.monotonic() - last >= _REFRESH_SECONDS:
                last = time.monotonic()
                shown.update(picture(look(study, records)), refresh=True)

        yield update, lambda line: shown.console.print(Text(escaping.visible(line)))


def _lines(study: pathlib.Path) -> Callable[[], None]:
    """Returns a function that prints a line every minute, and at once when the stage of a group changes."""
    records: dict[str, Record] = {}
    last = looked = time.monotonic()
    shown: tuple[str, ...] = ()

    def update() -> None:
        nonlocal last, looked, shown
        now = time.monotonic()
        if now - looked < _REFRESH_SECONDS:
            return
        looked, overview = now, look(study, records)
        if now - last >= _LINE_SECONDS or not set(overview.stages) <= set(shown):
            last = now
            escaping.say(headline(overview))
        shown = overview.stages

    return update
