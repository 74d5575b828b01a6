"""What an advice has found out so far, kept in a file, so that a call that was killed goes on where it was."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from tftransfer.system import atomic, untrusted_files


@dataclasses.dataclass(frozen=True)
class Result:
    """The score of a training at one step.

    Attributes:
        candidate: Its name.
        fold: Fold that was held out.
        seed: Seed of the training.
        step: Steps done.
        steps: Steps of the whole training.
        rate: Factor on the recipe's learning rate.
        correct: Whether each held-out image was classified correctly, as hexadecimal digits of packed bits.
        images: Number of held-out images.
        seconds: Spent on this training up to here.
        features: Whether it was trained from features that were computed once.
        diverged: Whether its loss is no longer finite.
    """

    candidate: str
    fold: int
    seed: int
    step: int
    steps: int
    rate: float
    correct: str
    images: int
    seconds: float
    features: bool = False
    diverged: bool = False

    @property
    def mask(self) -> np.ndarray:
        """Whether each held-out image was classified correctly, bool `(images,)`."""
        bits = np.frombuffer(bytes.fromhex(self.correct), np.uint8)
        return np.unpackbits(bits, count=self.images).astype(bool)

    @property
    def top1(self) -> float:
        """Fraction of the held-out images that it classifies correctly."""
        return float(self.mask.mean())


def packed(correct: np.ndarray) -> str:
    """Returns booleans as hexadecimal digits of packed bits."""
    return np.packbits(correct).tobytes().hex()


class State:
    """The findings of an advice, written after each.

    Args:
        folder: Folder of the advice.
        key: Hash of all that decides its findings: those of another key are left alone, and not used.

    Attributes:
        seconds: Spent by all calls until the last finding.
        facts: What is not a score, such as the plan, by name.
        results: All scores, in the order in which they were found.
        others: Files with findings of other keys.

    Raises:
        ValueError: If the file holds no findings.
    """

    def __init__(self, folder: pathlib.Path, key: str) -> None:
        self._path, self.key = folder / f"state-{key[:8]}.json", key
        self.others = sorted(path for path in folder.glob("state-*.json") if path != self._path)
        self.seconds = 0.0
        self.facts: dict[str, Any] = {}
        self.results: list[Result] = []
        content = self._read()
        try:
            if content:
                self.seconds, self.facts = float(content["seconds"]), dict(content["facts"])
                self.results = [Result(**one) for one in content["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self._path} does not hold the findings of an advice: {error!r}. Delete it to begin anew."
            ) from error

    def _read(self) -> dict[str, Any] | None:
        if not self._path.is_file():
            return None
        content = untrusted_files.read_json(self._path)
        if not isinstance(content, dict) or content.get("key") != self.key:
            return None
        return content

    @property
    def resumed(self) -> bool:
        """Whether an earlier call has found out something."""
        return bool(self.facts or self.results)

    def find(self, candidate: str, fold: int, seed: int, step: int, rate: float) -> Result | None:
        """Returns the result of a training at a step, None if there is none yet."""
        wanted = (candidate, fold, seed, step, rate)
        return next((r for r in self.results if (r.candidate, r.fold, r.seed, r.step, r.rate) == wanted), None)

    def last(self, candidate: str, fold: int, seed: int, rate: float) -> Result | None:
        """Returns the newest result of a training, None if there is none yet."""
        wanted = (candidate, fold, seed, rate)
        own = [r for r in self.results if (r.candidate, r.fold, r.seed, r.rate) == wanted]
        return max(own, key=lambda r: r.step, default=None)

    def add(self, result: Result, seconds: float) -> None:
        """Adds a result, and writes the file; `seconds` are those of all calls so far."""
        self.results.append(result)
        self.write(seconds)

    def remember(self, seconds: float, **facts: Any) -> None:
        """Adds facts, such as the plan, and writes the file."""
        self.facts |= facts
        self.write(seconds)

    def write(self, seconds: float) -> None:
        """Writes the file."""
        self.seconds = seconds
        results = [dataclasses.asdict(one) for one in self.results]
        content = {"key": self.key, "seconds": seconds, "facts": self.facts, "results": results}
        atomic.write_text(self._path, json.dumps(content) + "\n")
