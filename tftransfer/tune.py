"""Searches a recipe for a base network on held-out training images: extra `tune`.

    python -m tftransfer.tune --dataset=folder --data_dir=FOLDER --time_budget=20m

Options are checked before TensorFlow is loaded. Validation images are never read.
"""

import dataclasses
import os
import pathlib
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, option
from tftransfer.data import datasets
from tftransfer.data.store import Store
from tftransfer.experiment import image_options, prepared_images, splits, treatments
from tftransfer.experiment.config import EPOCHS, PROTOCOL, Config
from tftransfer.models import catalog
from tftransfer.records import record_files
from tftransfer.system import atomic, caller, escaping
from tftransfer.tuning import budget, flagfile, held_out, oracles, space
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Study, Trial, winner

_USAGE = """
usage: python -m tftransfer.tune --dataset=DATASET --time_budget=20m [options]

Searches the recipe with which a base network learns one half of a data set best: learning rate, weight decay, dropout,
width, batch size, initial weights, length. Recipes are scored on a fifth of the half's training images, which is held
out of training; validation images are never used. The recipe given by the options is tried first, then others around
it. The same command resumes after an interruption; with a longer --time_budget it continues where the shorter one
ended.
"""
_SHOWN = 5


def _values_option(field: str) -> Any:
    return option("", COMMAND, f"values of --{field} to try, as in {_EXAMPLES[field]}; empty: some around --{field}")


_EXAMPLES = {
    "learning_rate": "0.01,0.03", "weight_decay": "0,0.0005", "dropout": "0,0.5", "width": "0.25,0.5",
    "batch_size": "32,64",
    "initializer": "he_normal,paper", "epochs": "10,20",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TuneConfig(Config):
    """The options of `python -m tftransfer.tune`."""

    time_budget: str = option("20m", COMMAND, "time of all trials of a study: 90s, 20m, 2h", budget.expected)
    tuner: str = option("hyperband", COMMAND, "the tuner that proposes recipes", choices=oracles.TUNERS)
    target: str = option("B", COMMAND, "half whose recipe is searched", choices=treatments.TARGETS)
    trials: int = option(
        0, COMMAND, "most trials of a study; 0: as many as the time allows", lambda v: None if v >= 0 else "at least 0"
    )
    learning_rates: str = _values_option("learning_rate")
    weight_decays: str = _values_option("weight_decay")
    dropouts: str = _values_option("dropout")
    widths: str = _values_option("width")
    batch_sizes: str = _values_option("batch_size")
    initializers: str = _values_option("initializer")
    lengths: str = _values_option("epochs")

    def start(self, images: int = 0) -> Config:
        """Returns the options that `run` has as well, with their length in epochs.

        Args:
            images: Number of training images, which decides the default length; 0 if it is not known yet.
        """
        shared = Config(**self.shared())
        if shared.steps or shared.epochs:
            return shared
        epochs = shared.train_steps(images) / shared.steps_per_epoch(images) if images else EPOCHS
        return dataclasses.replace(shared, epochs=round(max(EPOCHS, epochs), 2))


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, given = command_line.parse(TuneConfig, argv, _USAGE)
    options.refuse_unused(given)
    options.refuse_pretrained()
    if options.model not in catalog.MODELS:
        raise ValueError(
            f"A search varies width, dropout and initial weights, which only {', '.join(catalog.MODELS)} has. "
            f"Received: --model={options.model}. Try recipes for it with tftransfer.run."
        )
    lists = {name: getattr(options, name) for name in space.LISTS}
    space.around(options.start(), lists)  # refuses bad ones before images are prepared
    options = image_options.resolve(options, escaping.say)
    class_names, class_kinds = datasets.describe_classes(options.dataset, options.data_dir or None)
    _split(options, class_names, class_kinds)
    oracles.check_installed(options.tuner)
    root = pathlib.Path(options.runs_dir) / f"tune-{options.study_name()}"
    record_files.check_writable(pathlib.Path(options.runs_dir))
    store = prepared_images.prepare(options, lambda name: _progress)
    split = _split(options, store.class_names, store.class_kinds)
    classes = split.classes(options.target)
    half = store.select("train", classes, options.images_per_class or None)
    training, held = held_out.divide(half, [store.class_names[index] for index in classes])
    start, choices = space.around(options.start(len(training)), lists)
    for images in (len(training), len(half)):
        start.steps_per_epoch(images)
        start.steps_between_drops(images)
    choices = space.fitting(choices, len(training))
    study = Study(root, _settings(options, start, choices, store, split))
    with study.locked():
        return _search(
            options, study, _Images(store, split.name, classes, len(half), len(training), len(held)), start, choices
        )


@dataclasses.dataclass(frozen=True)
class _Images:
    """Images of a search: number of all training images of the half, of those trained on and those held out."""

    store: Store
    split: str
    classes: Sequence[int]
    half: int
    training: int
    held: int


def _split(options: TuneConfig, names: Sequence[str], kinds: Sequence[str | None] | None) -> splits.Split:
    return splits.make(options.split, names, kinds, options.split_seed, options.split_file or None)


def _settings(
    options: TuneConfig, start: Config, choices: space.Choices, store: Store, split: splits.Split
) -> dict[str, Any]:
    """Returns the settings that must be equal for a search to be resumed in a study."""
    return {
        "protocol": PROTOCOL,
        "data": {
            "fingerprint": store.fingerprint,
            "classes_sha256": splits.digest(split.classes(options.target)),
            "images_per_class": start.images_per_class,
        },
        "split": split.name,
        "target": options.target,
        "tuner": options.tuner,
        "seed": start.seed,
        "start": start.recipe(),
        "choices": choices,
    }


def _search(options: TuneConfig, study: Study, images: _Images, start: Config, choices: space.Choices) -> int:
    """Searches, writes the best recipe and prints the results."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build concern no user
    with command_line.suppress_stderr():
        import keras_tuner

        from tftransfer.tuning import search, view
        from tftransfer.tuning.process import Trainer

    escaping.say(
        f"Half {options.target} of {images.store.dataset}: {len(images.classes)} classes, {images.training} images to "
        f"train on, {images.held} held out; {options.tuner}, {options.time_budget}",
    )
    view.write_study(study.root, time.time())
    scope = search.Scope(start, choices, options.tuner, images.training)
    limits = search.Limits(budget.seconds_of(options.time_budget), options.trials)
    trainer = Trainer(images.store.path, images.split, options.target, images.classes)
    work = search.Search(study, scope, trainer.train, limits, _say)
    work.run()
    best = winner(work.trials)
    for failure in search.failures(work.trials):
        escaping.say(f"WARNING: {failure}", sys.stderr)
    if best is None:
        escaping.say(f"python -m tftransfer.tune: no trial ended well. Their output is in {study.root}", sys.stderr)
        return command_line.EXIT_FAILED
    path = study.root / "best.flags"
    origin = flagfile.Origin(
        file=shlex.quote(str(path)),
        target=options.target,
        tuner=f"{options.tuner} of keras-tuner {keras_tuner.__version__}, seed {start.seed}",
        choices=choices,
        trials=work.trials,
        held_out=images.held,
    )
    recipe = space.recipe(start, best.recipe, images.half)
    atomic.write_text(path, flagfile.text(recipe, best, origin))
    caller.result(flagfile=str(path.absolute()), top1=best.top1, trials=len(work.trials), recipe=dict(best.recipe))
    escaping.say(_table(work.trials, best, images))
    escaping.say(f"recipe     {path}")
    escaping.say(f"train      {flagfile.command(recipe, origin)}")
    escaping.say(f"compare    tensorboard --logdir {shlex.quote(str(study.root))}")
    return 0


def _table(trials: Sequence[Trial], best: Trial, images: _Images) -> str:
    """Returns the table of the best trials, with the standard error of their scores."""
    count = {status: sum(trial.status == status for trial in trials) for status in (OK, DIVERGED, FAILED)}
    spent = budget.duration(sum(trial.seconds for trial in trials))
    rows = ["", f"trials     {count[OK]} ended well, {count[DIVERGED]} diverged, {count[FAILED]} failed; {spent}", ""]
    columns = tuple(reversed(space.TUNED))
    ended = sorted((t for t in trials if t.status == OK), key=lambda t: (-t.top1, t.seconds, t.number))
    shown = ended[:_SHOWN] + [trial for trial in ended[_SHOWN:] if trial.number == 1]
    cells = [[space.short(trial.recipe[column]) for column in columns] for trial in shown]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]

    def joined(words: Sequence[str]) -> str:
        return "  ".join(f"{word:>{width}}" for word, width in zip(words, widths, strict=True))

    rows.append(f"{'trial':<7}{'top-1':>8}{'seconds':>9}  {joined(columns)}")
    for trial, words in zip(shown, cells, strict=True):
        note = "  the starting recipe" if trial.number == 1 else ""
        rows.append(f"{trial.number:<7}{100 * trial.top1:>6.1f} %{trial.seconds:>9.0f}  {joined(words)}{note}")
    error = 100 * flagfile.standard_error(best.top1, images.held)
    scores = f"Scores are top-1 on {images.held} held-out training images"
    rows += ["", f"{scores}, standard error {error:.1f} percentage points.", ""]
    return "\n".join(rows)


def _say(line: str) -> None:
    escaping.say(line)


def _progress(done: int, total: int) -> None:
    """Prints the progress of the preparation of images, in about ten lines."""
    if done == total or done % max(1, total // 10) == 0:
        escaping.say(f"preparing: {done} of {total} images", sys.stderr)


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The recipe that a search found.

    Attributes:
        flagfile: File of its options: `tftransfer.run("AnB", n=4, flagfile=tuned.flagfile)`.
        top1: Its top-1 accuracy on held-out training images, 0 to 1.
        trials: Number of recipes tried.
        recipe: Values of what was searched, by option.
    """

    flagfile: str
    top1: float
    trials: int
    recipe: Mapping[str, Any]


def _tuned(made: Mapping[str, Any]) -> Tuned:
    return Tuned(**{field.name: made[field.name] for field in dataclasses.fields(Tuned)})


calls.make_callable(
    __name__, TuneConfig, """Searches a recipe for a base network on held-out training images; returns it as `Tuned`.

    tuned = tftransfer.tune("20m", dataset="folder", data_dir="photographs")
    tftransfer.run("AnB", n=4, flagfile=tuned.flagfile)

    The options are those of `python -m tftransfer.tune --help`. The same call goes on where it was interrupted.

    Raises:
        ValueError: If an option is unknown or wrong, or a package is missing.
        CommandError: If no trial ended well.
    """, first="time_budget", returns=_tuned,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
