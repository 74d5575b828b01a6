"""The options of `python -m tftransfer.sweep`, and the study, grids and networks that they describe."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tftransfer.cli.options import COMMAND, MACHINE, RECIPE, SPLIT, at_least, no_nul, option, plain_name, within
from tftransfer.experiment import grids, pairs, splits, treatments
from tftransfer.experiment.config import BASES, BUDGETS, Config
from tftransfer.experiment.grids import Grid
from tftransfer.experiment.plan import Cell

RUNNERS = {"local": "processes on this machine", "ray": "tasks of a Ray cluster (extra ray)"}
_AXES = tuple(field.name for field in dataclasses.fields(Grid))


def _axis(default: str, help_: str) -> str:
    return option(default, COMMAND, help_)


@dataclasses.dataclass(frozen=True)
class SweepConfig(Config):
    """The options of `python -m tftransfer.sweep`."""

    treatments: str = _axis("", "as written for target B, with commas: base, BnB, AnB, BnB+, AnB+, RnB, SnB")
    policies: str = _axis(
        "", "policies, with commas: one decision per block, k keep, t tune, n new, d drop, as in k7n1,k4d3n1,t*n1; "
        "blocks come from A, training is on B",
    )  # fmt: skip
    n: str = _axis("", "numbers of copied blocks, as in 1-3,7; or names of blocks; or all")
    targets: str = _axis(
        "",
        "halves to train on: A, B, and all, which is all classes (for base, RnB, SnB); empty: A,B, or B alone where "
        "A and B are not halves",
    )  # fmt: skip
    base: str = option(
        "auto", COMMAND, "whether bases of the targets, from scratch, are trained to compare with; auto: yes, but no "
        "where pretrained weights meet all classes of the data set", choices=BASES,
    )  # fmt: skip
    split_seeds: str = _axis("0", "seeds of random splits into halves, as in 0-3")
    seeds: str = _axis("0", "seeds of the networks, as in 0-4")
    images_per_class: str = _axis("0", "train on the first k images of each class alone, as in 10,100; 0: on all")
    preserve: str = _axis("0", "numbers of blocks above the n frozen ones that are copied and fine-tuned, as in 0,2")
    release_step: str = _axis("0", "steps at which preserved blocks begin to train, as in 0,500; 0: at once")
    cells: tuple = option(
        (), COMMAND, 'one more grid, as in "treatments=AnB n=1-7", with the axes above; may be repeated'
    )
    budget: str = option(
        "equal_steps", COMMAND, "equal_total adds bases trained as long as source and target together", choices=BUDGETS
    )
    retry_failed: bool = option(False, COMMAND, "train networks again that failed or diverged in an earlier sweep")
    dry_run: bool = option(False, COMMAND, "print the number of networks, what is done, hours and disk, then stop")
    status: bool = option(False, COMMAND, "print the progress of the study, or of --study=NAME or FOLDER, then stop")
    version: bool = option(False, COMMAND, "print the version, then stop")
    split_seed: int = option(0, SPLIT, "not in a sweep: use --split_seeds", within(0, 2**32))
    seed: int = option(0, RECIPE, "not in a sweep: use --seeds", within(0, 2**31))
    group_size: int = option(
        0, MACHINE, "networks that train together in a group, at most; 0: as many as memory holds", at_least(0)
    )
    workers: int = option(
        0, MACHINE, "groups that train at a time; 0: one for each GPU, or for each machine", at_least(0)
    )
    runner: str = option(
        "local", MACHINE, "local: this machine trains; ray: a Ray cluster, docs/ray.md", choices=RUNNERS
    )
    ray_address: str = option("", MACHINE, "--runner=ray: HOST:PORT of the cluster; empty: the one that runs here")
    study: str = option(
        "", MACHINE, "name of the study's folder; empty: made from data, model, split and recipe", no_nul
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        super().__post_init__()
        expected = None if self.status or not self.study else plain_name(self.study)
        if expected:
            raise ValueError(f"Bad --study (name of the study's folder). Expected {expected}. Received: {self.study!r}")

    def common(self) -> dict[str, Any]:
        """Returns the options that all networks share, as `Config` takes them; axes of the grid have their defaults."""
        return {name: value for name, value in self.shared().items() if name not in _AXES}


def study_folder(options: SweepConfig, given: set[str]) -> pathlib.Path:
    """Returns the folder of the study that the options describe; with `status`, `study` may also be a path."""
    runs = pathlib.Path(options.runs_dir)
    if options.status and options.study:
        path, below = pathlib.Path(options.study), runs / options.study
        is_name = plain_name(options.study) is None
        return below if below.is_dir() or (is_name and not path.is_dir()) else path.absolute()
    kinds = [] if options.status else [grid.split for grid in grids_of(options, given)]
    return runs / options.study_name("-".join(dict.fromkeys(kinds)).replace(",", "-"))


def grids_of(options: SweepConfig, given: set[str]) -> list[Grid]:
    """Returns the grids that the options describe.

    Args:
        options: The options.
        given: Names of the options that the user gave.

    Raises:
        ValueError: If there is no grid, or options contradict each other.
    """
    for one, many in (("seed", "seeds"), ("split_seed", "split_seeds")):
        if one in given:
            raise ValueError(f"In a sweep say --{many}, a list as in 0-3. Received: --{one}={getattr(options, one)}")
    if options.ray_address and options.runner != "ray":
        raise ValueError(f"--ray_address needs --runner=ray. Received: --runner={options.runner}")
    options.refuse_unused(given)
    if "n" in given and not (options.treatments or options.cells):
        raise ValueError(f"--n goes with --treatments; a policy decides on every block. Received: --n={options.n}")
    defaults = {axis: getattr(options, axis) for axis in _AXES}
    defaults["targets"] = defaults["targets"] or ("B" if options.split == splits.WHOLE else "A,B")
    if options.cells:
        return [grids.read(text, defaults) for text in options.cells]
    if not (options.treatments or options.policies):
        raise ValueError(
            f"Which networks? Expected --treatments with some of {', '.join(_roles())}, --policies, or --cells. "
            f"Received none."
        )
    return [Grid(**defaults)]


def _roles() -> list[str]:
    """Returns the names of the treatments for target B."""
    return [name for name in treatments.TREATMENTS if name == "base" or treatments.parse(name, 1).target == "B"]


def cells_of(
    options: SweepConfig,
    asked: Sequence[Grid],
    names: Sequence[str],
    kinds: Sequence[str | None],
    blocks: Sequence[str] | None = None,
    pretrained: str = "",
) -> list[Cell]:
    """Returns the networks of some grids with the bases that they copy from.

    Args:
        options: The options that the networks share.
        asked: The grids.
        names: Names of the classes.
        kinds: Kind of each class, natural or man-made, None if it is not known.
        blocks: Names of the model's blocks, None if they are not known yet.
        pretrained: SHA-256 of the file of --pretrained, which stands in for the bases that networks copy from.

    Raises:
        ValueError: If there are no such networks, none of them copies from the file, or `release_step` has no use.
    """
    common = Config(**options.common())

    def split_of(kind: str, split_seed: int) -> splits.Split:
        return pairs.split_of(options, names, kinds, kind, split_seed)

    if pretrained and options.budget == "equal_total":
        raise ValueError(
            "--budget=equal_total trains a base as long as source and target together, and how long the weights of "
            "--pretrained were trained is not known. Leave one of them out."
        )
    compared = options.trains_base(options.base)
    cells = grids.union(asked, common, split_of, options.budget == "equal_total", blocks, compared, pretrained)
    if options.release_step != "0" and not any(cell.treatment.release_step for cell in cells):
        raise ValueError(
            f"--release_step says when preserved blocks train: it needs --preserve. Received: {options.release_step}"
        )
    if pretrained and not any(cell.treatment.pretrained for cell in cells):
        raise ValueError(
            f"--pretrained stands in the place of a base that is copied from, so it goes with AnB, AnB+, --policies "
            f"and the like. Received: --treatments={options.treatments}"
        )
    return cells
