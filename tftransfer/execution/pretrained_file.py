"""From the options about pretrained weights to their file, what is known of it, and the input of all networks."""

import dataclasses
import pathlib
from collections.abc import Collection
from typing import Generic, TypeVar

from tftransfer.experiment.config import Config
from tftransfer.models import catalog, preprocessing
from tftransfer.pretrained import description, files, imagenet
from tftransfer.pretrained.description import IMAGENET, Description

ConfigT = TypeVar("ConfigT", bound=Config)


@dataclasses.dataclass(frozen=True)
class PretrainedFile(Generic[ConfigT]):
    """The file of --pretrained, before Keras has seen it.

    Attributes:
        path: The file.
        described: Its description, or what options say in the place of one.
        config: The options, with the input that the weights know as --pretrained_preprocessing.
        notes: Lines for the user about what was assumed.
    """

    path: pathlib.Path
    described: Description
    config: ConfigT
    notes: tuple[str, ...] = ()


IMAGENET_SIZE = 224  # pixels a side, on which nearly all models of keras.applications were trained


def known_size(config: Config) -> int | None:
    """Returns the side in pixels of the images that the weights of --pretrained were trained on; None if unknown."""
    if not config.pretrained:
        return None
    if config.pretrained == IMAGENET:
        return IMAGENET_SIZE
    path = pathlib.Path(config.pretrained)
    return files.opened(path).image_size if description.beside(path).exists() else None


def opened(config: ConfigT, given: Collection[str] = (), download: bool = True) -> PretrainedFile[ConfigT]:
    """Returns the file of --pretrained after checks; no array of it is read.

    Keras is asked only for the file of `imagenet`, and in a process of its own.

    Args:
        config: The options.
        given: Names of those which the user set.
        download: True lets Keras download weights that are not in its cache.

    Raises:
        ValueError: If there is no such file, it is not safe to read, or options contradict what is known of it.
    """
    if config.pretrained == IMAGENET:
        path, url = imagenet.located(config.model, download)
        described, notes = imagenet.described(config.model, path, url, config.input_size), ()
    else:
        path = pathlib.Path(config.pretrained)
        description.size_of(path)
        told = description.beside(path).exists()
        described, notes = (files.opened(path), ()) if told else _without_description(path, config)
    _check_input(path, described, config)
    described = _with_classes(path, described, config)
    completed = dataclasses.replace(config, pretrained_preprocessing=config.pretrained_preprocessing or described.input)
    completed.refuse_unused(given)
    return PretrainedFile(path, described, completed, notes)


def _without_description(path: pathlib.Path, config: Config) -> tuple[Description, tuple[str, ...]]:
    """Returns what options, or the model's name, say of a file, and what was assumed."""
    model, chosen, notes = catalog.label(config.model), config.pretrained_preprocessing, ()
    if chosen:
        known = config.preprocessing
    elif config.model in catalog.APPLICATIONS:
        known = preprocessing.of_application(config.model)
        notes = (
            f"pretrained   {path.name} has no description; its input is taken to be that of {model} in "
            f"keras.applications ({known.text}); --pretrained_preprocessing says another",
        )
    else:
        raise ValueError(
            f"What input do the weights in {path} know? Expected --pretrained_preprocessing with one of "
            f"{preprocessing.EXPECTED}; or the description {description.beside(path).name}, which "
            f"`python -m tftransfer.describe` makes. Received neither, and --model={config.model} does not tell it."
        )
    return files.undescribed(path, model, config.input_size, known, None if known else config.pixel_scale), notes


def _check_input(path: pathlib.Path, described: Description, config: Config) -> None:
    """Raises ValueError if the options name another input than the weights know."""
    chosen = config.pretrained_preprocessing
    if chosen and config.preprocessing != described.preprocessing:
        raise ValueError(
            f"The weights in {path} know another input: {described.input} by their description, "
            f"--pretrained_preprocessing={chosen} here. Leave the option out."
        )


def _with_classes(path: pathlib.Path, described: Description, config: Config) -> Description:
    """Returns a description with the classes of --pretrained_classes."""
    if not config.pretrained_classes:
        return described
    is_imagenet = config.pretrained_classes == IMAGENET
    names = imagenet.classes() if is_imagenet else files.class_names(config.pretrained_classes)
    if described.trained_on not in (None, names) or described.classes not in (None, len(names)):
        raise ValueError(
            f"The description of {path} knows {described.classes} classes, --pretrained_classes="
            f"{config.pretrained_classes} names {'others' if described.classes == len(names) else len(names)}. Leave "
            f"the option out, or correct it."
        )
    return dataclasses.replace(described, trained_on=names, classes=len(names))
