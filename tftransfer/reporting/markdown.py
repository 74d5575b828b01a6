"""A report as Markdown, for a README."""

from collections.abc import Mapping

from tftransfer.records.record_warnings import WARNING, RecordWarning
from tftransfer.reporting import sentences, tables
from tftransfer.reporting.collected import Report
from tftransfer.reporting.tables import Table
from tftransfer.system.escaping import MOST_OF_NAME, markdown_code
from tftransfer.system.escaping import markdown as escaped

NO_WARNINGS = "There are no warnings: no network is missing, no numbers are unequal."
CITATION = """@inproceedings{yosinski2014transferable,
  title     = {How transferable are features in deep neural networks?},
  author    = {Yosinski, Jason and Clune, Jeff and Bengio, Yoshua and Lipson, Hod},
  booktitle = {Advances in Neural Information Processing Systems 27},
  pages     = {3320--3328},
  year      = {2014}
}"""


def text(report: Report, figures: Mapping[str, str] | None = None) -> str:
    """Returns a report as Markdown.

    Args:
        report: The study.
        figures: Text for screen readers and relative path of each figure; none by default.
    """
    parts = [
        f"# {escaped(report.name)}",
        escaped(report.kind) + ".",
        escaped(sentences.labels(report)),
        *map(escaped, sentences.summary(report)),
    ]
    parts += [f"![{escaped(title)}]({path})" for title, path in (figures or {}).items()]
    for table in tables.tables(report):
        parts += [f"## {escaped(table.title)}", _table(table)]
        parts += [escaped(table.note)] if table.note else []
    parts += ["## Warnings and notes", _warnings(report.warnings)]
    if report.frame.shape[0]:
        parts += [f"## {tables.networks(report).title}", _table(tables.networks(report))]
    parts += ["## How it was made", "\n".join(f"- {name}: {markdown_code(value)}" for name, value in report.making)]
    parts += ["## Cite", f"```bibtex\n{CITATION}\n```"]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    marks = ["---" if place < table.first_numeric else "--:" for place in range(len(table.columns))]
    rows = [table.columns, marks, *table.rows]
    rows = [rows[0], *rows[2:]]
    lines = [f"| {' | '.join(escaped(cell, MOST_OF_NAME) for cell in row)} |" for row in rows]
    return "\n".join([lines[0], f"| {' | '.join(marks)} |", *lines[1:]])


def _warnings(warnings: list[RecordWarning]) -> str:
    if not warnings:
        return NO_WARNINGS
    lines = []
    for warning in warnings:
        code = f"**{escaped(warning.code)}**" if warning.level == WARNING else escaped(warning.code)
        lines.append(f"- {code}: {escaped(warning.text)}")
    return "\n".join(lines)
