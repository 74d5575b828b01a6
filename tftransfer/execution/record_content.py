"""The content of a trained network's record: scores, cost, proofs, and how it was made."""

import dataclasses
import datetime
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.experiment import splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.models import architectures, catalog
from tftransfer.pretrained.description import IMAGENET
from tftransfer.records import chance_level, commands, identities, record_files, record_warnings
from tftransfer.records.record_files import Record
from tftransfer.system import environment
from tftransfer.training import evaluation, strategies, trainer
from tftransfer.training.outcomes import Outcome

# Say where files lie on this machine, which is nobody's business in a record.
_PATHS = ("data_dir", "source_dir", "runs_dir", "cache_dir", "split_file", "pretrained", "pretrained_classes")
_ONCE = ("resume",)  # of one call, not of the training


def identity_of(cell: Cell, source: Record | None, fingerprint: str) -> dict[str, Any]:
    """Returns the identity of a network: all that decides its result.

    Args:
        cell: The network.
        source: Record of the base that it copies from, if there is one: another training of it gives another network.
        fingerprint: That of the prepared images.
    """
    origin = identities.origin(source) if source else None
    if cell.treatment.pretrained:
        origin = {"pretrained": cell.treatment.pretrained}
    return cell.identity(fingerprint, origin, architectures.identity(cell.config.architecture))


def content(
    cell: Cell,
    identity: dict[str, Any],
    task: trainer.Task,
    outcome: Outcome,
    source: Record | None,
    reference: Record | None,
    pretrained: PretrainedBase | None = None,
    images: Mapping[str, Any] | None = None,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns the content of a network's record.

    Args:
        cell: The network.
        identity: As from `identity_of`.
        task: Images of its target.
        outcome: What training ended with.
        source: The base that it copies from, if there is one.
        reference: The base of its own target, None if it is that base itself.
        pretrained: What it copies from in the place of `source`.
        images: What else must be known of its images to trust its score.
        class_names: Names of all classes, by which those of two data sets are compared.
    """
    diverged = outcome.diverged_at is not None
    scores = {name: None if diverged else value for name, value in outcome.scores.items()}
    if cell.treatment.is_reference and not diverged:
        scores["minus_base"] = 0.0
    else:
        comparable = reference and not diverged and reference.status == record_files.DONE
        scores["minus_base"] = scores["top1"] - reference.result["top1"] if comparable else None
    chance = evaluation.chance(task.validation.labels, task.classes)
    whole = {
        "name": cell.name,
        "status": record_files.DIVERGED if diverged else record_files.DONE,
        "treatment": dataclasses.asdict(cell.treatment) | {"label": cell.treatment.label},
        "result": scores | {"chance": chance},
        "integrity": _integrity(cell, task, outcome, chance, source, pretrained, class_names) | dict(images or {}),
        "reference": identities.origin(reference) if reference else None,
        "cost": {
            # Of a group's time each network bears the fraction that its arithmetic has.
            "seconds": round(outcome.seconds * outcome.cost_fraction, 2),
            "train_seconds": round(outcome.train_seconds * outcome.cost_fraction, 2),
            "group": {"networks": outcome.group_size, "seconds": round(outcome.seconds, 2)},
            "images_per_second": round(outcome.images_per_second, 1),
            "train_steps": outcome.train_steps,
            "train_images": len(task.training),
            "validation_images": len(task.validation),
            "trained_parameters": outcome.trained_parameters,
        },
        "weights": {
            "kept": not diverged and (cell.treatment.is_reference or cell.config.keep_weights),
            # What a diverged network ends with depends on how long others in its group went on.
            "sha256": None if diverged else record_files.weights_digest(outcome.weights),
        },
        "history": outcome.history,
        "command": command_of(cell, pretrained.file if pretrained else ""),
        "versions": environment.versions(),
        "machine": _machine(outcome.strategy),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "identity": identity,
    }
    return whole | {"warnings": list(record_warnings.codes(whole))}


def _machine(strategy: str) -> dict[str, Any]:
    """Returns on what a network was trained, with all that decides the last bits of its weights."""
    rounds = strategies.rounding(strategy)
    del rounds["versions"]  # stands beside it
    return environment.machine() | rounds | {"jit_compile": False}


def _integrity(
    cell: Cell,
    task: trainer.Task,
    outcome: Outcome,
    chance: float,
    source: Record | None,
    pretrained: PretrainedBase | None,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns the proofs about a network, and all else that decides whether its score can be trusted."""
    changed = set(outcome.frozen_blocks) & set(outcome.changed_blocks)
    tuned = [name for name in outcome.copied_blocks if name not in outcome.frozen_blocks]
    seen = _classes_seen(cell, pretrained, class_names)
    finite = outcome.diverged_at is None
    return {
        "frozen_blocks": list(outcome.frozen_blocks),
        "frozen_blocks_unchanged": not changed,
        **_statistics(cell.config.batch_norm, outcome),
        "fine_tuned_blocks": tuned,
        "fine_tuned_blocks_moved": all(name in outcome.changed_blocks for name in tuned),
        "diverged_at_step": outcome.diverged_at,
        "left_chance": finite and chance_level.left_chance(outcome.scores["top1"], chance, len(task.validation)),
        # Of the smallest and of the largest class.
        "class_images": {
            "training": evaluation.extremes(task.training.labels, task.classes),
            "validation": evaluation.extremes(task.validation.labels, task.classes),
        },
        # Of pretrained weights by the names of classes in their description; null if these are not known.
        "target_classes_seen_by_source": seen,
        # Copied weights bring their source's steps with them: more than a standard base had.
        "steps": outcome.train_steps,
        "steps_of_source": None if pretrained else source.content["cost"]["train_steps"] if source else 0,
        **({"pretrained_source": _origin(pretrained)} if pretrained else {}),
        **({"trained_from_features": True} if outcome.from_features else {}),
    }


def _classes_seen(cell: Cell, pretrained: PretrainedBase | None, names: Sequence[str]) -> int | None:
    """Returns the number of target classes that the source was trained on; None if its classes are not known.

    Classes of two data sets are the same if their names are.
    """
    knows = pretrained.seen if pretrained else cell.source_classes
    if knows is None:
        return None
    if not cell.split.is_whole or pretrained or not names:
        return len(set(knows) & set(cell.classes))
    return len({names[index] for index in knows} & {names[index] for index in cell.classes})


def _origin(pretrained: PretrainedBase) -> dict[str, Any]:
    """Returns the origin of pretrained weights, as far as their description says."""
    described = pretrained.described
    return {
        "file": pretrained.file,
        "sha256": described.sha256,
        "weights": record_files.weights_digest(pretrained.weights),  # below the head; the same in other kinds of files
        "model": described.model,
        "classes": described.classes,
        "classes_known": described.trained_on is not None,
        "preprocessing": described.input,
        "provenance": described.provenance,
    }


def _statistics(batch_norm: str, outcome: Outcome) -> dict[str, Any]:
    """Returns the frozen blocks with moving statistics and those where these moved; nothing if none has any."""
    if not outcome.blocks_with_statistics:
        return {}
    moved = set(outcome.moved_statistics)
    return {
        "batch_norm": batch_norm,
        "frozen_blocks_with_statistics": list(outcome.blocks_with_statistics),
        # With `adapt`, what was proven unchanged above are the weights; these are what had to move instead.
        "frozen_statistics_moved": sorted(moved),
        "frozen_statistics_as_wanted": moved
        == (set(outcome.blocks_with_statistics) if batch_norm == "adapt" else set()),
    }


def _pretrained_options(config: Config, file: str) -> list[str]:
    """Returns the options about pretrained weights, without the folders of files."""
    values = {"pretrained": IMAGENET if config.pretrained == IMAGENET else file}
    if config.pretrained_classes:
        values["pretrained_classes"] = os.path.basename(config.pretrained_classes)
    return [f"--{name}={shlex.quote(value)}" for name, value in values.items()]


def command_of(cell: Cell, pretrained: str = "") -> str:
    """Returns the command that trains a cell, with placeholders for paths of this machine.

    Args:
        cell: The network.
        pretrained: Name of the file of pretrained weights that it copies from.
    """
    treatment = cell.treatment
    words = ["python -m tftransfer.run"]
    if treatment.longer_by:
        words += [f"--treatment={treatment.longer_by}n{treatment.target} --n=1 --budget=equal_total"]
    elif treatment.is_base:
        words += [f"--treatment=base --target={treatment.target}"]
    elif treatment.policy:
        words += [f"--treatment={treatment.label.removesuffix(treatment.origin)}"]
    else:
        words += [f"--treatment={treatment.family.removesuffix(treatment.origin)} --n={treatment.n}"]
    words += _pretrained_options(cell.config, pretrained) if pretrained else []
    words += [f"--preserve={treatment.preserve}"] if treatment.preserve else []
    words += [f"--release_step={treatment.release_step}"] if treatment.release_step else []
    for field in dataclasses.fields(Config):
        value = getattr(cell.config, field.name)
        value = catalog.label(value) if field.name == "model" else value
        idle = field.name == "epochs" and cell.config.steps  # steps decide
        # The split follows from the other options: halves at random, and none with a source or weights from elsewhere.
        idle |= field.name == "split" and value == "random"
        idle |= field.name == "split" and value == splits.WHOLE and bool(cell.config.source_dataset or pretrained)
        if value != field.default and not idle and field.name not in _PATHS + _ONCE:
            words.append(f"--{field.name}={shlex.quote(str(value))}")
    return " ".join(
        [
            *words,
            *commands.paths(cell.config.dataset, cell.config.split, cell.config.data_dir, cell.config.source_dataset),
        ]
    )
