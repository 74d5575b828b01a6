"""Warnings: what a user must know before trusting a score or a study. Nothing here imports TensorFlow."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tftransfer.experiment import config, treatments
from tftransfer.records import chance_level, record_files
from tftransfer.records.record_files import Record
from tftransfer.system import escaping

DIVERGED, NOT_FROZEN = "diverged", "not frozen"
LEAK, MAYBE_LEAK, STATISTICS, NOT_MOVED = "leak", "leak?", "statistics", "not tuned"
AT_CHANCE, UNBALANCED, OVERFITTED, DUPLICATES = "at chance", "unbalanced", "overfitted", "duplicates"
# Codes of what is wrong with a network, the gravest first: what makes it useless, then what makes its score doubtful.
CODES = (DIVERGED, NOT_FROZEN, LEAK, MAYBE_LEAK, DUPLICATES, STATISTICS, NOT_MOVED, AT_CHANCE, OVERFITTED, UNBALANCED)
RESUMED, STALE = "resumed inexactly", "base retrained"
WARNING, NOTE = "warning", "note"
MOST_COPIES = 0.01
"""Fraction of the validation images whose copies may have been trained on, and of all images that may have copies in
another class. Tiny ImageNet has 0.0007 and 0.0005."""
MOST_TIMES = 3
"""A half is unbalanced if its largest class has more than this many times the images of its smallest."""
MOST_APART = 0.4
"""A network is overfitted if its training top-1, of its last epoch, exceeds its validation top-1 by more."""
_WIDE = 0.1  # above chance: so far off, a score says something, and a bar may be out of reach for want of images
_NAMED = 3  # images in a sentence
# Who trained on images, as a text, in `validation_images_trained_on`, and in `duplicates`.
_TRAINED = (("it", "by_itself", "training"), ("its source", "by_source", "source"))
_SETTLED = 10  # times the memory of moving statistics, 1 / (1 - momentum) steps, after which they have settled


@dataclasses.dataclass(frozen=True)
class RecordWarning:
    """One thing to know before trusting the score of a network, or a study.

    Attributes:
        code: A short name for the kind of problem, such as `leak`: shown in tables, counted at the end of a sweep and
            kept in records. Networks can have any of `CODES`; studies have more.
        text: A sentence that names the networks concerned.
        level: `WARNING` if numbers are missing or may mislead; `NOTE` if it only says how they are meant.
    """

    code: str
    text: str
    level: str = WARNING


def warnings_of(content: Mapping[str, Any]) -> list[RecordWarning]:
    """Returns the warnings about a network, the gravest first.

    Args:
        content: Content of its record. What an older record does not say is no warning.
    """
    integrity, name = content["integrity"], content["name"]
    diverged = content["status"] == record_files.DIVERGED
    warnings = []
    if diverged:
        step = integrity.get("diverged_at_step")
        warnings.append(RecordWarning(DIVERGED, f"{name} diverged at step {step}: its loss is no longer finite"))
    elif not integrity.get("left_chance", True):
        text = f"{name} is not shown to be above chance: {_against_chance(content)}"
        warnings.append(RecordWarning(AT_CHANCE, text))
    elif _is_overfitted(content):
        warnings.append(RecordWarning(OVERFITTED, f"{name} is overfitted: {_apart(content)}"))
    if not integrity.get("frozen_blocks_unchanged", True):
        warnings.append(RecordWarning(NOT_FROZEN, f"{name}: frozen blocks changed while it trained"))
    if not diverged and not integrity.get("frozen_statistics_as_wanted", True):
        text = f"{name}: moving statistics of frozen blocks are not as --batch_norm says"
        warnings.append(RecordWarning(STATISTICS, text))
    if not diverged and not integrity.get("fine_tuned_blocks_moved", True):
        warnings.append(RecordWarning(NOT_MOVED, f"{name}: fine-tuned blocks did not move"))
    warnings += [*_leakage(content), *copies(content), *_duplicates(content), *_imbalance(content)]
    return sorted(warnings, key=lambda warning: CODES.index(warning.code))


def codes(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the codes of the warnings about a network, each once, the gravest first."""
    return tuple(dict.fromkeys(warning.code for warning in warnings_of(content)))


def notes(content: Mapping[str, Any]) -> list[RecordWarning]:
    """Returns notes about a network whose score can be trusted.

    Args:
        content: Content of its record.
    """
    inexact = [resumed for resumed in content.get("resumed", ()) if resumed.get("inexact")]
    if not inexact:
        return []
    where = "; ".join(f"at step {resumed['step']} ({', '.join(resumed['differences'])})" for resumed in inexact)
    text = f"{content['name']} was resumed inexactly {where}: bits may differ from those of an uninterrupted training"
    return [RecordWarning(RESUMED, text, NOTE)]


def _training_top1(content: Mapping[str, Any]) -> float | None:
    """Returns a network's top-1 on its training images, as augmented, in its last epoch; None if it is not known."""
    return next(reversed(content["history"].get("top1", ())), None)


def _is_overfitted(content: Mapping[str, Any]) -> bool:
    """Whether training top-1 far exceeds validation top-1; False where few images per class were asked for."""
    training, validation = _training_top1(content), content["result"].get("top1")
    known = training is not None and validation is not None and not content["identity"].get("images_per_class")
    return known and training - validation > MOST_APART


def _against_chance(content: Mapping[str, Any]) -> str:
    """Returns a network's score beside chance, the score that would be above it, the likely cause and what to try."""
    top1, chance = (content["result"].get(name) for name in ("top1", "chance"))
    images, text = content["cost"].get("validation_images"), f"top-1 {100 * top1:.1f} %"
    if not chance or not images:
        return text + _why_at_chance(content)
    text += f", chance {100 * chance:.1f} %"
    least = chance_level.least_above_chance(chance, images)
    if least > 1:
        return f"{text}; {images} validation images are too few to show it. Give it more of them"
    if least > top1:
        few = ", so these may be too few" if least - chance > _WIDE else ""
        text += f"; on {images} validation images it takes {100 * least:.1f} %{few}"
    return text + _why_at_chance(content)


def _why_at_chance(content: Mapping[str, Any]) -> str:
    """Returns the likely cause of a score at chance, and options to try."""
    steps, recipe = content["cost"].get("train_steps"), content["identity"].get("recipe", {})
    if _is_overfitted(content):
        return f"; {_apart(content)}"
    rate, training = recipe.get("learning_rate"), _training_top1(content)
    if training is not None and _has_learnt(content, training):
        scores = f"on its training images {100 * training:.1f} %"
        return f"; {scores}. Try more validation images, or more training images per class"
    if steps is not None and steps < config.FEW_STEPS:
        return f"; after only {steps} steps. Try --steps={config.LEAST_STEPS} or more"
    if training is None or not rate:
        return ""
    return f"; on its training images {100 * training:.1f} %. Try --learning_rate={rate / 3:.2g} or {rate * 3:.2g}"


def _has_learnt(content: Mapping[str, Any], training: float) -> bool:
    """Whether a network is well above chance on its training images."""
    chance, images = content["result"].get("chance"), content["cost"].get("train_images")
    return bool(chance and images) and training > chance + _WIDE and chance_level.left_chance(training, chance, images)


def _apart(content: Mapping[str, Any]) -> str:
    """Returns training and validation top-1, the likely cause of their gap, and what to try next."""
    recipe, cost = content["identity"].get("recipe", {}), content["cost"]
    scores = f"training top-1 {100 * _training_top1(content):.1f} %, validation {100 * content['result']['top1']:.1f} %"
    momentum = recipe.get("batch_norm_momentum")
    if momentum is not None and not (momentum and cost["train_steps"] * (1 - momentum) > _SETTLED):
        return (
            f"{scores}. Moving statistics of batch normalisation have not settled in {cost['train_steps']} steps "
            f"with --batch_norm_momentum={momentum:g}. Try --batch_norm_momentum=0.9, or more steps"
        )
    each = round(cost["train_images"] / content["identity"]["data"]["class_count"])
    tries = [] if recipe.get("augment") == "crop_mirror" else ["--augment=crop_mirror"]
    tries += [f"--weight_decay={10 * recipe['weight_decay']:g}"] if recipe.get("weight_decay") else []
    tries += ["fewer --epochs"]
    also = (
        f" If not, its batch normalisation lags: --learning_rate={recipe['learning_rate'] / 3:.2g}" if momentum else ""
    )
    return f"{scores}. It has {each} training images per class: give it more, or try {', '.join(tries)}.{also}"


def _leakage(content: Mapping[str, Any]) -> Iterator[RecordWarning]:
    """Warnings if a network's source was, or may have been, trained on classes that the network is scored on."""
    integrity, name = content["integrity"], content["name"]
    treatment = content["identity"].get("treatment", {})
    pretrained = integrity.get("pretrained_source")
    seen = integrity.get("target_classes_seen_by_source", 0)
    if pretrained and seen is None:
        why = "is not known"
        if pretrained.get("classes_known"):
            why = "cannot be compared: not one of their names stands for a class of this data set"
        yield RecordWarning(
            MAYBE_LEAK,
            f"{name}: which classes {pretrained['file']} was trained on {why}, so it may have seen those of its target",
        )
    source = treatment.get("source")
    if seen and source in treatments.HALVES and source != treatment.get("target"):
        who = pretrained["file"] if pretrained else f"its source base{source}"
        yield RecordWarning(LEAK, f"{name}: {who} was trained on {seen} classes of its target")


def copies(content: Mapping[str, Any]) -> Iterator[RecordWarning]:
    """Warnings if a network or its source was trained on copies of its validation images.

    Splits part classes, not images: the same image may be in two classes, or twice in one.
    """
    trained_on = content["integrity"].get("validation_images_trained_on", {})
    images = content["cost"].get("validation_images", 0)
    found = content["integrity"].get("duplicates", {})
    for who, by, where in _TRAINED:
        count = trained_on.get(by, 0)
        if count > MOST_COPIES * images:
            named = _named(found.get(where), "identical")
            yield RecordWarning(
                LEAK,
                f"{content['name']}: {who} was trained on copies of {count} of its {images} validation images; remove "
                f"one of each two from the data set; --exclude_duplicates leaves them out{named}",
            )


def _duplicates(content: Mapping[str, Any]) -> Iterator[RecordWarning]:
    """Warnings if validation images nearly equal images that were trained on, or images are in two classes."""
    found, name, cost = content["integrity"].get("duplicates", {}), content["name"], content["cost"]
    images = cost.get("validation_images", 0)
    for who, _, where in _TRAINED:
        part = found.get(where)
        if part and part["near"] and part["identical"] + part["near"] > MOST_COPIES * images:
            yield RecordWarning(
                DUPLICATES,
                f"{name}: {who} was trained on images that nearly equal {part['near']} of its {images} validation "
                f"images; --exclude_duplicates leaves them out{_named(part, 'near')}",
            )
    part, images = found.get("classes"), images + cost.get("train_images", 0)
    if part and (several := part["identical"] + (part["near"] or 0)) > MOST_COPIES * images:
        yield RecordWarning(
            DUPLICATES,
            f"{name}: {several} of its {images} images have copies in another class, {part['identical']} of them byte "
            f"for byte; remove the wrong ones{_named(part)}",
        )


def _named(part: Mapping[str, Any] | None, only: str = "") -> str:
    """Returns the names of the first images that have copies, of one kind or both, each with its copy, in brackets."""
    rows = [row for row in (part or {}).get("first", ()) if not only or row[2] == only]
    pairs = [f"{escaping.terminal(one)} = {escaping.terminal(other)}" for one, other, _ in rows]
    return f" ({', '.join(pairs[:_NAMED])}{' ...' if len(pairs) > _NAMED else ''})" if pairs else ""


def unbalanced(integrity: Mapping[str, Any]) -> dict[str, list[int]]:
    """Returns the images in the smallest and the largest class, for the subsets of a network that are unbalanced.

    Args:
        integrity: Part of its record. Older ones do not say how many images classes have.

    Returns:
        `training` and `validation`, as far as they are unbalanced, with the two numbers of images.
    """
    sizes = integrity.get("class_images", {})
    return {part: [few, many] for part, (few, many) in sizes.items() if many > MOST_TIMES * few}


def _imbalance(content: Mapping[str, Any]) -> Iterator[RecordWarning]:
    """A warning if a network's classes have very different numbers of images."""
    parts, mean = unbalanced(content["integrity"]), content["result"].get("per_class_top1")
    if parts:
        sizes = " and ".join(f"{few} to {many} {part} images" for part, (few, many) in parts.items())
        instead = "" if mean is None else f"; the mean over classes is {100 * mean:.1f} %"
        text = f"its classes have {sizes}, so top-1 mostly reflects the large ones{instead}"
        yield RecordWarning(UNBALANCED, f"{content['name']} is unbalanced: {text}")


def stale(record: Record, reference: Record) -> RecordWarning | None:
    """Returns a warning if a network's `minus_base` is to another training of its base than `reference`."""
    then = record.content.get("reference")
    if then is None or then["weights"] == reference.weights_digest:
        return None
    text = (
        f"{record.name} was compared with another training of {reference.name}, whose weights were not the same; "
        f"--force trains it again"
    )
    return RecordWarning(STALE, text)


def sound(record: Record) -> bool:
    """Whether a network ended as it should: with a finite loss, its frozen blocks unchanged."""
    return record.status == record_files.DONE and record.content["integrity"].get("frozen_blocks_unchanged", True)
