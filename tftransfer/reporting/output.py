"""The files of a report: written all together, or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from tftransfer.reporting import markdown
from tftransfer.reporting.collected import Report
from tftransfer.system import escaping

NETWORKS, EFFECTS, DECOMPOSITION = "networks.csv", "effects.csv", "decomposition.csv"


def write(report: Report, formats: Sequence[str], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes a report.

    Args:
        report: The study.
        formats: Of html, md, csv, svg, png.
        folder: The folder to write into, made if need be. Files of the same names are replaced, others stay.

    Returns:
        The files written.

    Raises:
        ValueError: If the folder cannot be written.
    """
    with _staging(folder) as staging:
        for name, content in _files(report, formats).items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return _moved(staging, folder)


def csv_files(report: Report) -> dict[str, str]:
    """Returns the tables behind a report as CSV, by file name; scores are fractions, 0 to 1."""
    return {
        NETWORKS: _csv(report.frame),
        EFFECTS: _csv(report.effects),
        DECOMPOSITION: _csv(report.decomposition),
    }


def _csv(table: pd.DataFrame) -> str:
    """Returns a table as CSV, with its texts escaped: they may come from anybody."""
    texts = table.select_dtypes(["object", "string"]).columns
    return table.assign(**{name: table[name].map(escaping.csv) for name in texts}).to_csv(index=False)


def _files(report: Report, formats: Sequence[str]) -> Mapping[str, str | bytes]:
    """Returns the content of all files asked for, by path below the folder."""
    files: dict[str, str | bytes] = {}
    drawn = {}
    if {"html", "svg", "png"} & set(formats):
        from tftransfer.reporting import drawing

        drawn = drawing.draw(report)
    for kind in ("svg", "png"):
        if kind in formats:
            files |= {f"{name}.{kind}": getattr(figure, kind) for name, figure in drawn.items()}
    if "html" in formats:
        from tftransfer.reporting import page

        files["report.html"] = page.html(report, drawn, csv_files(report))
    if "md" in formats:
        kind = next((kind for kind in ("svg", "png") if kind in formats), None)
        shown = {figure.alternative: f"{name}.{kind}" for name, figure in drawn.items()} if kind else {}
        files["report.md"] = markdown.text(report, shown)
    if "csv" in formats:
        files |= csv_files(report)
    return files


@contextlib.contextmanager
def _staging(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary folder beside the final files, on the same disk, removed at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = pathlib.Path(tempfile.mkdtemp(prefix=".report-", dir=folder))
    except OSError as error:
        raise ValueError(f"Cannot write into the folder {folder}: {error}. Use --out=FOLDER with another.") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _moved(staging: pathlib.Path, folder: pathlib.Path) -> list[pathlib.Path]:
    """Moves finished files into place; returns their paths."""
    done = []
    for path in sorted(path for path in staging.rglob("*") if path.is_file()):
        goal = folder / path.relative_to(staging)
        if goal.is_dir():
            raise ValueError(f"A folder is where a file must go: {goal}. Use --out=FOLDER with another.")
        goal.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, goal)
        done.append(goal)
    return done
