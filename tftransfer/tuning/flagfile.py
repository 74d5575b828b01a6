"""The best recipe as a flagfile, with a header on its origin: command, cost, expected score, trials."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from tftransfer.cli.options import DATA, MODEL, RECIPE, SPLIT
from tftransfer.experiment.config import Config
from tftransfer.system import environment
from tftransfer.tuning import budget, space
from tftransfer.tuning.space import Choices
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Trial

_SECTIONS = (DATA, SPLIT, MODEL, RECIPE)
PATHS = ("data_dir", "split_file")  # of this machine: given beside the file


@dataclasses.dataclass(frozen=True)
class Origin:
    """The origin of a recipe.

    Attributes:
        file: Path of the file, as a user would type it.
        target: The half that was searched.
        tuner: The tuner that proposed recipes, with its version.
        choices: The values that were tried.
        trials: All trials.
        held_out: Number of held-out images that recipes were scored on.
    """

    file: str
    target: str
    tuner: str
    choices: Choices
    trials: Sequence[Trial]
    held_out: int


def text(config: Config, best: Trial, origin: Origin) -> str:
    """Returns the flagfile of the best recipe.

    Args:
        config: The recipe, for the whole training half.
        best: The trial with this recipe.
        origin: Its origin.
    """
    return "\n".join([*_header(config, best, origin), *options(config)]) + "\n"


def options(config: Config) -> list[str]:
    """Returns the options of a recipe: data set, tuned ones, and others that are not at their defaults."""
    lines = []
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        always = field.name in ("dataset", *space.TUNED)
        changed = field.metadata["section"] in _SECTIONS and field.name not in PATHS and value != field.default
        if always or changed:
            lines.append(f"--{field.name}={_exact(value)}")
    return lines


def command(config: Config, origin: Origin) -> str:
    """Returns the command that trains the base with the recipe, with placeholders for paths of this machine."""
    words = ["python -m tftransfer.run", f"--flagfile={origin.file}", f"--treatment=base --target={origin.target}"]
    words += [f"--{name}={name.upper()}" for name in PATHS if getattr(config, name)]
    return " ".join(words)


def _header(config: Config, best: Trial, origin: Origin) -> list[str]:
    count = {status: sum(t.status == status for t in origin.trials) for status in (OK, DIVERGED, FAILED)}
    first = next((trial for trial in origin.trials if trial.number == 1), None)
    default = f"{100 * first.top1:.1f} %" if first and first.status == OK else "none, it did not end well"
    machine = environment.machine()
    spread = 100 * standard_error(best.top1, origin.held_out)
    spent = sum(trial.seconds for trial in origin.trials)
    tried = "; ".join(f"{name} {' '.join(_exact(v) for v in origin.choices[name])}" for name in reversed(space.TUNED))
    lines = [
        f"Recipe of the base network of half {origin.target} of {config.dataset}, the best of "
        f"{len(origin.trials)} that python -m tftransfer.tune tried.",
        f"Command   {command(config, origin)}",
        f"Cost      search {budget.duration(spent)} on {machine['cores']} cores, {machine['processor']}; this recipe "
        f"{budget.duration(best.seconds)} of it, on four fifths of the training images",
        f"Expected  top-1 {100 * best.top1:.1f} % (standard error {spread:.1f}) on {origin.held_out} held-out training "
        f"images, optimistic as it is the best of all; the starting recipe: {default}. Validation images were never "
        "used.",
        f"Space     {tried}",
        f"Trials    {count[OK]} ended well, {count[DIVERGED]} diverged, {count[FAILED]} failed; this is number "
        f"{best.number}; proposed by {origin.tuner}",
    ]
    return [f"# {line}" for line in lines]


def standard_error(top1: float, images: int) -> float:
    """Returns the standard error of a top-1 accuracy, 0 to 1, by the binomial distribution."""
    return math.sqrt(top1 * (1 - top1) / images)


def _exact(value: Any) -> str:
    """Returns a value as text that reads back exactly."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
