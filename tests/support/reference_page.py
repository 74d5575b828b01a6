"""The page docs/reference.md, made of the commands' options; `python -m tests.support.reference_page` writes it."""

import dataclasses
import importlib
import pathlib
import textwrap

from tftransfer.cli.options import SECTIONS
from tftransfer.experiment.config import Config

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"
COMMANDS = ("run", "sweep", "advise", "report", "tune", "bench", "describe", "export", "cache")
SHARED = "Options of all commands that train"
_ANCHOR = "#" + SHARED.lower().replace(" ", "-")
_HEAD = f"""# Reference: options by command

<!-- made by `python -m tests.support.reference_page` from the options themselves -->

`python -m tftransfer.COMMAND --help` prints the same, and so does `tftransfer COMMAND --help`. Switches are turned
off by `--no` before their name.
`--flagfile=FILE` reads options from a file, one per line, or from a recipe of the package by its name
([recipes](sweeps.md#recipes)). In Python, options are keyword arguments ([from Python](from_python.md)).
[{SHARED}]({_ANCHOR}) come last.
"""


def config_class(command: str) -> type:
    """Returns the dataclass of a command's options."""
    return getattr(importlib.import_module(f"tftransfer.{command}"), f"{command.capitalize()}Config")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _default(field: dataclasses.Field) -> str:
    """Returns a default as it is written on a command line, empty where an option is."""
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    value = f"{field.default:g}" if isinstance(field.default, float) else str(field.default or "")
    return f"`{value}`" if field.default not in ("", ()) and value else "`0`" if field.default == 0 else ""


def _table(fields: list[dataclasses.Field]) -> list[str]:
    """Returns options as a Markdown table."""
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for field in fields:
        choices = f" ({', '.join(field.metadata['choices'])})" if field.metadata["choices"] else ""
        lines.append(f"| `--{field.name}` | {_default(field)} | {_cell(field.metadata['help'] + choices)} |")
    return lines


def _sections(fields: list[dataclasses.Field]) -> list[str]:
    """Returns options by section, each with its title."""
    lines = []
    for section, title in SECTIONS.items():
        chosen = [field for field in fields if field.metadata["section"] == section]
        lines += [f"**{title}**", "", *_table(chosen), ""] * bool(chosen)
    return lines


def _own(config: type) -> list[dataclasses.Field]:
    """Returns the options that a command has alone, or that mean something else there."""
    shared = {field.name: field for field in dataclasses.fields(Config)} if issubclass(config, Config) else {}

    def same(field: dataclasses.Field) -> bool:
        other = shared.get(field.name)
        return other is not None and (field.default, field.metadata["help"]) == (other.default, other.metadata["help"])

    return [field for field in dataclasses.fields(config) if not same(field)]


def page() -> str:
    """Returns the page."""
    lines = [_HEAD]
    for command in COMMANDS:
        config = config_class(command)
        usage = importlib.import_module(f"tftransfer.{command}")._USAGE.strip()
        first, _, rest = usage.partition("\n\n")
        lines += [f"## {command}", "", *textwrap.indent(first.removeprefix("usage: "), "    ").splitlines(), ""]
        lines += [_cell(rest.strip()), ""] if rest else []
        lines += _sections(_own(config))
        if issubclass(config, Config):
            lines += [
                f"It also takes the [options of all commands that train](#{SHARED.lower().replace(' ', '-')}).",
                "",
            ]
    lines += [f"## {SHARED}", "", *_sections(list(dataclasses.fields(Config)))]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
