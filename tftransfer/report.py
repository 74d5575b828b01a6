"""Writes a report of a study from its records: effects with intervals, figures, warnings. Extra `report`.

    python -m tftransfer.report --study=runs/STUDY
    python -m tftransfer.report --study=paper

Neither images, weights nor TensorFlow are needed.
"""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, check_fields, option
from tftransfer.results import Report
from tftransfer.system import caller, escaping

_USAGE = """
usage: python -m tftransfer.report --study=FOLDER|paper [options]

Reads the records of a study and writes a report: the effect of each treatment with intervals, the paper's figures, and
warnings about what is missing or unequal. --study=paper reports the published results of the paper's authors.
"""
FORMATS = ("html", "md", "csv", "svg", "png")
OVERLAYS = ("none", "paper")
_NEEDED = {"html": ("pandas", "scipy", "matplotlib", "jinja2"), "svg": ("pandas", "scipy", "matplotlib")}
_NEEDED |= {"png": _NEEDED["svg"], "md": ("pandas", "scipy"), "csv": ("pandas", "scipy")}


def _known_formats(value: str) -> str | None:
    names = value.split(",")
    fine = set(names) <= set(FORMATS) and len(names) == len(set(names))
    return None if fine else f"some of {', '.join(FORMATS)}, with commas between"


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """The options of `python -m tftransfer.report`."""

    study: str = option("", COMMAND, "folder of a study (runs/...), or paper for the published results")
    format: str = option(
        "html", COMMAND, "what to write: html (one page), md, csv (tables), svg, png (figures); several with commas",
        _known_formats,
    )  # fmt: skip
    out: str = option("", COMMAND, "folder to write into; default reports/<study>")
    overlay: str = option(
        "none", COMMAND, "paper draws the paper's means in the background of the study's own", choices=OVERLAYS
    )

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        check_fields(self)
        if not self.study:
            raise ValueError("Which study? Expected --study=FOLDER or --study=paper. Received none.")
        figures = {"html", "svg", "png"} & set(self.formats)
        if self.overlay != "none" and self.study == "paper":
            raise ValueError("--overlay=paper would change nothing here: --study=paper shows the paper. Leave it out.")
        if self.overlay != "none" and not figures:
            raise ValueError(
                f"--overlay=paper would change nothing here: it is about figures, so it goes with --format=html, svg "
                f"or png. Received: --format={self.format}"
            )

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats asked for."""
        return tuple(self.format.split(","))


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, given = command_line.parse(ReportConfig, argv, _USAGE)
    _check_installed(options.formats)
    from tftransfer.reporting import collected, output

    report = collected.collect(options.study, _shown(options, given), options.overlay == "paper")
    name = "paper" if report.is_paper else report.name
    folder = pathlib.Path(options.out) if options.out else pathlib.Path("reports") / name
    paths = output.write(report, options.formats, folder)
    caller.result(paths=[str(path) for path in paths])
    for path in paths:
        escaping.say(path)
    return 0


def _shown(options: ReportConfig, given: set[str]) -> list[str]:
    """Returns the options as shown in the report, without folders of this machine."""
    study = pathlib.Path(options.study)
    shown = {"study": study.name if study.is_absolute() else options.study}
    shown |= {name: getattr(options, name) for name in ("format", "overlay") if name in given}
    return [f"--{name}={value}" for name, value in shown.items()]


def _check_installed(formats: Sequence[str]) -> None:
    """Raises ValueError if what a format needs is not installed."""
    needed = dict.fromkeys(name for format_ in formats for name in _NEEDED[format_])
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"Reports need packages that are not installed: {', '.join(missing)}. "
            f"Install them with: pip install 'tftransfer[report]'"
        )


def _written(made: Mapping[str, Any]) -> Report:
    return Report(tuple(map(pathlib.Path, made["paths"])))


calls.make_callable(
    __name__, ReportConfig, """Writes a report of a study; returns a `Report` with the paths of its files.

    tftransfer.report("runs/STUDY", format=["html", "csv"])

    The options are those of `python -m tftransfer.report --help`; a `Study` may stand for its folder.

    Raises:
        ValueError: If an option is unknown or wrong, there is no such study, or a package is missing.
    """, first="study", returns=_written,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
