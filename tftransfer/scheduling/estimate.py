"""The cost of a sweep: hours, from speeds that were measured on this machine, and disk."""

import collections
import dataclasses
from collections.abc import Sequence

from tftransfer.experiment import plan
from tftransfer.experiment.plan import Cell
from tftransfer.models import alexnet_tables
from tftransfer.scheduling import jobs, speeds
from tftransfer.scheduling.speeds import BASE, FROZEN, LOCKSTEP

# Record, events and diagnostics of a network; measured 40 to 90 kB with 7 to 50 evaluations.
_RECORD_BYTES = 100_000


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The cost of a sweep.

    Attributes:
        hours: On this machine; None if its speed was never measured.
        upper: True if some networks were counted as whole ones because their own kind was never measured.
        disk_bytes: Of records and kept weights; None if the model's size is not known without building it.
    """

    hours: float | None
    upper: bool
    disk_bytes: int | None


def estimate(cells: Sequence[Cell], per_class: Sequence[int] | None, workers: int, keep_best: bool = False) -> Estimate:
    """Returns the cost of networks that are still to be trained.

    Args:
        cells: The networks.
        per_class: Training images of each class of the data set, None if not known.
        workers: Groups that train at a time.
        keep_best: True if the weights of the best network of each half are kept.
    """
    disk = 0
    best = {(cell.split.name, cell.treatment.target): cell.name for cell in cells if not cell.treatment.is_base}
    for cell in cells:
        kept = cell.treatment.is_reference or cell.config.keep_weights or (keep_best and cell.name in best.values())
        size = alexnet_tables.parameters(cell.config.architecture, len(cell.classes)) if kept else 0
        disk = None if disk is None or size is None else disk + 4 * size + _RECORD_BYTES
    seconds, upper = 0.0, False
    groups: dict[tuple, list[Cell]] = collections.defaultdict(list)
    for cell in cells:
        groups[jobs.group_key(cell)].append(cell)
    for group in groups.values():
        cost = _seconds(group, per_class)
        if cost is None:
            return Estimate(None, False, disk)
        seconds, upper = seconds + cost[0], upper or cost[1]
    return Estimate(seconds / workers / 3600, upper, disk)


def _seconds(group: Sequence[Cell], per_class: Sequence[int] | None) -> tuple[float, bool] | None:
    """Returns the seconds of one group, and whether they are an upper bound; None if nothing was measured."""
    config = group[0].config
    known = speeds.known(config)
    if known is None or BASE not in known.seconds_per_step or (per_class is None and not config.steps):
        return None
    whole = known.seconds_per_step[BASE]
    shared = known.seconds_per_step.get(LOCKSTEP)
    alone = known.seconds_per_step.get(FROZEN)
    frozen = shared if len(group) > 1 and shared else alone
    upper = frozen is None and any(cell.treatment.frozen for cell in group)
    per_step = sum((frozen or whole) if cell.treatment.frozen else whole for cell in group)
    steps = group[0].training_config(per_class).steps if group[0].treatment.longer_by and per_class is not None else 0
    steps = steps or config.steps or config.train_steps(plan.training_images(group[0], per_class))
    return steps * per_step + max(known.start_seconds.values(), default=0.0), upper
