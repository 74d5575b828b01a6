"""The end of a sweep: warnings, notes, table and exit code. Nothing here imports TensorFlow."""

import collections
import importlib.util
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tftransfer.cli import command_line
from tftransfer.execution import best_weights
from tftransfer.records import record_warnings
from tftransfer.records.identities import strays
from tftransfer.scheduling import display, study_status
from tftransfer.scheduling.scheduler import DIVERGED, DONE, FAILED, SKIPPED, State
from tftransfer.system import escaping, processes

_WARNINGS_SHOWN = 20


def show(states: Sequence[State], study: pathlib.Path, seconds: float) -> int:
    """Prints the end of a sweep; returns its exit code.

    Args:
        states: All networks of the sweep.
        study: The study's folder.
        seconds: Duration of the sweep.
    """
    lost = {state.cell.name: state for state in states if state.state in (FAILED, SKIPPED)}
    words = {name: state.word or state.state for name, state in lost.items()}
    if any(state.now for state in states):
        _draw_figure(study)
    _show_warnings(states, {name: f"{name} {words[name]}: {state.reason}" for name, state in lost.items()})
    escaping.say(display.text(study_status.look(study, lost=words)))
    counts = collections.Counter(state.state for state in states)
    now = sum(state.now for state in states)
    escaping.say(f"seconds    {seconds:.0f} ({now} trained, {counts[DONE] + counts[DIVERGED] - now} there before)")
    for record in best_weights.prune(study):
        score = f"{100 * record.result['top1']:.1f} %"
        which = f"{record.content['treatment']['label']} of {record.identity['split']}"
        escaping.say(f"weights    kept of {which}, the best of its half, {score}: {record.folder}")
    escaping.say(f"records    {study}")
    escaping.say(f"compare    tensorboard --logdir {shlex.quote(str(study))}")
    code, faults = judge(states)
    if code:
        escaping.say(f"doubts     {', '.join(f'{n} {word}' for word, n in faults.items())} (exit code {code})")
    return code


def judge(states: Sequence[State]) -> tuple[int, collections.Counter]:
    """Returns a sweep's exit code, and the number of networks with each fault, by its word."""
    trained = [state.record.content for state in states if state.record]
    faults = collections.Counter(word for content in trained for word in record_warnings.words(content))
    faults += collections.Counter(state.word or state.state for state in states if not state.record)
    if not all(state.record and record_warnings.sound(state.record) for state in states):
        return command_line.EXIT_FAILED, faults
    return command_line.EXIT_DOUBTFUL if faults else 0, faults


def _show_warnings(states: Sequence[State], lost: Mapping[str, str]) -> None:
    """Prints warnings and notes, the first of each."""
    warnings = _warnings(states, lost)
    rest = len(warnings) - _WARNINGS_SHOWN
    for warning in [*warnings[:_WARNINGS_SHOWN], *([f"and {rest} more, see the records"] if rest > 0 else [])]:
        escaping.say(f"WARNING: {warning}", sys.stderr)
    for notice in _notices(states)[:_WARNINGS_SHOWN]:
        escaping.say(f"NOTE: {notice}", sys.stderr)


def _warnings(states: Sequence[State], lost: Mapping[str, str]) -> list[str]:
    """Returns the distinct warnings of a sweep: networks that were lost first, then doubtful results."""
    faults = [
        (state.record.name, fault)
        for state in states
        if state.record
        for fault in record_warnings.named(state.record.content)
    ]
    ranked = sorted(faults, key=lambda item: record_warnings.WORDS.index(item[1].word))
    trained = [state.record for state in states if state.record]
    stray = [(record.name, f"its {base} was trained again, with other weights") for record, base in strays(trained)]
    return escaping.distinct([*lost.items(), *stray, *((name, fault.text) for name, fault in ranked)])


def _notices(states: Sequence[State]) -> list[str]:
    """Returns the distinct notes about networks, which make no score doubtful."""
    notices = [
        (state.record.name, notice)
        for state in states
        if state.record
        for notice in record_warnings.notices(state.record.content)
    ]
    return escaping.distinct((name, notice.text) for name, notice in notices)


def _draw_figure(study: pathlib.Path) -> None:
    """Draws the study's figure for TensorBoard, if the extra `report` is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "matplotlib", "pandas", "scipy")):
        return
    words = processes.words("tftransfer.reporting.study_figure", str(study))
    process = subprocess.run(words, env=processes.environment(), capture_output=True, text=True, check=False)
    if process.returncode:
        escaping.say(f"The study's figure was not drawn: {process.stderr.strip().splitlines()[-1:]}", sys.stderr)
