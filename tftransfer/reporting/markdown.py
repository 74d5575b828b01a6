"""A report as Markdown, fit for a README."""

import re
from collections.abc import Mapping

from tftransfer.analysis import checks
from tftransfer.reporting import sentences, tables
from tftransfer.reporting.collected import Report
from tftransfer.reporting.tables import Table

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
        figures: Title of each figure and its path from the text; none by default.
    """
    parts = [f"# {escaped(report.name)}", escaped(report.kind) + ".", *map(escaped, sentences.summary(report))]
    parts += [f"![{escaped(title)}]({path})" for title, path in (figures or {}).items()]
    for table in tables.tables(report):
        parts += [f"## {escaped(table.title)}", _table(table)]
        parts += [escaped(table.note)] if table.note else []
    parts += ["## What to know before trusting it", _findings(report.findings)]
    if report.frame.shape[0]:
        parts += [f"## {tables.networks(report).title}", _table(tables.networks(report))]
    parts += ["## How it was made", "\n".join(f"- {name}: {_code(value)}" for name, value in report.making)]
    parts += ["## Cite", f"```bibtex\n{CITATION}\n```"]
    return "\n\n".join(parts) + "\n"


def escaped(value: str) -> str:
    r"""Returns a text that Markdown shows as it is: no HTML, links, emphasis or table cells of its own.

    Example:
        >>> escaped("<b> a|b_c")
        '&lt;b&gt; a\\|b\\_c'
    """
    plain = " ".join(value.split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", plain)


def _code(value: str) -> str:
    """Returns a text as code; a fence longer than any run of backticks in it."""
    plain = " ".join(value.split())
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {plain} {fence}" if longest else f"`{plain}`"


def _table(table: Table) -> str:
    marks = ["---" if place < table.first_numeric else "--:" for place in range(len(table.columns))]
    rows = [table.columns, marks, *table.rows]
    rows = [rows[0], *rows[2:]]
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join([lines[0], f"| {' | '.join(marks)} |", *lines[1:]])


def _findings(found: list[checks.Finding]) -> str:
    if not found:
        return "Nothing was found missing, unequal or doubtful."
    lines = []
    for finding in found:
        topic = f"**{escaped(finding.topic)}**" if finding.weight == checks.WARNING else escaped(finding.topic)
        lines.append(f"- {topic}: {escaped(finding.text)}")
    return "\n".join(lines)
