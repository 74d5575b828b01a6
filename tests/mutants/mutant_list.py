"""The kept list of mutants: `mutants.toml`, one line each, by area."""

import ast
import dataclasses
import functools
import pathlib
import tomllib
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).parents[2]
LIST = pathlib.Path(__file__).with_name("mutants.toml")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A false claim, as a change of one place in one file.

    Attributes:
        area: What it is about.
        name: The false claim.
        file: Path from the root of the checkout.
        old: Text that stands there exactly once.
        new: What takes its place.
        tests: Tests that should notice, as pytest names them; one that does is enough.
    """

    area: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read(path: pathlib.Path = LIST) -> list[Mutant]:
    """Returns the mutants of a list.

    Raises:
        ValueError: If an entry has not the form `name = [file, old text, new text, test, ...]`.
    """
    found = []
    for area, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for name, parts in entries.items():
            if len(parts) < 4 or not all(isinstance(part, str) for part in parts):
                raise ValueError(f"{area}/{name} is not [file, old text, new text, test, ...]. Received: {parts}")
            found.append(Mutant(area, name, *parts[:3], tuple(parts[3:])))
    return found


def check(mutants: Sequence[Mutant], root: pathlib.Path = ROOT) -> None:
    """Raises ValueError, with every fault, if a text is not there exactly once, or a test is not there."""
    faults = []
    text, body = functools.cache(_text), functools.cache(_body)  # many mutants have files in common
    for mutant in mutants:
        times = text(root / mutant.file).count(mutant.old)
        if times != 1:
            faults.append(f"{mutant.area}/{mutant.name}: {mutant.old!r} stands {times} times in {mutant.file}")
        if mutant.old == mutant.new:
            faults.append(f"{mutant.area}/{mutant.name} changes nothing")
        for test in mutant.tests:
            path, _, name = test.partition("[")[0].partition("::")
            if not _is_there(name, body(root / path)):
                faults.append(f"{mutant.area}/{mutant.name}: no test {test}")
    if faults:
        raise ValueError("The list of mutants does not fit the checkout; each text must stand there once.\n  "
                         + "\n  ".join(faults))  # fmt: skip


def _text(path: pathlib.Path) -> str:
    """Returns the text of a file; nothing for one that is not there."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _body(path: pathlib.Path) -> list[ast.stmt] | None:
    """Returns the statements of a module; None if there is no such file."""
    return ast.parse(_text(path)).body if path.is_file() else None


def _is_there(name: str, body: Sequence[ast.stmt] | None) -> bool:
    """Whether a test of that name is defined; which parameters it takes is only known when it is run."""
    for part in filter(None, name.split("::")):
        inside = next((node for node in body or () if getattr(node, "name", None) == part), None)
        body = inside and inside.body
    return body is not None
