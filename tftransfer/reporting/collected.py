"""The data of a report, computed once and laid out by the page, Markdown and the tables."""

import dataclasses
import functools
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import tftransfer
from tftransfer import analysis
from tftransfer.analysis import boosts, checks, decomposition, diagnostics, paper
from tftransfer.analysis import study as study_lib
from tftransfer.analysis.families import are_halves
from tftransfer.analysis.frames import BASE
from tftransfer.records import commands
from tftransfer.records.record_files import Record
from tftransfer.records.record_warnings import WARNING, RecordWarning
from tftransfer.reporting.looks import Looks
from tftransfer.system import environment

PACKAGES = ("pandas", "scipy", "matplotlib", "jinja2")
_COMMANDS = 6


@dataclasses.dataclass(frozen=True)
class Report:
    """A study and all tables computed from it, each when it is first asked for.

    Attributes:
        name: The study's name, as the user gave it: not yet escaped for any format.
        frame: All networks, from `analysis.networks`.
        study: The folder as read; None for the paper.
        command: The command line that makes this report.
        overlay: The paper's networks, drawn in the background of the study's own; None without.
    """

    name: str
    frame: pd.DataFrame
    study: study_lib.Study | None
    command: str
    overlay: pd.DataFrame | None = None

    @property
    def is_paper(self) -> bool:
        """Whether this is the paper's own study."""
        return self.study is None

    @property
    def kind(self) -> str:
        """The subtitle."""
        if self.is_paper:
            return "The results of Yosinski, Clune, Bengio and Lipson, from the logs that they published"
        return "How transferable features are, block by block"

    @functools.cached_property
    def main(self) -> pd.DataFrame:
        """The networks of the study's main recipe which count in means."""
        return self.frame[self.frame["recipe"].eq(self.recipe) & self.frame["excluded"].eq("")]

    @functools.cached_property
    def recipe(self) -> str:
        """The digest of the recipe of most networks."""
        return checks.main_recipe(self.frame)

    @functools.cached_property
    def excluded(self) -> pd.DataFrame:
        """The networks that count in no mean: of other recipes, diverged, duplicates."""
        return self.frame.drop(self.main.index)

    @functools.cached_property
    def effects(self) -> pd.DataFrame:
        """`analysis.effects` of the main recipe."""
        return analysis.effects(self.main)

    @functools.cached_property
    def data_sizes(self) -> pd.DataFrame:
        """`analysis.data_size` of the main recipe."""
        return analysis.data_size(self.main)

    @functools.cached_property
    def looks(self) -> Looks:
        """Colours and markers of the curves of all figures."""
        return Looks(self.main)

    @functools.cached_property
    def decomposition(self) -> pd.DataFrame:
        """`decomposition.decomposition` of the main recipe."""
        return decomposition.decomposition(self.main)

    @functools.cached_property
    def dominance(self) -> pd.DataFrame:
        """`decomposition.dominance` of the main recipe."""
        return decomposition.dominance(self.main)

    @functools.cached_property
    def warnings(self) -> list[RecordWarning]:
        """Warnings, then notes, about the study and its numbers."""
        own = paper.caveats() if self.is_paper else []
        own += [RecordWarning("diagnostics", reason) for reason in self._diagnostics[1]]
        found = [*own, *checks.warnings(self.frame, self.study)]
        return sorted(found, key=lambda warning: warning.level != WARNING)

    @property
    def diagnostics(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """The arrays kept beside records, by network; without those that cannot be read."""
        return self._diagnostics[0]

    @functools.cached_property
    def _diagnostics(self) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
        """The arrays by network, and why those of other networks cannot be read."""
        found, unreadable = {}, []
        for record in self.records:
            try:
                found[record.name] = diagnostics.read(record)
            except ValueError as error:
                unreadable.append(str(error))
        return found, unreadable

    @functools.cached_property
    def halves(self) -> list[str]:
        """The kinds of halves: random ones first, all classes last."""
        order = {"random": 0, "natural_manmade": 1, "all": 9}
        return sorted(self.main["halves"].unique(), key=lambda kind: (order.get(kind, 5), kind))

    def of(self, halves: str, images_per_class: int | None = None) -> pd.DataFrame:
        """Returns the counted networks of one kind of halves, with one number of images per class if it is given."""
        here = self.main[self.main["halves"].eq(halves)]
        return here if images_per_class is None else here[here["images_per_class"].eq(images_per_class)]

    def plain(self, halves: str, images_per_class: int | None = None) -> pd.DataFrame:
        """Returns the networks of `of` that have neither preserved blocks nor staged release."""
        here = self.of(halves, images_per_class)
        return here[here["preserve"].eq(0) & here["release_step"].eq(0)]

    def sizes(self, halves: str) -> list[int]:
        """Returns the numbers of images per class of one kind of halves: all images (0) first, then the most."""
        return sorted(map(int, self.of(halves)["images_per_class"].unique()), key=lambda size: (size > 0, -size))

    def boosts(self, halves: str) -> pd.DataFrame:
        """Returns the paper's Table 1 for one kind of halves, with the ranges that differ in n of this study."""
        tuned = self.plain(halves)
        blocks = tuned.loc[tuned["treatment"].isin(["AnB+", "BnB+"]), "n"]
        starts = dict.fromkeys(max(first, int(blocks.min())) for first, _ in boosts.RANGES)
        most = int(blocks.max())
        found = boosts.boosts(tuned, tuple((first, most) for first in starts if first <= most))
        same = found.duplicated([*boosts.BY, "transfer_n", "control_n"])
        return found[found["transfers"].gt(0) & ~same]

    @property
    def has_boosts(self) -> list[str]:
        """The kinds of halves with fine-tuned transfer and bases."""
        return [
            kind
            for kind in self.halves
            if are_halves(kind)
            and {"AnB+", BASE} <= set(self.plain(kind)["treatment"])
            and self.plain(kind)["n"].max() >= 1
        ]

    @property
    def records(self) -> Sequence[Record]:
        """The records; none for the paper."""
        return self.study.records if self.study else ()

    @functools.cached_property
    def making(self) -> list[tuple[str, str]]:
        """The origin of the report and its networks: pairs of a name and a text."""
        rows = [("report", self.command), ("versions", _spoken(_own_versions()))]
        if self.is_paper:
            return [
                *rows,
                (
                    "networks",
                    "trained by the paper's authors with Caffe; 450,000 steps each, 200,000 with fewer images",
                ),
            ]
        rows += [("networks' versions", text) for text in _distinct(self.records, "versions", _spoken)]
        rows += [("networks' machine", text) for text in _distinct(self.records, "machine", _machine)]
        hours = sum(float(record.content["cost"].get("seconds") or 0) for record in self.records) / 3600
        rows.append(
            ("training", f"{hours:.2f} hours in total" if hours >= 0.1 else f"{3600 * hours:.0f} seconds in total")
        )
        given = [(str(record.content.get("command", "")), record.identity) for record in self.records]
        shown = list(dict.fromkeys(commands.complete(text, identity) for text, identity in given if text))
        rows += [("command", text) for text in shown[:_COMMANDS]]
        more = len(shown) - _COMMANDS
        return rows + ([("more", f"{more} other commands, in the records")] if more > 0 else [])


def collect(study: str, argv: Sequence[str], overlay: bool = False) -> Report:
    """Reads a study.

    Args:
        study: A folder, or "paper".
        argv: Options of this report, for its own command line.
        overlay: Whether to add the paper's networks.

    Raises:
        ValueError: If there is no such study.
    """
    command = shlex.join(["python", "-m", "tftransfer.report", *argv])
    papers = analysis.networks(paper.NAME) if overlay else None
    if study == paper.NAME:
        return Report("How transferable are features in deep neural networks? (2014)", analysis.networks(study), None,
                      command, papers)  # fmt: skip
    found = study_lib.read(pathlib.Path(study))
    return Report(found.folder.resolve().name, analysis.networks(found), found, command, papers)


def _own_versions() -> dict[str, str]:
    return {"tftransfer": tftransfer.__version__} | environment.versions_of(PACKAGES)


def _distinct(found: Sequence[Record], part: str, text: Any) -> list[str]:
    """Returns the different values of a part of the records, as texts."""
    return list(dict.fromkeys(text(record.content[part]) for record in found if record.content.get(part)))


def _spoken(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [machine.get("processor"), f"{machine.get('cores')} cores", f"{machine.get('memory_gib')} GiB"]
    return ", ".join(str(part) for part in [*parts, machine.get("system"), machine.get("strategy")] if part)
