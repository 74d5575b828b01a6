"""The end of a sweep: warnings, notes, table and exit code. Nothing here imports TensorFlow."""

import collections
import importlib.util
import pathlib
import shlex
import sys
import tempfile
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
    if any(state.trained_here for state in states):
        _draw_figure(study)
    _show_warnings(states, {name: f"{name} {words[name]}: {state.reason}" for name, state in lost.items()})
    escaping.say(display.text(study_status.look(study, lost=words)))
    counts = collections.Counter(state.state for state in states)
    now = sum(state.trained_here for state in states)
    escaping.say(f"seconds    {seconds:.0f} ({now} trained, {counts[DONE] + counts[DIVERGED] - now} there before)")
    for record in best_weights.prune(study):
        score = f"{100 * record.result['top1']:.1f} %"
        which = f"{record.content['treatment']['label']} of {record.identity['split']}"
        split = record.identity["split"]
        best = "the best" if split == "whole" or split.startswith("from-") else "the best of its half"
        escaping.say(f"weights    kept of {which}, {best}, {score}: {record.folder}")
    escaping.say(f"records    {study}")
    escaping.say(f"compare    tensorboard --logdir {shlex.quote(str(study))}")
    code, codes = judge(states)
    if code:
        escaping.say(f"warnings   {', '.join(f'{n} {word}' for word, n in codes.items())} (exit code {code})")
    return code


def judge(states: Sequence[State]) -> tuple[int, collections.Counter]:
    """Returns a sweep's exit code, and the number of networks by code of a warning or word of a failure."""
    trained = [state.record.content for state in states if state.record]
    codes = collections.Counter(code for content in trained for code in record_warnings.codes(content))
    codes += collections.Counter(state.word or state.state for state in states if not state.record)
    if not all(state.record and record_warnings.sound(state.record) for state in states):
        return command_line.EXIT_FAILED, codes
    return command_line.EXIT_WARNINGS if codes else 0, codes


def _show_warnings(states: Sequence[State], lost: Mapping[str, str]) -> None:
    """Prints warnings and notes, the first of each."""
    warnings = _warnings(states, lost)
    rest = len(warnings) - _WARNINGS_SHOWN
    for warning in [*warnings[:_WARNINGS_SHOWN], *([f"and {rest} more, see the records"] if rest > 0 else [])]:
        escaping.say(f"WARNING: {warning}", sys.stderr)
    for note in _notes(states)[:_WARNINGS_SHOWN]:
        escaping.say(f"NOTE: {note}", sys.stderr)


def _warnings(states: Sequence[State], lost: Mapping[str, str]) -> list[str]:
    """Returns a sweep's warnings, each distinct one once: networks without a record first, then the gravest."""
    warnings = [
        (state.record.name, warning)
        for state in states
        if state.record
        for warning in record_warnings.warnings_of(state.record.content)
    ]
    ranked = sorted(warnings, key=lambda item: record_warnings.CODES.index(item[1].code))
    trained = [state.record for state in states if state.record]
    stray = [(record.name, f"its {base} was trained again, with other weights") for record, base in strays(trained)]
    return escaping.distinct([*lost.items(), *stray, *((name, warning.text) for name, warning in ranked)])


def _notes(states: Sequence[State]) -> list[str]:
    """Returns the distinct notes about networks whose scores can be trusted."""
    notes = [
        (state.record.name, note)
        for state in states
        if state.record
        for note in record_warnings.notes(state.record.content)
    ]
    return escaping.distinct((name, note.text) for name, note in notes)


def _draw_figure(study: pathlib.Path) -> None:
    """Draws the study's figure for TensorBoard, if the extra `report` is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "matplotlib", "pandas", "scipy")):
        return
    with tempfile.TemporaryDirectory() as folder:
        module, request = "tftransfer.reporting.study_figure", {"study": str(study.absolute())}
        answer = processes.ask(module, request, pathlib.Path(folder))
    if answer.code:
        escaping.say(f"The study's figure was not drawn: {answer.reason}", sys.stderr)
