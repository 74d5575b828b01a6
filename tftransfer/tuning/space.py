"""The search space: values of each tuned option around those of the starting recipe."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from tftransfer.experiment.config import Config
from tftransfer.models import catalog

Choices = dict[str, tuple[Any, ...]]

# In the order in which a grid steps through them: the last one first.
TUNED = ("initializer", "batch_size", "epochs", "dropout", "weight_decay", "width", "learning_rate")
# Option of the command with a list of values -> the tuned option.
LISTS = {
    "learning_rates": "learning_rate",
    "weight_decays": "weight_decay",
    "dropouts": "dropout",
    "widths": "width",
    "batch_sizes": "batch_size",
    "initializers": "initializer",
    "lengths": "epochs",
}
_FACTORS = {
    "learning_rate": (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8),
    "weight_decay": (0, 1 / 5, 1, 5),
    "width": (0.6, 1, 1.4, 2),
    "batch_size": (1 / 2, 1, 2),
    "epochs": (1 / 2, 1, 2),
}
_DROPOUTS = (0.0, 0.25, 0.5)
_WEIGHT_DECAY_IF_NONE = 5e-4  # the paper's: the unit of the others if the search starts without


def around(start: Config, lists: Mapping[str, str]) -> tuple[Config, Choices]:
    """Returns the starting recipe of a search, and the values that it tries.

    Args:
        start: The options; their values are tried first, the others lie around them.
        lists: Comma-separated values by option of `LISTS`; they replace the default values where they are not empty.

    Returns:
        `start`, with the first value of a list where the list does not have its own; and the values of each of `TUNED`,
        numbers ascending.

    Raises:
        ValueError: If a value is not valid for its option, or if the length is given in steps.
    """
    if start.steps:
        raise ValueError(
            f"A search tries lengths in epochs. Use --epochs or --lengths. Received: --steps={start.steps}"
        )
    choices = {field: _ours(start, field) for field in TUNED}
    for name, field in LISTS.items():
        if lists.get(name):
            choices[field] = _listed(start, name, lists[name])
            if getattr(start, field) not in choices[field]:
                start = dataclasses.replace(start, **{field: choices[field][0]})
    ordered = {f: v if f == "initializer" else tuple(sorted(v)) for f, v in choices.items()}
    return start, ordered


def _ours(start: Config, field: str) -> tuple[Any, ...]:
    """Returns the default values of an option: its own and others around it."""
    own = getattr(start, field)
    if field == "initializer":
        tried = catalog.INITIALIZERS
    elif field == "dropout":
        tried = _DROPOUTS
    else:
        unit = own or _WEIGHT_DECAY_IF_NONE
        tried = tuple(type(own)(_two_digits(factor * unit)) for factor in _FACTORS[field] if factor != 1)
    values = [own]
    for value in tried:
        with contextlib.suppress(ValueError):  # beyond what the option allows, or not divisible by the replicas
            dataclasses.replace(start, **{field: value})
            values.append(value)
    return tuple(dict.fromkeys(values))


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}") if value < 10 else round(value)


def _listed(start: Config, name: str, text: str) -> tuple[Any, ...]:
    """Returns the values that a user listed."""
    field = LISTS[name]
    kind = type(getattr(start, field))
    values = []
    for word in text.split(","):
        try:
            values.append(kind(word))
        except ValueError as error:
            kinds = {int: "whole numbers", float: "numbers", str: "names"}[kind]
            raise ValueError(
                f"Bad --{name}. Expected {kinds} with commas between them. Received: {word!r} in {text!r}"
            ) from error
        dataclasses.replace(start, **{field: values[-1]})  # raises ValueError with what the option allows
    return tuple(dict.fromkeys(values))


def fitting(choices: Choices, images: int) -> Choices:
    """Returns the choices without batches that are larger than the training images."""
    return choices | {"batch_size": tuple(size for size in choices["batch_size"] if size <= images)}


def tuned(config: Config) -> dict[str, Any]:
    """Returns the values of the tuned options."""
    return {field: getattr(config, field) for field in TUNED}


def recipe(start: Config, values: Mapping[str, Any], images: int) -> Config:
    """Returns the options of a recipe.

    Lengths of `start` in steps or epochs, of its warm-up and between drops of the learning rate, are scaled with the
    length of training.

    Args:
        start: The options that the search starts from.
        values: Values of tuned options.
        images: Number of training images, which decides the number of steps.
    """
    changed = dataclasses.replace(start, **values)
    ratio = changed.train_steps(images) / start.train_steps(images)
    if ratio == 1 and changed.epochs == start.epochs:
        return changed
    return dataclasses.replace(
        changed,
        warmup_steps=round(start.warmup_steps * ratio),
        drop_steps=max(1, round(start.drop_steps * ratio)) if start.drop_steps else 0,
        drop_epochs=start.drop_epochs * changed.epochs / start.epochs,
    )


def describe(values: Mapping[str, Any]) -> str:
    """Returns the values of a recipe in one line."""
    return ", ".join(f"{name} {short(values[name])}" for name in reversed(TUNED))


def short(value: Any) -> str:
    """Returns one value as short text."""
    return f"{value:g}" if isinstance(value, float) else str(value)
