"""Advises which blocks of a pretrained network to keep, tune, re-initialise or drop for new images.

    python -m tftransfer.advise --dataset=folder --data_dir=PHOTOS --model=MobileNetV2 --pretrained=imagenet

Options are checked, and `--dry_run` answers, before TensorFlow is loaded.
"""

import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.advising import candidates, folds, held_out, schedule, sentences, state
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, DATA, MACHINE, at_least, option, plain_name, some_path, within
from tftransfer.data import progress
from tftransfer.execution import pretrained_file, preview
from tftransfer.execution.pretrained_file import PretrainedFile
from tftransfer.experiment import image_options, pairs, splits, treatments
from tftransfer.experiment.config import PROTOCOL, Config
from tftransfer.experiment.plan import Cell
from tftransfer.models import catalog
from tftransfer.records import record_files, record_warnings
from tftransfer.results import Advice
from tftransfer.system import atomic, caller, escaping
from tftransfer.tuning import budget

_USAGE = """
usage: python -m tftransfer.advise --dataset=folder --data_dir=PHOTOS --model=MODEL --pretrained=WEIGHTS [options]

Says which blocks of a pretrained network to keep, tune, re-initialise or drop for your images: with a score from images
that no phase saw, with what the advice is expected to lose to the best candidate, and with what habits would have lost.
Leaves the trained model, which plain Keras loads, and code to go on from. Candidates race on parts of the training
images; the validation images are looked at once, at the end. A call that was interrupted goes on when it is repeated.

Example: python -m tftransfer.advise --dataset=folder --data_dir=PHOTOS --model=MobileNetV2 --pretrained=imagenet
--time_budget=30m
"""
JSON = "advice.json"


@dataclasses.dataclass(frozen=True)
class AdviseConfig(Config):
    """The options of `python -m tftransfer.advise`."""

    time_budget: str = option("30m", COMMAND, "time for everything, such as 30m or 2h", budget.expected)
    tolerance: float = option(
        0.5, COMMAND, "percentage points of regret that do not count", lambda v: None if 0 <= v < 100 else "0 to 100"
    )
    views: int = option(2, DATA, "random crops and mirror images of each training image, shown in turns", at_least(1))
    advice_dir: str = option("advice", MACHINE, "folder of all advice", some_path)
    name: str = option("", MACHINE, "name of this advice; without: data set and model", plain_name)
    dry_run: bool = option(False, COMMAND, "print the candidates and what the time allows, then stop")
    seed: int = option(0, MACHINE, "seed of the first trainings; others follow from it", within(0, 2**31))

    @property
    def folder(self) -> pathlib.Path:
        """Folder of this advice."""
        images = os.path.basename(os.path.abspath(self.data_dir)) if self.data_dir else self.dataset
        name = self.name or f"{catalog.safe_label(images)}-{catalog.safe_label(self.model)}"
        return pathlib.Path(self.advice_dir) / name


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    started = time.monotonic()
    options, given = command_line.parse(AdviseConfig, argv, _USAGE)
    _check(options)
    catalog.check_reachable(options.model)
    options = image_options.resolve(options, escaping.say, pretrained_file.known_size(options))
    names, kinds = pairs.describe_classes(options)
    pairs.split_of(options, names, kinds)
    images = preview.images(options)
    if images:
        _check_images(options, names, images)
    file = pretrained_file.opened(options, given, download=not options.dry_run)
    if options.dry_run:
        escaping.say(_plan_text(options, names, images))
        return 0
    for note in file.notes:
        escaping.say(note)
    record_files.check_writable(pathlib.Path(options.advice_dir))
    options.folder.mkdir(parents=True, exist_ok=True)
    return _advise(file, started)


def _check(options: AdviseConfig) -> None:
    """Raises ValueError if the options describe no question that advice can answer."""
    if not options.pretrained:
        raise ValueError(
            "Advice is about a pretrained network. Expected --pretrained=imagenet or --pretrained=FILE. Received none."
        )
    if options.split != splits.WHOLE:
        raise ValueError(f"Advice is about all classes of --dataset. Leave --split out. Received: {options.split}")
    if options.layerwise_lr_decay != 1:
        raise ValueError(
            f"Decaying rates are one of the candidates. Leave --layerwise_lr_decay out. Received: "
            f"{options.layerwise_lr_decay:g}"
        )
    if options.optimizer != "sgd":
        raise ValueError(f"Rates of blocks need --optimizer=sgd. Received: --optimizer={options.optimizer}")


def _check_images(options: AdviseConfig, names: Sequence[str], images: preview.Images) -> None:
    """Raises ValueError if there are too few images to hold any out."""
    most = options.images_per_class or images.training.max()
    used = images.training.clip(max=most)
    for name, count in zip(names, used, strict=True):
        if count < 2:
            raise ValueError(
                f"Advice holds out some training images of each class and trains on the others. Expected 2 or more of "
                f"each class. Received: class {name!r} has {count}."
            )
    number = folds.possible(used, schedule.FOLDS)
    options.steps_per_epoch(int(used.sum()) - -(-int(used.sum()) // number))


def _plan_text(options: AdviseConfig, names: Sequence[str], images: preview.Images | None) -> str:
    """Returns the text of --dry_run."""
    rows = [f"advice    {options.folder}", *preview.data_rows(options, names, images)]
    blocks = catalog.blocks_of(options.model, options.blocks)
    count = len(candidates.make((1,) * len(blocks))) if blocks else None
    most = len(candidates.make((1,) * 40))
    rows.append(f"budget    {options.time_budget}; tolerance {options.tolerance:g} percentage points")
    rows.append(
        f"race      at most {count or most} candidates on one of {schedule.FOLDS} folds; rungs at 1/8, 1/3 and all"
    )
    rows.append(f"confirm   at most 6 candidates on further folds, {schedule.CONFIRM:.0%} of the time")
    if images is not None:
        number = folds.possible(images.training, schedule.FOLDS)
        held = int(images.training.sum()) // number
        rows.append(
            f"power     {held:,} held-out images of a fold show differences from {_points(held)} on, where candidates "
            f"disagree on one image in ten"
        )
    if blocks is None:
        rows.append(f"not known --model={options.model} is built only to train: its blocks, and so the candidates")
    return "\n".join(rows)


def _points(held: int) -> str:
    return f"{100 * held_out.smallest_difference(0.1, held):.1f} percentage points"


def _start_tensorflow(options: Config) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with command_line.suppress_stderr():
        from tftransfer.training import strategies

        strategies.make(options.strategy, options.replicas)
    # TensorFlow counts the traces of all models together, so that a few candidates would be too many.
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(line: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in line.getMessage()


def _advise(file: PretrainedFile[AdviseConfig], started: float) -> int:
    """Runs all phases, trains the chosen network and writes the advice; returns the exit code."""
    from tftransfer.experiment import prepared_images

    options = file.config
    _start_tensorflow(options)
    store = prepared_images.prepare(options, progress.printer)
    for line in progress.notes(store):
        escaping.say(line)
    from tftransfer.advising import advisor, document
    from tftransfer.execution import pretrained_base
    from tftransfer.models import architectures

    split = pairs.split_of(options, store.class_names, store.class_kinds)
    task = _task(options, store, split)
    base = pretrained_base.load(file.path, file.described, options)
    costs = architectures.block_costs(options.architecture, task.classes)
    work = tuple(int(cost.multiply_adds) for cost in costs)
    key = _key(options, store, file)
    known = state.State(options.folder, key)
    if known.others and not known.resumed:
        escaping.say(
            f"advice     {options.folder} has findings of other images, options or time budgets, which are kept but "
            f"not used: starting anew"
        )
    _remove_old(options.folder)
    asked = advisor.Advisor(
        options, task, base.weights, work, known,
        budget.seconds_of(options.time_budget), options.tolerance / 100, escaping.say, started=started,
    )  # fmt: skip
    advice = asked.run()
    blocks = architectures.block_names(options.architecture)
    content = document.content(advice, task, options.tolerance / 100, work, blocks, asked.folds)
    if advice.chosen:
        content |= _finish(options, advice, store, split, base, file, key)
    content["seconds"] = round(asked.seconds, 1)
    content["budget"] = options.time_budget
    _write(options, content)
    caller.result(folder=str(options.folder.absolute()))
    if not advice.chosen:
        return command_line.EXIT_WARNINGS  # there is no model, which a script that goes on with it must know
    return command_line.EXIT_FAILED if content["top1"] is None else 0


def _remove_old(folder: pathlib.Path) -> None:
    """Removes what an earlier advice left for users: none of it must stand beside another one."""
    for name in (JSON, "advice.html", "model.keras", "finetune.py", "start.keras"):
        (folder / name).unlink(missing_ok=True)


def _task(options: AdviseConfig, store: Any, split: splits.Split) -> Any:
    """Returns all training and validation images."""
    from tftransfer.training import trainer

    training = store.select("train", split.b, options.images_per_class or None)
    if len(set(training.contents().tolist())) == 1:
        raise ValueError("All training images are the same, byte for byte: there is nothing to learn from them.")
    view = trainer.view_of(options, training)
    return trainer.Task(split.name, "B", len(split.b), training, store.select("val", split.b, None), view)


def _key(options: AdviseConfig, store: Any, file: PretrainedFile[AdviseConfig]) -> str:
    """Returns the hash of all that decides what an advice finds out."""
    from tftransfer.models import architectures

    parts = {
        "recipe": options.recipe(), "seed": options.seed, "images": store.fingerprint, "size": store.size,
        "per_class": options.images_per_class, "weights": file.described.sha256, "protocol": PROTOCOL,
        "budget": options.time_budget, "tolerance": options.tolerance, "trained_on": file.described.trained_on,
        "architecture": architectures.identity(options.architecture), "exclude": options.exclude_duplicates,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _finish(
    options: AdviseConfig,
    advice: Any,
    store: Any,
    split: splits.Split,
    base: Any,
    file: PretrainedFile[AdviseConfig],
    key: str,
) -> dict[str, Any]:
    """Trains the chosen network on all training images, and looks at the validation images once."""
    from tftransfer.advising import export
    from tftransfer.execution import studies

    escaping.say(f"finish     {advice.chosen.words}; training on all images")
    cell = _cell(options, advice, split, file)
    pretrained = dataclasses.replace(base, seen=base.described.classes_in(tuple(store.class_names)))
    # A folder of its own for each network: another advice may end with another rate of the same treatment.
    told = json.dumps([key, advice.chosen.name, cell.config.learning_rate, cell.config.steps])
    root = options.folder / "network" / hashlib.sha256(told.encode()).hexdigest()[:8]
    study = studies.Study(root, store, say=lambda line: None, pretrained=pretrained)
    record = study.ensure(cell).record
    images, top1 = record.content["cost"]["validation_images"], record.result["top1"]
    warnings = record_warnings.warnings_of(record.content)
    return export.write(options.folder, cell.config, advice.chosen, base, record, _save_model) | {
        "top1": top1,
        "interval": None if top1 is None else held_out.score_interval(round(top1 * images), images),
        "validation_images": images,
        "network": str(record.folder.relative_to(options.folder)),
        "warnings": [warning.code for warning in warnings],
        "warning_texts": [warning.text.removeprefix(f"{record.content['name']}: ") for warning in warnings],
    }


def _save_model(network: pathlib.Path, path: pathlib.Path) -> None:
    """Writes the network of a record's folder as a plain Keras model that takes images."""
    from tftransfer.training import plain_model

    plain_model.save(plain_model.of_record(network), path)


def _cell(options: AdviseConfig, advice: Any, split: splits.Split, file: PretrainedFile[AdviseConfig]) -> Cell:
    """Returns the chosen network as one of a study, whose weights are kept."""
    chosen, config = advice.chosen, advice.config
    shared = dataclasses.replace(
        Config(**config.shared()), learning_rate=config.learning_rate * advice.rate, keep_weights=True,
        layerwise_lr_decay=chosen.decay, evaluations=1,
    )  # fmt: skip
    if chosen.is_scratch:
        return Cell(treatments.base("B"), split, shared)
    treatment = treatments.by_policy(chosen.policy, blocks=len(chosen.decisions))
    treatment = dataclasses.replace(
        treatment, pretrained=file.described.sha256, release_step=round(chosen.release * config.steps)
    )
    return Cell(treatment, split, shared, compared=False)


def _write(options: AdviseConfig, content: dict[str, Any]) -> None:
    """Writes the advice and prints it."""
    content |= {"dataset": catalog.label(options.dataset), "model": catalog.label(options.model)}
    content |= {"pretrained": os.path.basename(options.pretrained), "sentences": sentences.lines(content)}
    atomic.write_text(options.folder / JSON, json.dumps(content, indent=1) + "\n")
    escaping.say("")
    for line in content["sentences"]:
        escaping.say(line)
    escaping.say("")
    for line in sentences.table(content):
        escaping.say(line)
    escaping.say(f"\n{sentences.CAVEAT}\nadvice     {options.folder / JSON}")
    for topic, path in (*_page(options, content), *((t, content.get(f"{t}_file")) for t in ("model", "code"))):
        if path:
            escaping.say(f"{topic:<11}{path}")


def _page(options: AdviseConfig, content: dict[str, Any]) -> list[tuple[str, str]]:
    """Writes the page; returns what it is and where, or what it needs."""
    try:
        from tftransfer.advising import page
    except ImportError:
        return [("page", "not written; it needs pip install 'tftransfer[report]'")]
    atomic.write_text(options.folder / page.FILE, page.html(content))
    return [("page", str(options.folder / page.FILE))]


def _returned(made: Mapping[str, Any]) -> Advice:
    return Advice(made["folder"])


calls.make_callable(
    __name__, AdviseConfig, """Advises what to keep, tune, re-initialise or drop of a model; returns an `Advice`.

    advice = tftransfer.advise(model, dataset=(images, labels), pretrained=True, time_budget="20m")
    print(advice); advice.table; advice.model.predict(images)

    The options are those of `python -m tftransfer.advise --help`; `model` may be a `keras.Model` in hand, whose weights
    are the source with `pretrained=True`. The same call goes on where it was interrupted.

    Raises:
        ValueError: If an option is unknown or wrong, or the time is too short.
        CommandError: If a training failed.
    """, first="model", returns=_returned,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
