"""Measures the speed of a recipe on this machine, before a long study.

    python -m tftransfer.bench --time_budget=5m

Takes the options of `run`. Options are checked before TensorFlow is loaded, in processes of their own.
"""

import dataclasses
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.benchmarking import cases, measuring
from tftransfer.benchmarking.measuring import Measured
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, option
from tftransfer.data import datasets
from tftransfer.experiment import image_options, splits
from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.scheduling import speeds
from tftransfer.system import caller, environment, escaping
from tftransfer.tuning import budget

_USAGE = """
usage: python -m tftransfer.bench [--time_budget=5m] [options of run]

Measures the speed of a recipe on this machine: of a base, of a network with frozen blocks and of a group in lockstep,
how long they take to start, whether training waits for images, which fraction of the speed of matrix products it
reaches, and whether two replicas train the same network as one. Images are those of the data set if it was prepared,
else drawn ones of its size. The speeds are kept in --cache_dir, for estimates in hours.
"""
_LEAST_SECONDS = 60
_SECONDS_FOR_REPLICAS = 0.2  # fraction of the time


@dataclasses.dataclass(frozen=True)
class BenchConfig(Config):
    """The options of `python -m tftransfer.bench`."""

    time_budget: str = option("5m", COMMAND, "time of all measurements, at least 60s: 90s, 5m, 1h", budget.expected)

    def __post_init__(self) -> None:
        """Checks the options of `run`, then the time."""
        super().__post_init__()
        if self.seconds < _LEAST_SECONDS:
            raise ValueError(
                f"--time_budget is too short to start three networks. Expected at least {_LEAST_SECONDS}s. "
                f"Received: {self.time_budget}"
            )

    @property
    def seconds(self) -> float:
        """The time budget in seconds."""
        return budget.seconds_of(self.time_budget)

    def recipe_config(self) -> Config:
        """Returns the options that `run` has as well."""
        return Config(**self.shared())


def _blocks(recipe: Config, given: set[str]) -> int:
    """Returns the number of blocks of the model, which is built only if need be."""
    catalog.check_reachable(recipe.model)
    blocks = catalog.blocks_of(recipe.model, recipe.blocks)
    if blocks is None:
        with command_line.suppress_stderr():
            from tftransfer.training import trainer

        blocks = trainer.checked_blocks(recipe, given)
    return len(blocks)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, given = command_line.parse(BenchConfig, argv, _USAGE)
    options.refuse_unused(given)
    options.refuse_pretrained()
    options = image_options.resolve(options, escaping.say)
    names, kinds = datasets.describe_classes(options.dataset, options.data_dir or None)
    splits.make(options.split, names, kinds, options.split_seed, options.split_file or None)
    recipe = options.recipe_config()
    speeds.check_writable(recipe)
    load_before = measuring.load()
    chosen = cases.chosen(recipe, options.seconds, _blocks(recipe, given))
    found = measuring.measure(recipe, chosen, options.seconds * (1 - _SECONDS_FOR_REPLICAS), _say)
    _say("1 and 2 replicas: training the same network")
    equal = measuring.replicas(recipe, options.seconds * _SECONDS_FOR_REPLICAS)
    for measured in found:
        _remember(recipe, measured, equal)
    escaping.say(_table(recipe, found, equal, (load_before, measuring.load())))
    if all(measured.error for measured in found):
        escaping.say("python -m tftransfer.bench: nothing was measured; a longer --time_budget may help", sys.stderr)
        return command_line.EXIT_FAILED
    images = {each.case.text: each.images_per_second(recipe.batch_size)[0] for each in found if not each.error}
    caller.result(images_per_second=images)
    escaping.say(f"kept       {speeds.path_of(recipe)}")
    return 0


def _remember(recipe: Config, measured: Measured, equal: dict[str, Any]) -> None:
    """Keeps the measurements of one case."""
    if measured.error:
        return
    details = {
        "turns": measured.turns,
        "compile_seconds": measured.compile_seconds,
        "fraction_of_matmul": measured.fraction_of_peak(recipe.batch_size),
        "waiting": measured.median("waiting"),
        "peak_memory_mb": measured.peak_memory_mb,
        "device": measured.device,
        "drawn_images": measured.drawn,
        "replicas": equal,
    }
    networks = len(measured.case.frozen)
    seconds = measured.median("seconds_per_step")
    speeds.remember(recipe, measured.case.kind, seconds, networks, measured.start_seconds, details)


def _table(recipe: Config, found: Sequence[Measured], equal: dict[str, Any], loads: tuple[float, float]) -> str:
    """Returns the table of measurements, with what limits the speed."""
    machine = environment.machine()
    ended = [measured for measured in found if not measured.error]
    device = f" ({ended[0].device})" if ended else ""
    rows = [
        "",
        f"machine    {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB{device}",
        f"recipe     {recipe.model}, width {recipe.width:g}, {recipe.input_size} px, batch {recipe.batch_size}, "
        f"{recipe.precision}",
        *([f"images     {_images(recipe, ended)}"] if ended else []),
        "",
        f"{'':<18}{'images/s':>10}{'spread':>16}{'ms a step':>11}{'start s':>9}{'waiting':>9}{'of peak':>9}"
        f"{'memory':>10}",
    ]
    for measured in found:
        rows.append(_row(measured, recipe.batch_size))
    rows += ["", f"replicas   {_replicas(equal)}"]
    if ended:
        rows += [f"limit      {line}" for line in _limits(recipe, ended, loads)]
    return "\n".join(rows)


def _images(recipe: Config, ended: Sequence[Measured]) -> str:
    if any(measured.drawn for measured in ended):
        return f"drawn, of the configured size: {recipe.dataset} is not prepared in --cache_dir, or too small"
    return f"{recipe.dataset}, half B"


def _row(measured: Measured, batch_size: int) -> str:
    """Returns the line of a case; images per second count each image once for a whole group."""
    if measured.error:
        return f"{measured.case.text:<18}not measured: {measured.error}"
    median, low, high = measured.images_per_second(batch_size)
    spread = f"{low:.0f} to {high:.0f}"
    return (
        f"{measured.case.text:<18}{median:>10.0f}{spread:>16}{1000 * measured.median('seconds_per_step'):>11.1f}"
        f"{measured.start_seconds:>9.1f}{100 * measured.median('waiting'):>7.1f} %"
        f"{100 * measured.fraction_of_peak(batch_size):>7.0f} %{measured.peak_memory_mb:>7.0f} MB"
    )


def _replicas(equal: dict[str, Any]) -> str:
    if "error" in equal:
        return f"not compared: {equal['error']}"
    return (
        f"after {equal['steps']} training step the weights of 1 and 2 replicas ({equal['strategy']}) differ by "
        f"at most {equal['difference']:.1e} of the largest weight"
    )


def _limits(recipe: Config, ended: Sequence[Measured], loads: tuple[float, float]) -> list[str]:
    """Returns the limits of the speed of training, the worst first, each with a remedy."""
    lines = []
    free = environment.machine()["cores"]
    if loads[0] > 0.5 * free:
        lines.append(
            f"other programs: load {loads[0]:.1f} on {free} cores before, {loads[1]:.1f} after; measure again when idle"
        )
    slowest = max(ended, key=lambda measured: measured.median("waiting"))
    if slowest.median("waiting") > 0.1:
        lines.append(
            f"input: {slowest.case.text} waits for images {100 * slowest.median('waiting'):.0f} % of its time; a "
            f"smaller --image_size, more cores or --augment=none help"
        )
    fraction = statistics.median(measured.fraction_of_peak(recipe.batch_size) for measured in ended)
    if fraction >= 0.5:
        lines.append(
            f"arithmetic: {100 * fraction:.0f} % of the rate of matrix products; only less arithmetic or a GPU helps"
        )
    else:
        lines.append(
            f"what is no matrix product: steps reach {100 * fraction:.0f} % of its rate, as is usual with narrow "
            f"layers; a larger --width or --batch_size costs less than proportionally"
        )
    together = [measured for measured in ended if measured.case.kind == speeds.LOCKSTEP]
    alone = [measured for measured in ended if measured.case.kind == speeds.FROZEN]
    if together and alone:
        networks = len(together[0].case.frozen)
        each = together[0].median("seconds_per_step") / networks
        gain = alone[0].median("seconds_per_step") / each
        lines.append(
            f"lockstep: one of {networks} networks costs 1/{gain:.1f} of a step of its own (frozen, n in the middle)"
        )
    return lines


def _say(line: str) -> None:
    escaping.say(line)


def _measured(made: Mapping[str, Any]) -> dict[str, float]:
    return dict(made["images_per_second"])


calls.make_callable(
    __name__, BenchConfig, """Measures the speed of a recipe on this machine; returns images per second by case.

    The options are those of `python -m tftransfer.bench --help`. The speeds are kept for estimates in hours.

    Raises:
        ValueError: If an option is unknown or wrong.
        CommandError: If nothing could be measured.
    """, first="time_budget", returns=_measured,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
