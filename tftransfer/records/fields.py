"""The types and ranges of a record's parts, which are checked before anything reads them: it may come from anybody.

Parts that are not named here may be any JSON; those that are named must be present unless they are optional.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tftransfer.experiment import policies, treatments
from tftransfer.experiment.treatments import Treatment

STATUSES = ("done", "diverged")
_MOST_BLOCKS = 10_000
_MOST_CLASSES = 1_000_000
_LONGEST_NAME = 255  # of a folder
_LARGEST = 1e300  # of any number; the loss of a network that diverges is large, but no float is larger
_LARGEST_COUNT = 10**15

Fits = Callable[[Any], bool]


def fault(content: Any) -> str | None:
    """Returns the first fault in the content of a record; None if it can be used."""
    if not isinstance(content, dict):
        return "it is not a JSON object"
    for path, (fits, expected) in _FIELDS.items():
        part = _at(content, path.rstrip("?"))
        if part is _MISSING:
            if not path.endswith("?"):
                return f"{path} is missing"
        elif not fits(part):
            return f"{path.rstrip('?')} is wrong: expected {expected}; received {shown(part)}"
    return _treatment_fault(content) or _score_fault(content)


def shown(value: Any) -> str:
    """Returns a value from a record for a message: short, and without control characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_name(value: Any) -> bool:
    """Whether a value is safe as the name of a network and of its folder."""
    fine = isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()
    return fine and not value.startswith(".") and not {"/", "\\"} & set(value)


def _treatment_fault(content: Mapping[str, Any]) -> str | None:
    """Returns the fault of the treatment in an identity; None if there is none."""
    parts = content["identity"]["treatment"]
    try:
        treatment = Treatment(**parts)
        fine = _is_policy(treatment) and bool(treatments.role(treatment) and treatment.label)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        return f"it was written by another version of tftransfer; its treatment: {type(error).__name__}: {error}"
    kinds = {"n": _is_block, "preserve": _is_block, "release_step": _is_count, "fine_tuned": _is_flag}
    wrong = [name for name, fits in kinds.items() if not fits(getattr(treatment, name))]
    letters = (None, *treatments.SOURCES)
    wrong += [] if treatment.source in letters and treatment.target in treatments.TARGETS else ["source or target"]
    wrong += [] if treatment.longer_by in ("", *treatments.HALVES) else ["longer_by"]
    wrong += [] if isinstance(treatment.pretrained, str) else ["pretrained"]
    wrong += [] if fine else ["policy"]
    return f"the treatment in its identity is wrong: {', '.join(wrong)}" if wrong else None


def _is_policy(treatment: Treatment) -> bool:
    """Whether the policy of a treatment is one of a finished network, or empty; ValueError if it is none at all."""
    if not treatment.policy:
        return treatment.policy == ""
    whole = policies.parse(treatment.policy) == treatment.policy and policies.REST not in treatment.policy
    return whole and not treatment.is_base and len(policies.decisions(treatment.policy)) <= _MOST_BLOCKS


def _score_fault(content: Mapping[str, Any]) -> str | None:
    """Returns the fault of top-1 and weights, which only a network that diverged lacks; None if there is none."""
    top1, weights = content["result"]["top1"], content["weights"]["sha256"]
    if content["status"] == "done" and not (_is_number(top1) and 0 <= top1 <= 1):
        return f"its top1 is not from 0 to 1: {shown(top1)}"
    if content["status"] == "done" and not _is_text(weights):
        return f"weights.sha256 is wrong: expected a text; received {shown(weights)}"
    return None


def _at(content: Any, path: str) -> Any:
    """Returns the part at a path of names with dots between; `_MISSING` if there is none."""
    for name in path.split("."):
        if not isinstance(content, dict) or name not in content:
            return _MISSING
        content = content[name]
    return content


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _is_whole(value: Any, low: int = 0, high: int = 2**63) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _is_count(value: Any) -> bool:
    return _is_whole(value, high=_LARGEST_COUNT)


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_block(value: Any) -> bool:
    return _is_whole(value, high=_MOST_BLOCKS)


def _or_none(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _is_history(value: Any) -> bool:
    """Whether a value is columns of equal length, of numbers and null."""
    columns = list(value.values()) if isinstance(value, dict) else [0]
    fine = all(isinstance(column, list) and all(map(_or_none(_is_number), column)) for column in columns)
    return fine and len({len(column) for column in columns}) <= 1


def _are_sizes(value: Any) -> bool:
    """Whether a value is the images of the smallest and of the largest class, by subset."""
    pairs = value.values() if isinstance(value, dict) else [0]
    return all(isinstance(pair, list) and len(pair) == 2 and all(map(_is_count, pair)) for pair in pairs)


def _are_duplicates(value: Any) -> bool:
    """Whether a value is images with copies, by kind: how many byte for byte, how many nearly, and pairs of names."""
    return isinstance(value, dict) and all(
        isinstance(part, dict)
        and set(part) == {"identical", "near", "first"}
        and _is_count(part["identical"])
        and _or_none(_is_count)(part["near"])
        and isinstance(part["first"], list)
        and all(isinstance(names, list) and len(names) == 3 and all(map(_is_text, names)) for names in part["first"])
        for part in value.values()
    )


def _are_parts(value: Any) -> bool:
    return isinstance(value, dict)


def _are_scalars(value: Any) -> bool:
    return isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values())


_MISSING = object()
_FLAG, _TEXT, _COUNT = (_is_flag, "true or false"), (_is_text, "a text"), (_is_count, "a whole number")
_NUMBER, _SCORE = (_is_number, "a number"), (_or_none(_is_number), "a number or null")
_PARTS = (_are_parts, "an object")
_TEXTS = (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of texts")
# By path; those with a question mark need not be there.
_FIELDS: dict[str, tuple[Fits, str]] = {
    "name": (is_name, "the name of a folder"),
    "key": _TEXT,
    "status": (lambda value: value in STATUSES, " or ".join(STATUSES)),
    "treatment": _PARTS,
    "treatment.label?": _TEXT,
    "identity": _PARTS,
    "identity.protocol": _COUNT,
    "identity.data.fingerprint": _TEXT,
    "identity.data.class_count": (lambda value: _is_whole(value, 2, _MOST_CLASSES), "2 classes or more"),
    "identity.images_per_class": _COUNT,
    "identity.recipe.dataset": _TEXT,
    "identity.recipe.model": _TEXT,
    "identity.split": _TEXT,
    "identity.seed": (_is_whole, "a whole number"),
    "identity.treatment": (_are_scalars, "the parts of a treatment"),
    "identity.source": (_or_none(_are_scalars), "null, or the identity of the source"),
    "result.top1": _SCORE,
    "result.minus_base": _SCORE,
    "result.top5?": _SCORE,
    "result.per_class_top1?": _SCORE,
    "result.cross_entropy?": _SCORE,
    "result.chance?": _SCORE,
    "integrity": _PARTS,
    "integrity.left_chance?": (_or_none(_is_flag), "true, false or null"),
    "integrity.frozen_blocks_unchanged?": _FLAG,
    "integrity.frozen_statistics_as_wanted?": _FLAG,
    "integrity.fine_tuned_blocks_moved?": _FLAG,
    "integrity.frozen_blocks?": _TEXTS,
    "integrity.fine_tuned_blocks?": _TEXTS,
    "integrity.diverged_at_step?": (_or_none(_is_count), "a step or null"),
    "integrity.class_images?": (_are_sizes, "the images of the smallest and the largest class"),
    "integrity.target_classes_seen_by_source?": (_or_none(_is_count), "a whole number or null"),
    "identity.exclude_duplicates?": _FLAG,
    "integrity.validation_images_excluded?": _COUNT,
    "integrity.duplicates?": (_are_duplicates, "counts of images with copies, and names of the first, by kind"),
    "integrity.validation_images_trained_on?": (_are_counts, "whole numbers by who trained on them"),
    "integrity.images_left_out?": (_PARTS[0], "an object"),
    "integrity.steps?": (_or_none(_is_count), "a whole number or null"),
    "integrity.steps_of_source?": (_or_none(_is_count), "a whole number or null"),
    "integrity.trained_from_features?": _FLAG,
    "integrity.pretrained_source?": (
        lambda v: isinstance(v, dict) and _is_text(v.get("file")),
        "an object with a file",
    ),
    "cost": _PARTS,
    "cost.seconds": _NUMBER,
    "cost.images_per_second?": _NUMBER,
    "cost.train_seconds?": _NUMBER,
    "cost.train_steps?": _COUNT,
    "cost.train_images?": _COUNT,
    "cost.validation_images?": _COUNT,
    "cost.trained_parameters?": _COUNT,
    "weights.kept": _FLAG,
    "weights.sha256": (_or_none(_is_text), "a text, or null if it diverged"),
    "weights.file_sha256?": _TEXT,
    "weights.architecture_sha256?": _TEXT,
    "history": (_is_history, "columns of numbers or null, equally long"),
    "reference?": (_or_none(lambda v: isinstance(v, dict) and _is_text(v.get("weights"))), "null, or a base's weights"),
    "command?": _TEXT,
    "finished?": _TEXT,
    "versions?": _PARTS,
    "machine?": _PARTS,
    "warnings?": _TEXTS,
}
