"""The command that trains one network of the experiment, with the bases that it needs.

    python -m tftransfer.run --treatment=BnB --n=4

Options are checked, and `--dry_run` answers, before TensorFlow is loaded.
"""

import dataclasses
import math
import os
import pathlib
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tftransfer
from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.data import datasets, progress
from tftransfer.execution import pretrained_file, preview, run_config, score_table
from tftransfer.execution.pretrained_file import PretrainedFile
from tftransfer.execution.run_config import RunConfig
from tftransfer.experiment import image_options, pairs, plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.models import catalog
from tftransfer.pretrained.description import IMAGENET
from tftransfer.records import record_files, record_warnings
from tftransfer.results import Record
from tftransfer.scheduling import dry_run
from tftransfer.system import caller, escaping

_USAGE = """
usage: python -m tftransfer.run --treatment=TREATMENT --n=BLOCKS [options]

Trains a base network on one half of a data set's classes, copies its first n blocks into a new network, freezes or
fine-tunes them, trains the rest on a half, and compares the result with the base of that half. Finished networks are
reused. Example: python -m tftransfer.run --treatment=BnB --n=4

A treatment is named by source, n and target: A4B copies 4 blocks of the base of half A and trains on half B. The copied
blocks are frozen; with a +, as in A4B+, they are fine-tuned. --list explains all of them.

Exit code: 0 trained, with warnings of networks that are at chance, overfitted, unbalanced or have seen the target's
classes; 2 bad input; 3 a network diverged, ran out of memory, or its frozen blocks changed.
"""
TO_TRAIN, WEIGHTS_LOST = "to train", "weights lost"


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    started = time.perf_counter()
    options, given = command_line.parse(RunConfig, argv, _USAGE)
    if options.version:
        escaping.say(f"tftransfer {tftransfer.__version__}")
        return 0
    if options.list:
        escaping.say(_catalogue())
        return 0
    if options.list_blocks:
        escaping.say(_blocks_text(options))
        return 0
    treatment = run_config.parse_treatment(options, given)
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ValueError(
            f"Training needs Keras on TensorFlow; only the model builders run on other backends. "
            f"Received: KERAS_BACKEND={backend}"
        )
    options = image_options.resolve(options, escaping.say, pretrained_file.known_size(options))
    given_file = pretrained_file.opened(options, given, not options.dry_run) if options.pretrained else None
    if given_file:
        options = given_file.config
        _say_all(given_file.notes)
    blocks = catalog.blocks_of(options.model, options.blocks)
    if blocks is None and not options.dry_run:
        blocks = _blocks_from_keras(options, given)
        treatment = run_config.parse_treatment(options, given, blocks)
    if given_file and (treatment.source == "A" or options.split != splits.WHOLE):
        treatment = dataclasses.replace(treatment, pretrained=given_file.described.sha256)
    names, kinds = pairs.describe_classes(options)
    study = pathlib.Path(options.runs_dir) / options.study_name()
    if options.dry_run:
        escaping.say(_plan_text(_cell(options, treatment, names, kinds), study, names, blocks))
        if given_file:
            escaping.say(_about_pretrained(given_file))
        if blocks is None:
            escaping.say(_unchecked(options, treatment))
        return 0
    pretrained = _pretrained_base(given_file) if given_file else None
    return _train(options, treatment, study, names, kinds, blocks, started, pretrained)


def _about_pretrained(given: PretrainedFile) -> str:
    """Returns the line of a dry run about the weights of --pretrained."""
    described = given.described
    classes = "classes not known" if described.classes is None else f"{described.classes} classes"
    source = given.config.pretrained if given.config.pretrained != IMAGENET else f"{IMAGENET} in {given.path}"
    return f"{'not trained here':<32}{source}: {described.model}, {classes}, input {described.input}"


def _pretrained_base(given: PretrainedFile) -> Any:
    """Returns the weights of --pretrained, compared with the model."""
    _start_tensorflow(given.config)
    from tftransfer.execution import pretrained_base

    return pretrained_base.load(given.path, given.described, given.config)


def _blocks_from_keras(options: RunConfig, given: set[str]) -> tuple[str, ...]:
    """Returns the blocks of a model that must be built to know them, after refusing options that it does not use."""
    _start_tensorflow(options)
    from tftransfer.training import trainer

    return trainer.checked_blocks(options, given)


def _unchecked(options: RunConfig, treatment: treatments.Treatment) -> str:
    """Returns the line of a dry run about a model that was not built."""
    named = options.n and treatment.n is None
    unknown = f"which block --n={options.n} is" if named else "whether it has that many blocks"
    about = f"{unknown}, and whether records are of its architecture"
    return f"\nnot checked: --model={options.model} was not built, so {about}"


def _blocks_text(options: RunConfig) -> str:
    """Returns the table of the model's blocks with their costs, and of all places where it can be cut."""
    catalog.check_reachable(options.model)
    _start_tensorflow(options)
    from tftransfer.models import architectures

    return architectures.block_table(options.architecture)


def _cell(
    options: RunConfig, treatment: treatments.Treatment, names: Sequence[str], kinds: Sequence[str | None]
) -> Cell:
    """Returns the network that was asked for."""
    split = pairs.split_of(options, names, kinds)
    if split.is_whole and not treatment.is_base:  # somebody's own images: the network is what they came for
        options = dataclasses.replace(options, keep_weights=True)
    return Cell(treatment, split, options, compared=options.trains_base(options.base))


def _train(
    options: RunConfig,
    treatment: treatments.Treatment,
    root: pathlib.Path,
    names: Sequence[str],
    kinds: Sequence[str | None],
    blocks: Sequence[str],
    started: float,
    pretrained: Any = None,
) -> int:
    """Prepares the images, trains the missing networks and prints the table; returns the exit code."""
    from tftransfer.experiment import prepared_images

    record_files.check_writable(pathlib.Path(options.runs_dir))
    images = preview.images(options)
    # Sets of TFDS that were never prepared have numbers for names: their split waits for the real ones.
    if tuple(names) != tuple(map(str, range(len(names)))):
        _steps(_cell(options, treatment, names, kinds), root, images, blocks)
    if options.dataset not in datasets.OWN_DATASETS:
        _start_tensorflow(options)  # its devices must be there before TFDS loads it to read a set
    store = prepared_images.prepare(options, progress.printer)
    for line in progress.notes(store):
        _say(line)
    cell = _cell(options, treatment, store.class_names, store.class_kinds)
    images = images or preview.Images(store.counts("train"), store.counts("val"))
    steps = plan.networks_for(cell, options.budget == "equal_total", len(blocks))
    _caution(steps, root, images)
    _start_tensorflow(options)
    from tftransfer.execution import studies

    if pretrained:
        pretrained = dataclasses.replace(pretrained, seen=pretrained.described.classes_in(tuple(store.class_names)))
    study = studies.Study(root, store, _say, sys.stdout.isatty(), pretrained=pretrained, **_told(_left(steps, root)))
    study.check(steps, options.force)
    try:
        for step in steps:
            network = study.ensure(step.cell, options.force and step.role == plan.ASKED)
            if step.role == plan.SOURCE and network.record.status != record_files.DONE:
                study.ensure_source(step.cell)  # raises, before anything else is trained
    except studies.SourceError as error:
        escaping.say(f"python -m tftransfer.run: {error}", sys.stderr)
        return command_line.EXIT_FAILED
    networks = [study.finished(step.cell) for step in steps]
    caller.result(network=str((root / cell.name).absolute()))
    for warning in (*_warnings(cell, networks), *_known_since(networks, pretrained, cell.classes)):
        escaping.say(f"WARNING: {warning}", sys.stderr)
    for note in (note for network in networks for note in record_warnings.notes(network.record.content)):
        escaping.say(f"NOTE: {note.text}", sys.stderr)
    escaping.say(score_table.text(cell.split, root, store.dataset, networks, time.perf_counter() - started))
    failed = any(not record_warnings.sound(network.record) for network in networks)
    return command_line.EXIT_FAILED if failed else 0


def _told(left: Sequence[Cell]) -> dict[str, Any]:
    """Returns the listeners that tell a calling Python program how the networks to be trained get on."""
    parts, labels = caller.Parts(len(left)), {cell.name: cell.treatment.label for cell in left}

    def evaluated(step: int, steps: int, rows: Mapping[str, Mapping[str, float]]) -> None:
        for name, row in rows.items():
            top1 = f", top-1 {100 * row['val_top1']:.1f} %" if math.isfinite(row["val_top1"]) else ""
            parts.tell(name, step / steps, f"{labels.get(name, name)}, step {step} of {steps}{top1}")

    return {"on_evaluation": evaluated, "stage": lambda text: caller.progress(None, text)}


def _steps(
    cell: Cell, root: pathlib.Path, images: preview.Images | None, blocks: Sequence[str] | None
) -> list[plan.PlannedNetwork]:
    """Returns the steps to a cell, after refusing those that cannot end well."""
    steps = plan.networks_for(cell, cell.config.budget == "equal_total", len(blocks) if blocks else None)
    preview.check([step.cell for step in steps], root, images)
    return steps


def _left(steps: Sequence[plan.PlannedNetwork], root: pathlib.Path) -> list[Cell]:
    """Returns the networks that are still to be trained: of bases without weights only those that are copied from."""
    missing = {plan.SOURCE: (TO_TRAIN, WEIGHTS_LOST)}
    return [step.cell for step in steps if _state(step, root) in missing.get(step.role, (TO_TRAIN,))]


def _caution(steps: Sequence[plan.PlannedNetwork], root: pathlib.Path, images: preview.Images) -> None:
    """Prints warnings about networks that are about to be trained, and whose weights are not kept."""
    left = _left(steps, root)
    for caution in preview.cautions(left, images):
        escaping.say(f"WARNING: {caution}", sys.stderr)
    dropped = [cell.treatment.label for cell in left if not (cell.treatment.is_reference or cell.config.keep_weights)]
    if dropped:
        _say(f"weights: not kept of {', '.join(dropped)}; --keep_weights keeps them")


def _start_tensorflow(options: Config) -> None:
    """Loads TensorFlow with its devices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build concern no user
    with command_line.suppress_stderr():
        from tftransfer.training import strategies

        strategies.make(options.strategy, options.replicas)


def _warnings(cell: Cell, networks: Sequence) -> list[str]:
    """Returns the warnings about the networks of the table, each distinct one once."""
    by_name = {network.record.name: network.record for network in networks}
    contents = {name: record.content for name, record in by_name.items()}
    about = [(name, one) for name, content in contents.items() for one in record_warnings.warnings_of(content)]
    reference = by_name[cell.reference.name] if cell.reference else None
    stale = [(name, record_warnings.stale(record, reference)) for name, record in by_name.items() if reference]
    warnings = [(name, warning.text) for name, warning in [*about, *stale] if warning]
    asked = by_name[cell.name]
    if cell.config.keep_weights and asked.weights_file is None and asked.status == record_files.DONE:
        text = f"{cell.name} was trained without --keep_weights; --force trains it again and keeps them"
        warnings.append((cell.name, text))
    return escaping.distinct(warnings)


def _known_since(networks: Sequence, pretrained: Any, classes: Sequence[int]) -> list[str]:
    """Returns warnings of records that were made before the classes of their pretrained weights were known."""
    seen = set() if pretrained is None or pretrained.seen is None else set(pretrained.seen) & set(classes)
    without = [
        network.record.name
        for network in networks
        if "pretrained_source" in network.record.content["integrity"]
        and network.record.content["integrity"].get("target_classes_seen_by_source") is None
    ]
    if not (seen and without):
        return []
    return [
        f"{escaping.first(without)}: the weights were trained on {len(seen)} classes of the target, which records "
        f"do not say, as they were made without --pretrained_classes; --force trains it anew"
    ]


def _say(line: str) -> None:
    escaping.say(line)


def _say_all(lines: Sequence[str]) -> None:
    for line in lines:
        escaping.say(line)


def _catalogue() -> str:
    """Returns the text of --list: data sets, models, treatments, splits."""
    rows = ["Data sets (--dataset):"]
    rows += [f"  {name:<16} {own.origin}" for name, own in datasets.OWN_DATASETS.items()]
    rows += ["  module:function  your own code: function() returns (images, labels), or pairs of them"]
    rows += [f"  {'NAME':<16} any image classification set of TensorFlow Datasets, such as cifar100, imagenet2012"]
    rows += ["", "Models (--model), with their blocks:"]
    rows += [f"  {name:<16} {' '.join(blocks)}" for name, blocks in catalog.MODELS.items()]
    rows += textwrap.wrap(
        f"of keras.applications: {', '.join(catalog.APPLICATIONS)}",
        100,
        initial_indent="  ",
        subsequent_indent="    ",
    )
    rows += ["  FILE.keras       the architecture in a file of model.save(); its weights are not used"]
    rows += ["  module:function  your own code: function(input_shape, classes) returns a functional keras.Model"]
    rows += ["  The blocks of each: python -m tftransfer.run --model=NAME --list_blocks"]
    rows += ["", "Treatments (--treatment), n blocks of a source, then the target:"]
    rows += [f"  {name:<16} {text}" for name, text in treatments.TREATMENTS.items()]
    rows += ["", "Splits (--split):"]
    rows += [f"  {name:<16} {text}" for name, text in splits.SPLITS.items()]
    return "\n".join(rows)


def _plan_text(cell: Cell, study: pathlib.Path, names: Sequence[str], blocks: Sequence[str] | None) -> str:
    """Returns the text of --dry_run, after refusing all that a run would refuse."""
    images = preview.images(cell.config)
    steps = _steps(cell, study, images, blocks)
    rows = [f"study     {study}", *preview.data_rows(cell.config, names, images)]
    shown = [(step, *_shown(step, study)) for step in steps]
    width = max(18, 2 + max(len(label) for _, label, _, _ in shown))
    rows += [*preview.half_rows(cell.split, names, with_digest=True), "", f"{'network':<{width}}{'state':<14}why"]
    for step, label, state, unchecked in shown:
        count = preview.steps(step.cell, images)
        length = "" if count is None else f"; {count} steps of {cell.config.batch_size}"
        forced = "; --force" if step.role == plan.ASKED and cell.config.force else ""
        rows.append(f"{label:<{width}}{state:<14}{step.why}{forced}{length}{unchecked}")
    left = _left(steps, study)
    rows += ["", *dry_run.costs(left, images.training if images else None, 1)]
    return "\n".join([*rows, *(f"caution   {text}" for text in preview.cautions(left, images))])


def _shown(step: plan.PlannedNetwork, study: pathlib.Path) -> tuple[str, str, str]:
    """Returns a network's label, its state, and a note if its blocks are not checked before the model is built."""
    treatment, options = step.cell.treatment, step.cell.config
    label, state = treatment.label, _state(step, study)
    if treatment.is_base or catalog.blocks_of(options.model, options.blocks):
        return label, state, ""
    if treatment.n is None:
        return (
            label,
            "not known",
            f"; not checked: a block {options.n}" if options.n else "; * is known when it is built",
        )
    return label, state, f"; not checked: {treatment.n} blocks to copy"


def _state(step: plan.PlannedNetwork, study: pathlib.Path) -> str:
    """Returns the state of a network, as far as it is known without its images: a record's, or one of the above."""
    cell, record = step.cell, record_files.read(study / step.cell.name)
    if record is None or (step.role == plan.ASKED and cell.config.force):
        return TO_TRAIN
    lost = cell.treatment.is_reference and record.weights_file is None and record.status == record_files.DONE
    return WEIGHTS_LOST if lost else record.status


def _record(made: Mapping[str, Any]) -> Record:
    return Record(made["network"])


calls.make_callable(
    __name__, RunConfig, """Trains one network with the bases that it needs; returns its `Record`.

    tftransfer.run("AnB", n=4, dataset="motifs")

    What is done is kept: the same call trains nothing. The options are those of `python -m tftransfer.run --help`.

    Raises:
        ValueError: If an option is unknown or wrong.
        CommandError: If a network diverged, found no memory or did not stay frozen.
    """, first="treatment", returns=_record,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
