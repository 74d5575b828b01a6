"""The numbers of a study that the tab draws; a record is read again only when it has changed."""

import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from tftransfer.analysis import differences, families, frames, intervals
from tftransfer.analysis.frames import BASE
from tftransfer.experiment.treatments import variant
from tftransfer.records import record_files
from tftransfer.system import escaping
from tftransfer.tensorboard_plugin.folders import Study

# Networks that differ in these are never in one picture.
PICTURE = ("recipe", "halves", "images_per_class")
# Those that differ in these are lines of their own.
LINE = ("treatment", "preserve", "release_step")

Row = dict[str, Any]


class Curves:
    """Reads the records of one study, again and again."""

    def __init__(self) -> None:
        self._rows: dict[pathlib.Path, tuple[str, Row | None, str]] = {}
        self._seen: dict[pathlib.Path, str] | None = None
        self._answer: dict[str, Any] = {}
        self.steps: int | None = None
        """Steps that every network of the study had, if it was the same number for all."""

    def read(self, study: Study) -> dict[str, Any]:
        """Returns the study's charts and the records that are not shown or count in no mean.

        Returns:
            `pictures`: for each set of comparable networks (`label`), its `curves` (treatment, points by n), `bases`
            (levels) and `chance`. `problems`: sentences, one per record that is not shown; `excluded`: one per network
            that counts in no mean. `finished`: number of networks shown. Scores are fractions, 0 to 1; unknown ones
            None.
        """
        if self._seen != study.records:
            self._rows = {path: self._row(path, seen) for path, seen in study.records.items()}
            self._answer = self._numbers()
            self._seen = dict(study.records)
        return self._answer | {"problems": [*self._answer["problems"], *study.refused]}

    def _row(self, path: pathlib.Path, seen: str) -> tuple[str, Row | None, str]:
        """Returns a network's row, or why its record cannot be used."""
        known = self._rows.get(path)
        if known and known[0] == seen:
            return known
        try:
            record = record_files.read(path)
            return seen, frames.row(record) if record else None, ""
        except Exception as error:  # a foreign file may fail in any way, and must not hide the others
            return seen, None, _reason(path, error)

    def _numbers(self) -> dict[str, Any]:
        try:
            frame, effects = _analysed(self._known())
        except Exception:  # at least one is of another kind: find out which, and do without
            self._refuse_foreign()
            frame, effects = _analysed(self._known())
        steps = set(frame.loc[~frame["treatment"].str.startswith(f"{BASE}-"), "steps"].dropna())
        self.steps = int(steps.pop()) if len(steps) == 1 else None
        apart = frame[frame["excluded"].ne("")]
        return {
            "finished": len(frame),
            "pictures": _pictures(frame, effects),
            "problems": [problem for _, _, problem in self._rows.values() if problem],
            "excluded": [
                f"{escaping.tensorboard(name)}: {why}"
                for name, why in zip(apart["name"], apart["excluded"], strict=True)
            ],
        }

    def _known(self) -> list[Row]:
        return [row for _, row, _ in self._rows.values() if row]

    def _refuse_foreign(self) -> None:
        """Replaces each row that cannot be analysed by the reason."""
        for path, (seen, row, _) in self._rows.items():
            try:
                _analysed([row] if row else [])
            except Exception as error:
                self._rows[path] = (seen, None, _reason(path, error))


def _analysed(rows: Iterable[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = frames.frame(rows)
    return frame, differences.effects(frame)


def _reason(path: pathlib.Path, error: Exception) -> str:
    """Returns a sentence on a record that cannot be used."""
    if isinstance(error, ValueError | OSError) and str(path) in str(error):
        return escaping.tensorboard(error, escaping.MOST_OF_TEXT)
    kind = type(error).__name__
    text = f"The record {path / record_files.RECORD} is not of this version of tftransfer ({kind}: {error})."
    return escaping.tensorboard(text, escaping.MOST_OF_TEXT)


def _pictures(frame: pd.DataFrame, effects: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns a chart for each set of comparable networks, the largest first."""
    telling = [column for column in PICTURE if effects[column].nunique() > 1]
    fine = frame[frame["excluded"].eq("")]
    spread = {key: intervals.accuracy_of(group) for key, group in fine.groupby(list(differences.GROUPED_BY))}
    pictures = []
    for values, group in effects.groupby(list(PICTURE), sort=True):
        own = fine[(fine[list(PICTURE)] == list(values)).all(axis=1)]
        others = own[~own["treatment"].str.startswith(BASE)]
        described = dict(zip(PICTURE, values, strict=True))
        curves = group[~group["treatment"].str.startswith(BASE)]
        pictures.append(
            {
                "label": ", ".join(escaping.tensorboard(_words(column, described[column])) for column in telling)
                or "all networks",
                "networks": len(own),
                "chance": _number((others if len(others) else own)["chance"].mean()),
                "bases": _bases(own),
                "curves": _lines(curves, spread),
            }
        )
    return sorted(pictures, key=lambda picture: (-picture["networks"], picture["label"]))


def _words(column: str, value: Any) -> str:
    """Returns the common property of the networks of a chart, in words."""
    if column == "images_per_class":
        return f"{value} images per class" if value else "all images"
    if column == "recipe":
        return f"recipe {value}"
    if not families.are_halves(str(value)):
        return families.of_classes(str(value))
    return "all classes" if value == "all" else f"{value} halves"


def _bases(networks: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the levels of the bases; of the standard ones, only those that other networks are compared with."""
    kinds, used = networks["treatment"], list(frames.PAIRED_BY)
    others = pd.MultiIndex.from_frame(networks.loc[~kinds.str.startswith(BASE), used])
    needed = ~kinds.eq(BASE) | pd.MultiIndex.from_frame(networks[used]).isin(others)
    chosen = networks[kinds.str.startswith(BASE) & (needed | (not len(others)))]
    return [
        {"label": kind, "networks": len(group)}
        | {"top1": _interval(intervals.accuracy_of(group))}
        | {"minus_base": _interval(intervals.mean_of(group, "minus_base"))}
        for kind, group in chosen.groupby("treatment", sort=True)
    ]


def _lines(effects: pd.DataFrame, spread: Mapping[tuple, intervals.Interval]) -> list[dict[str, Any]]:
    """Returns the lines of a picture, each with its points from the input upwards.

    `treatment` does not include the digest of pretrained weights; `plain` lines look the same in all charts. `meaning`
    is in words what the label of a policy says, "" for the paper's treatments.
    """
    lines = []
    for (treatment, preserve, release_step), group in effects.groupby(list(LINE), sort=True):
        kind = str(group["halves"].iloc[0])
        stages = variant(preserve=preserve, release_step=release_step)
        family, foreign, digits = escaping.tensorboard(treatment).partition("-w")
        label = f"{family} of weights {digits}" if foreign else family
        points = [_point(row, spread) for row in group.sort_values("n").to_dict("records")]
        plain = not (foreign or stages or families.is_policy(family))
        lines.append(
            {"label": ", ".join(filter(None, [label, stages])), "treatment": family, "plain": plain, "points": points}
            | {"meaning": escaping.tensorboard(families.explained(str(treatment), kind), escaping.MOST_OF_TEXT)}
        )
    return lines


def _point(row: Mapping[str, Any], spread: Mapping[tuple, intervals.Interval]) -> dict[str, Any]:
    top1 = spread[tuple(row[column] for column in differences.GROUPED_BY)]
    return {
        "n": int(row["n"]),
        "networks": int(row["networks"]),
        "pairs": int(row["pairs"]),
        "top1": _interval(top1) | {"value": _number(row["top1"])},
        "minus_base": {name: _number(row[key]) for name, key in _MINUS_BASE.items()},
        "over": f"{row['clusters']} {row['over']}" if row["over"] else "",
    }


_MINUS_BASE = {"value": "minus_base", "low": "low", "high": "high"}


def _interval(interval: intervals.Interval) -> dict[str, float | None]:
    """Returns a mean with its interval."""
    return {"value": _number(interval.mean), "low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    """Returns a number, or None, as JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
