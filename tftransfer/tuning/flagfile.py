"""The best recipe as a file of options, with a header that says where it comes from."""

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
    """Where a recipe comes from.

    Attributes:
        file: Path of the file, as a user would type it.
        target: The half.
        tuner: Who proposed, with its version.
        choices: What was tried.
        trials: All trials.
        held_out: Number of images that recipes were scored on.
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
        best: The trial that found it.
        origin: Where it comes from.
    """
    return "\n".join([*_header(config, best, origin), *options(config)]) + "\n"


def options(config: Config) -> list[str]:
    """Returns the options of a recipe: data set, tuned ones, and what else is not at its default."""
    lines = []
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        always = field.name in ("dataset", *space.TUNED)
        wanted = field.metadata["section"] in _SECTIONS and field.name not in PATHS and value != field.default
        if always or wanted:
            lines.append(f"--{field.name}={_exact(value)}")
    return lines


def command(config: Config, origin: Origin) -> str:
    """Returns the command that trains the base with the recipe, but for paths of this machine."""
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
        f"Cost      search {budget.spoken(spent)} on {machine['cores']} cores, {machine['processor']}; this recipe "
        f"{budget.spoken(best.seconds)} of it, on four fifths of the training images",
        f"Expected  top-1 {100 * best.top1:.1f} % (standard error {spread:.1f}) on {origin.held_out} held-out training "
        f"images, flattered by being the best; the starting recipe: {default}. Validation images were never seen.",
        f"Space     {tried}",
        f"Trials    {count[OK]} ended well, {count[DIVERGED]} diverged, {count[FAILED]} failed; this is number "
        f"{best.number}; proposed by {origin.tuner}",
    ]
    return [f"# {line}" for line in lines]


def standard_error(share: float, images: int) -> float:
    """Returns the standard error of a share of right answers, by the binomial distribution."""
    return math.sqrt(share * (1 - share) / images)


def _exact(value: Any) -> str:
    """Returns a value so that it reads back as it was."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
