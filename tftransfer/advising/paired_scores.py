"""Scores of candidates by fold and seed: those of one fold and seed are paired, and missing ones are normal."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of candidates, paired by fold and seed.

    Attributes:
        names: Of the candidates.
        top1: Top-1 on the held-out images of a fold, `(candidates, folds, seeds)`, 0 to 1; NaN where nothing was
            trained. A network that diverged has a score, that of chance: missing scores may only be those that were not
            asked for, or that a rule saw no point in.
        families: The family of each candidate, such as "keep, tune the rest". All of one family if it is empty.
        depths: The place of each candidate on its family's line of cuts, a fraction of the network's depth or cost,
            `(candidates,)`, 0 to 1; NaN for candidates on no line. None if there are no lines.
    """

    names: tuple[str, ...]
    top1: np.ndarray
    families: tuple[str, ...] = ()
    depths: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.top1.ndim != 3 or len(self.top1) != count:
            raise ValueError(f"Expected scores (candidates, folds, seeds) of {count} candidates: {self.top1.shape}.")
        if len(set(self.names)) < count:
            raise ValueError(f"Expected a name of its own for each candidate. Received: {self.names}.")
        if self.families and len(self.families) != count:
            raise ValueError(f"Expected one family for each of {count} candidates. Received: {self.families}.")
        if self.depths is not None and self.depths.shape != (count,):
            raise ValueError(f"Expected one depth for each of {count} candidates. Received: {self.depths}.")
        if self.depths is not None and ((self.depths < 0) | (self.depths > 1)).any():
            raise ValueError(f"Expected depths from 0 to 1, or NaN. Received: {self.depths}.")
        if ((self.top1 < 0) | (self.top1 > 1)).any():
            raise ValueError("Expected scores from 0 to 1, or NaN where there is none.")

    @property
    def present(self) -> np.ndarray:
        """Which scores are there, `(candidates, folds, seeds)`, bool."""
        return np.isfinite(self.top1)

    def of(self, chosen: Sequence[int]) -> "PairedScores":
        """Returns the scores of some candidates, given by their positions, in that order."""
        return PairedScores(
            tuple(self.names[i] for i in chosen),
            self.top1[list(chosen)],
            tuple(self.families[i] for i in chosen) if self.families else (),
            None if self.depths is None else self.depths[list(chosen)],
        )


def from_rows(
    rows: Iterable[tuple[str, int, int, float]],
    names: Sequence[str],
    families: Sequence[str] = (),
    depths: Sequence[float] | None = None,
) -> PairedScores:
    """Returns the scores of a list of trainings.

    Args:
        rows: Candidate, fold, seed and top-1 of each training, in any order; folds and seeds count from 0.
        names: Of all candidates, also of those without a training.
        families: As in `PairedScores`.
        depths: As in `PairedScores`.

    Raises:
        ValueError: If one fold and seed has two scores of a candidate, or a candidate is unknown.
    """
    rows = list(rows)
    place = {name: i for i, name in enumerate(names)}
    unknown = {row[0] for row in rows} - set(place)
    if unknown:
        raise ValueError(f"Expected scores of {', '.join(names)}. Received also: {', '.join(sorted(unknown))}.")
    folds, seeds = (1 + max((row[i] for row in rows), default=0) for i in (1, 2))
    top1 = np.full((len(names), folds, seeds), np.nan)
    for name, fold, seed, score in rows:
        if np.isfinite(top1[place[name], fold, seed]):
            raise ValueError(f"Expected one score of {name} in fold {fold} with seed {seed}. Received: two.")
        top1[place[name], fold, seed] = score
    return PairedScores(tuple(names), top1, tuple(families), None if depths is None else np.asarray(depths, float))
