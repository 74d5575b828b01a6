"""The warnings of a study's report, as tests ask for them."""

import pathlib

from tftransfer import analysis
from tftransfer.analysis import checks, study


def found(folder: pathlib.Path) -> list:
    """Returns the warnings and notes about the study in a folder."""
    read = study.read(folder)
    return checks.warnings(analysis.networks(read), read)


def codes(folder: pathlib.Path) -> list[str]:
    """Returns their codes, in order."""
    return [warning.code for warning in found(folder)]


def text(folder: pathlib.Path, code: str) -> str:
    """Returns the text of the only warning with a code."""
    (warning,) = [warning for warning in found(folder) if warning.code == code]
    return warning.text
