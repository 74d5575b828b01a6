"""A report as one self-contained HTML page, with figures and tables inside."""

import base64
from collections.abc import Mapping

import jinja2
import markupsafe

from tftransfer.records.record_warnings import WARNING
from tftransfer.reporting import sentences, tables
from tftransfer.reporting.collected import Report
from tftransfer.reporting.drawing import Drawing
from tftransfer.reporting.markdown import CITATION, NO_WARNINGS
from tftransfer.system import escaping


def html(report: Report, drawings: Mapping[str, Drawing], downloads: Mapping[str, str]) -> str:
    """Returns the page.

    Args:
        report: The study.
        drawings: Its figures by name, in order.
        downloads: CSV texts by file name, embedded in the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tftransfer.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=escaping.page,
    )
    return environment.get_template("report.html.j2").render(
        name=report.name,
        kind=report.kind,
        labels=sentences.labels(report),
        summary=sentences.summary(report),
        drawings=list(drawings.values()),
        tables=tables.tables(report),
        networks=tables.networks(report),
        warnings=report.warnings,
        level=WARNING,
        no_warnings=NO_WARNINGS,
        making=report.making,
        downloads={name: _data_url(text) for name, text in downloads.items()},
        citation=CITATION,
    )


def _data_url(text: str) -> markupsafe.Markup:
    """Returns a CSV text as a data URL in base64, which no page takes for markup."""
    return markupsafe.Markup(f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}")
