"""A preview of what a command trains: images, halves, steps, weights, and cautions.

Nothing here imports TensorFlow, and no image is decoded.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from tftransfer.data import datasets
from tftransfer.experiment import config, plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.records import identities, record_files
from tftransfer.system import escaping

_NAMES_SHOWN = 5
_ENLARGED = 1.5  # times the images' own side, from which on their pixels are mostly made up


@dataclasses.dataclass(frozen=True)
class Images:
    """The images of a data set, as far as they can be counted without reading them.

    Attributes:
        training: Of each class.
        validation: Of each class.
        side: Median side of some of them in pixels, the root of their area; None if it is not known.
        held_out: Whether the validation images are a part of each class that no training sees, as there is no folder
            of them.
        source_classes: Number of the last classes, which are those of `--source_dataset`.
    """

    training: np.ndarray
    validation: np.ndarray
    side: float | None = None
    held_out: bool = False
    source_classes: int = 0


def images(options: Config) -> Images | None:
    """Returns the images of the configured data set; None for a set of TensorFlow Datasets, which may not be there yet.

    Raises:
        DataSetError: If it cannot be used, for example because a class has no images.
    """
    own = _images_of(options.dataset, options.data_dir)
    if not options.source_dataset or own is None:
        return own
    others = _images_of(options.source_dataset, options.source_dir)
    if others is None:
        return None
    both = [np.concatenate([getattr(one, name) for one in (own, others)]) for name in ("training", "validation")]
    return dataclasses.replace(own, training=both[0], validation=both[1], source_classes=len(others.training))


def _images_of(dataset: str, data_dir: str) -> Images | None:
    """Returns the images of one data set."""
    if dataset not in datasets.OWN_DATASETS:
        return None
    source = datasets.open_dataset(dataset, data_dir or None)
    counts = [
        np.bincount(source.examples(subset).labels(), minlength=len(source.class_names)) for subset in datasets.SUBSETS
    ]
    return Images(*counts, datasets.median_side(source), datasets.is_held_out(dataset, data_dir))


def check(cells: Sequence[Cell], study: pathlib.Path, counted: Images | None) -> None:
    """Refuses networks that cannot end well, as far as this is known before images are prepared.

    Args:
        cells: The networks.
        study: The study's folder.
        counted: The images, None if they are not known yet.

    Raises:
        ValueError: If a recipe does not fit its images, a record of another configuration is in the way, or the folder
            of studies cannot be written.
    """
    runs = study.parent
    if runs.exists():
        record_files.check_writable(runs)
    else:
        above = next(path for path in runs.absolute().parents if path.exists())
        record_files.refuse_unwritable(above, "runs folder", "--runs_dir")
    for cell in cells:
        if counted is not None:
            plan.check_recipe(cell, counted.training)
        identities.find(study, cell)  # refuses a record of another network


def data_rows(options: Config, names: Sequence[str], counted: Images | None) -> list[str]:
    """Returns rows on the images: classes, counts, what is held out, sizes."""
    if counted is None:
        both = f" and of {options.source_dataset}" if options.source_dataset else ""
        rows = [f"data set  {options.dataset}{both}, {len(names)} classes"]
        rows.append("images    not counted before the set is there; it is downloaded by the first run")
    else:
        first = len(names) - counted.source_classes
        own = dataclasses.replace(counted, training=counted.training[:first], validation=counted.validation[:first])
        rows = _counted_rows(options.dataset, own)
        if counted.source_classes:
            others = Images(counted.training[first:], counted.validation[first:])
            rows += _counted_rows(f"{options.source_dataset}, the source", others)
    size = f"input     {options.input_size} x {options.input_size} pixels, {options.model}"
    return [*rows, size + (f"; images have about {counted.side:.0f} a side" if counted and counted.side else "")]


def _counted_rows(dataset: str, counted: Images) -> list[str]:
    """Returns two rows on the images of one data set."""
    from_where = "held out, which no training sees" if counted.held_out else "for validation"
    return [
        f"data set  {dataset}, {len(counted.training)} classes",
        f"images    {counted.training.sum():,} for training ({_extremes(counted.training)} a class), "
        f"{counted.validation.sum():,} {from_where} ({_extremes(counted.validation)} a class)",
    ]


def half_rows(split: splits.Split, names: Sequence[str], with_digest: bool = False) -> list[str]:
    """Returns rows on both halves: the number of classes, and the first names."""
    rows = [f"split     {split.name}"]
    for letter in treatments.HALVES:
        classes = split.classes(letter)
        if not classes:
            continue
        digest = f", SHA-256 of the sorted indices {splits.digest(classes)}" if with_digest else ""
        rows.append(f"{'task' if split.is_whole else 'half'} {letter}    {len(classes)} classes{digest}")
        rows.append(f"          {escaping.first([names[index] for index in classes], _NAMES_SHOWN)}")
    return rows


def steps(cell: Cell, counted: Images | None) -> int | None:
    """Returns the steps of a network, None if they depend on images that are not known yet."""
    if counted is None:
        return None if cell.treatment.longer_by else cell.config.steps or None
    return cell.training_config(counted.training).train_steps(plan.training_images(cell, counted.training))


def cautions(cells: Sequence[Cell], counted: Images | None) -> list[str]:
    """Returns cautions before some networks are trained, one sentence each."""
    if not cells:
        return []
    options, sentences = cells[0].config, []
    lengths = [(steps(cell, counted), cell) for cell in cells]
    short = [(length, cell) for length, cell in lengths if length and length < config.FEW_STEPS]
    if short:
        length, cell = min(short, key=lambda pair: pair[0])
        option = f"--steps={options.steps}" if options.steps else f"--epochs={options.epochs:g}"
        sentences.append(
            f"{cell.treatment.label} gets {length} steps, which may be too few: the default recipe needs some "
            f"{config.LEAST_STEPS}. Received: {option}. Leave it out, or use --steps={config.LEAST_STEPS} or more"
        )
    if counted and counted.side and options.input_size > _ENLARGED * counted.side:
        smaller = max(32, round(counted.side))
        times = (options.input_size / smaller) ** 2
        sentences.append(
            f"images of about {counted.side:.0f} pixels a side are enlarged to {options.input_size}, which costs time "
            f"and adds nothing: --image_size={smaller} takes about 1/{times:.0f} of the time"
        )
    return sentences


def _extremes(counts: np.ndarray) -> str:
    few, many = int(counts.min()), int(counts.max())
    return str(few) if few == many else f"{few} to {many}"
