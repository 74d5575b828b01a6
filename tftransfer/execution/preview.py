"""What a command is about to train, told before it does: images, halves, steps, weights, and what gives pause.

Nothing here imports TensorFlow, and no image is decoded.
"""

import contextlib
import dataclasses
import pathlib
import statistics
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tftransfer.data import datasets
from tftransfer.data.datasets import folder
from tftransfer.experiment import config, plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.records import identities, record_files
from tftransfer.system import escaping

_NAMES_SHOWN = 5
_SIDES_LOOKED_AT = 40
_ENLARGED = 1.5  # times the images' own side, from which on their pixels are mostly made up


@dataclasses.dataclass(frozen=True)
class Images:
    """The images of a data set, as far as they can be counted without reading them.

    Attributes:
        training: Of each class.
        validation: Of each class.
        side: Median side of some of them in pixels, the root of their area; None if it is not known.
        held_out: True if the validation images are a part of each class that no training sees, as there is no folder
            of them.
    """

    training: np.ndarray
    validation: np.ndarray
    side: float | None = None
    held_out: bool = False


def images(options: Config) -> Images | None:
    """Returns the images of the configured data set; None for a set of TensorFlow Datasets, which may not be there yet.

    Raises:
        DataSetError: If it cannot be used, for example because a class has no images.
    """
    if options.dataset not in datasets.OWN_DATASETS:
        return None
    source = datasets.open_dataset(options.dataset, options.data_dir or None)
    counts = [
        np.bincount(source.examples(split).labels(), minlength=len(source.class_names)) for split in datasets.SUBSETS
    ]
    held_out = options.dataset == "folder" and folder.validation_folder(options.data_dir) is None
    return Images(*counts, source.native_size or _median_side(source), held_out)


def _median_side(source: datasets.Dataset) -> float | None:
    """Returns the median side of some training images, from the first bytes of their files."""
    examples, sides = source.examples("train"), []
    for position in range(0, len(examples), max(1, len(examples) // _SIDES_LOOKED_AT)):
        path = getattr(examples[position], "path", None)
        # What cannot be read is named when images are prepared.
        with contextlib.suppress(Exception), Image.open(path) as image:
            sides.append((image.width * image.height) ** 0.5)
    return statistics.median(sides) if sides else None


def check(cells: Sequence[Cell], study: pathlib.Path, found: Images | None) -> None:
    """Refuses networks that cannot end well, as far as this is known before images are prepared.

    Args:
        cells: The networks.
        study: The study's folder.
        found: The images, None if they are not known yet.

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
        if found is not None:
            plan.check_recipe(cell, found.training)
        identities.find(study, cell)  # refuses a record of another network


def data_rows(options: Config, names: Sequence[str], found: Images | None) -> list[str]:
    """Returns what is known of the images: classes, counts, what is held out, sizes."""
    rows = [f"data set  {options.dataset}, {len(names)} classes"]
    if found is None:
        rows.append("images    not counted before the set is there; it is downloaded by the first run")
    else:
        from_where = "held out, which no training sees" if found.held_out else "for validation"
        rows.append(
            f"images    {found.training.sum():,} for training ({_extremes(found.training)} a class), "
            f"{found.validation.sum():,} {from_where} ({_extremes(found.validation)} a class)"
        )
    size = f"input     {options.input_size} x {options.input_size} pixels, {options.model}"
    return [*rows, size + (f"; images have about {found.side:.0f} a side" if found and found.side else "")]


def half_rows(split: splits.Split, names: Sequence[str], with_digest: bool = False) -> list[str]:
    """Returns the classes of both halves: how many, and the first names."""
    rows = [f"split     {split.name}"]
    for letter in treatments.LETTERS:
        classes = split.classes(letter)
        digest = f", SHA-256 of the sorted indices {splits.digest(classes)}" if with_digest else ""
        rows.append(f"half {letter}    {len(classes)} classes{digest}")
        rows.append(f"          {escaping.first([names[index] for index in classes], _NAMES_SHOWN)}")
    return rows


def steps(cell: Cell, found: Images | None) -> int | None:
    """Returns the steps of a network, None if they depend on images that are not known yet."""
    if found is None:
        return None if cell.treatment.longer_by else cell.config.steps or None
    return cell.training_config(found.training).train_steps(plan.training_images(cell, found.training))


def cautions(cells: Sequence[Cell], found: Images | None) -> list[str]:
    """Returns what a user should know before any of some networks is trained, one sentence each."""
    if not cells:
        return []
    options, said = cells[0].config, []
    short = [(count, cell) for cell in cells if (count := steps(cell, found)) and count < config.FEW_STEPS]
    if short:
        few, cell = min(short, key=lambda pair: pair[0])
        length = f"--steps={options.steps}" if options.steps else f"--epochs={options.epochs:g}"
        said.append(
            f"{cell.treatment.label} gets {few} steps, which may be too few: the default recipe needs some "
            f"{config.LEAST_STEPS}. Received: {length}. Leave it out, or use --steps={config.LEAST_STEPS} or more"
        )
    if found and found.side and options.input_size > _ENLARGED * found.side:
        smaller = max(32, round(found.side))
        share = (options.input_size / smaller) ** 2
        said.append(
            f"images of about {found.side:.0f} pixels a side are enlarged to {options.input_size}, which costs time "
            f"and adds nothing: --image_size={smaller} takes about 1/{share:.0f} of the time"
        )
    return said


def _extremes(counts: np.ndarray) -> str:
    few, many = int(counts.min()), int(counts.max())
    return str(few) if few == many else f"{few} to {many}"
