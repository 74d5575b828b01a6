"""A study: its networks as a data frame, their effects, figures, report and progress."""

import dataclasses
import difflib
import functools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tftransfer.records import record_files
from tftransfer.results import extras, html
from tftransfer.results.record import Record
from tftransfer.scheduling import display, study_status

if TYPE_CHECKING:
    import pandas as pd

PAPER = "paper"


@dataclasses.dataclass(frozen=True)
class Status:
    """The progress of a study at one moment.

    Attributes:
        networks: Number of all its networks, as far as they are planned.
        done: Number of those that are trained.
        running: Number of those that train now, somewhere.
        waiting: Number of those that will be trained.
        failed: Number of those that diverged or could not be trained.
        seconds_left: Until all is done; None if it is not known.
        warnings: Names of networks with warnings or failures, by code, such as `at chance`.
    """

    networks: int
    done: int
    running: int
    waiting: int
    failed: int
    seconds_left: float | None
    warnings: dict[str, list[str]]
    _text: str = dataclasses.field(default="", repr=False)

    def __str__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return html.page(f"<pre>{html.escaping.html(self._text)}</pre>")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a study.

    Attributes:
        kind: Its name, such as `figure2`.
        title: Above it.
        caption: What it shows.
        svg: The figure as SVG.
    """

    kind: str
    title: str
    caption: str
    svg: str = dataclasses.field(repr=False)
    _drawing: Any = dataclasses.field(repr=False)

    @property
    def png(self) -> bytes:
        """The figure as PNG."""
        return self._drawing.png

    def save(self, path: str | os.PathLike) -> pathlib.Path:
        """Writes the figure into FILE.svg or FILE.png; returns the path.

        Raises:
            ValueError: If the name ends in neither.
        """
        path = pathlib.Path(path)
        if path.suffix not in (".svg", ".png"):
            raise ValueError(f"Figures are written as FILE.svg or FILE.png. Received: {path}")
        path.write_bytes(self.png if path.suffix == ".png" else self.svg.encode())
        return path

    def _repr_html_(self) -> str:
        title, caption = html.escaping.html(self.title), html.escaping.html(self.caption)
        light = "background:white;color:black;max-width:60em"  # the ink of figures is dark
        return (
            f'<figure style="{light}"><b>{title}</b>{self._drawing.inline}<figcaption>{caption}</figcaption></figure>'
        )


@dataclasses.dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        paths: Its files.
    """

    paths: tuple[pathlib.Path, ...]

    @property
    def path(self) -> pathlib.Path:
        """The page, or the first file if there is none."""
        return next((path for path in self.paths if path.suffix == ".html"), self.paths[0])

    def _repr_html_(self) -> str:
        links = "".join(
            f'<li><a href="{html.escaping.html(path.as_posix())}">{html.escaping.html(str(path))}</a></li>'
            for path in self.paths
        )
        return f"<ul>{links}</ul>"


class Study:
    """The networks of a study, as they are when they are asked for; nothing is trained.

    Args:
        folder: Its folder, `runs/<study>`; or "paper" for the published results of the paper's authors.

    Attributes:
        folder: As above; None for the paper.

    Raises:
        ValueError: If there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = None if folder == PAPER else pathlib.Path(folder)
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"There is no such study. Expected a folder runs/STUDY, or {PAPER!r}. Received: {folder}")

    def __repr__(self) -> str:
        return f"Study({str(self.folder or PAPER)!r})"

    @property
    def name(self) -> str:
        """Its name: that of its folder, or `paper`."""
        return self.folder.resolve().name if self.folder else PAPER

    @property
    def records(self) -> dict[str, Record]:
        """Its finished networks by name; none for the paper."""
        found = record_files.read_study(self.folder) if self.folder else []
        return {record.name: Record(record.folder) for record in found}

    def __getitem__(self, label: str) -> Record:
        """Returns the network of a name or of a label, as in `study["A4B"]`.

        Raises:
            KeyError: If there is none, or a label is that of several networks.
        """
        records = self.records
        if label in records:
            return records[label]
        found = [name for name, record in records.items() if record.label == label]
        if len(found) != 1:
            names = ", ".join(found or difflib.get_close_matches(label, [*records], n=3, cutoff=0) or ["none yet"])
            raise KeyError(f"{len(found)} networks are called {label}. Ask for one by its name: {names}")
        return records[found[0]]

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per finished network, see `analysis.networks` for the columns; accuracies from 0 to 1.

        Raises:
            ImportError: If pandas and scipy, the extra `report`, are not installed.
        """
        return self._report().frame

    def effects(self) -> "pd.DataFrame":
        """Returns the mean difference of each treatment from its base with intervals, see `analysis.effects`."""
        return self._report().effects

    def decomposition(self) -> "pd.DataFrame":
        """Returns what frozen copies lose by n and cause, see `analysis.decomposition.decomposition`."""
        return self._report().decomposition

    @property
    def warnings(self) -> list[str]:
        """What is missing, unequal or misleading in the study, a sentence each."""
        return [warning.text for warning in self._report().warnings]

    @property
    def figures(self) -> tuple[str, ...]:
        """The kinds of figures that the study has data for, see `figure`."""
        return tuple(self._drawn(False))

    def figure(self, kind: str = "", overlay: str = "none") -> Figure:
        """Returns a figure.

        Args:
            kind: One of `figures`: `paired` (differences from the base by n), `figure2` (the paper's), `losses` ...;
                empty for the first of these that there is.
            overlay: "paper" draws the paper's means in the background.

        Raises:
            ValueError: If there is no such figure.
        """
        if overlay not in ("none", PAPER):
            raise ValueError(f"Expected overlay='none' or 'paper'. Received: {overlay!r}")
        drawn = self._drawn(overlay == PAPER)
        order = sorted(drawn, key=lambda name: (not name.startswith("paired"), not name.startswith("figure2")))
        kind = kind or next(iter(order), "")
        if kind not in drawn:
            raise ValueError(f"No such figure. Expected one of {', '.join(drawn) or 'none yet'}. Received: {kind!r}")
        of = drawn[kind]
        return Figure(kind, of.title, of.caption, of.svg, of)

    def report(self, format: str | Sequence[str] = "html", out: str | os.PathLike = "", **options: Any) -> Report:
        """Writes a report, as `tftransfer.report` does, into the folder `out`; by default reports/<study>."""
        import tftransfer

        return tftransfer.report(str(self.folder or PAPER), format=format, out=out or None, **options)

    @property
    def status(self) -> Status:
        """The progress of the study, whoever trains it: a table when printed.

        Raises:
            ValueError: If there is neither a record nor a plan.
        """
        if self.folder is None:
            raise ValueError("The paper's study is finished; it has no status.")
        overview = study_status.look(self.folder)
        counts = {state: overview.count(state) for state in ("done", "running", "waiting", "failed")}
        counts["running"] += overview.count(study_status.SILENT)
        return Status(
            len(overview.lines), **counts, seconds_left=overview.seconds_left, warnings=overview.named(),
            _text=display.text(overview),
        )  # fmt: skip

    def _report(self, overlay: bool = False) -> Any:
        """Returns the study with its tables, computed once for each state of the folder."""
        extras.require("pandas", "scipy")
        return _collected(str(self.folder or PAPER), overlay, self._state())

    def _drawn(self, overlay: bool) -> dict[str, Any]:
        """Returns all drawings by kind."""
        extras.require("pandas", "scipy", "matplotlib")
        return _drawn(str(self.folder or PAPER), overlay, self._state())

    def _state(self) -> tuple[Any, ...]:
        """Returns what changes when a network is finished or trained again."""
        if self.folder is None:
            return ()
        paths = sorted(self.folder.glob(f"*/{record_files.RECORD}"))
        return tuple((path.parent.name, path.stat().st_mtime_ns) for path in paths)

    def _repr_html_(self) -> str:
        shown = [("study", self.name)]
        if self.folder:
            status = self.status
            parts = [f"{getattr(status, name)} {name}" for name in ("done", "running", "waiting", "failed")]
            shown += [("networks", ", ".join(parts))]
        return html.page(html.pairs(shown), self._table(), self._picture())

    def _table(self) -> str:
        """Returns the effects as an HTML table, empty where pandas is missing."""
        try:
            effects = self.effects()
        except ImportError as error:
            return f"<p>{html.escaping.html(str(error))}</p>"
        rows = [
            (
                row.treatment,
                "" if row.n == 0 else str(row.n),
                f"{100 * row.top1:.1f} %",
                _points(row),
                str(row.networks),
            )
            for row in effects.itertuples(index=False)
        ]
        return html.table(("treatment", "n", "top-1", "points from own base", "networks"), rows)

    def _picture(self) -> str:
        """Returns the main figure, empty where there is none or Matplotlib is missing."""
        try:
            return self.figure()._repr_html_()
        except (ImportError, ValueError):
            return ""


def _points(row: Any) -> str:
    """Returns the mean difference of a row of effects in percentage points, with its interval if it has one."""
    if row.n == 0 or row.minus_base != row.minus_base:
        return ""
    between = "" if row.low != row.low else f" ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
    return f"{100 * row.minus_base:+.1f}{between}"


@functools.lru_cache(maxsize=8)
def _collected(study: str, overlay: bool, _: tuple[Any, ...]) -> Any:
    from tftransfer.reporting import collected

    return collected.collect(study, [f"--study={study}"], overlay)


@functools.lru_cache(maxsize=4)
def _drawn(study: str, overlay: bool, state: tuple[Any, ...]) -> dict[str, Any]:
    from tftransfer.reporting import drawing

    return drawing.draw(_collected(study, overlay, state))
