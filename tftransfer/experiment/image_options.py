"""Options that only the images can tell, filled in once, when a command starts.

A data set that a function makes becomes `arrays` in the cache, and the size of the input follows the images. Names of
studies and records then have the numbers.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from tftransfer.data import datasets
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.system import escaping

ConfigT = TypeVar("ConfigT", bound=Config)


def resolve(options: ConfigT, say: Callable[[str], None] | None = None, described_size: int | None = None) -> ConfigT:
    """Returns options without data sets of functions, and with the size of the input where it follows the images.

    Options that have an `image_size`, or a data set whose default size is known by name, keep them.

    Args:
        options: The options.
        say: Called with one line for each choice, and its reason.
        described_size: Side in pixels of the images that pretrained weights are described for; it is then the default.

    Raises:
        DataSetError: If a data set cannot be used.
    """
    say = say or escaping.say
    for name, folder in (("dataset", "data_dir"), ("source_dataset", "source_dir")):
        if datasets.functions.is_function(dataset := getattr(options, name)):
            data_dir = getattr(options, folder) or None
            path = datasets.functions.write_to_cache(dataset, data_dir, prepared_images.cache_folder(options))
            say(f"{name:<10}{dataset} was called, its images are kept: --{name}=arrays --{folder}={path}")
            options = dataclasses.replace(options, **{name: "arrays", folder: path})
    if options.image_size:
        return options
    if described_size:
        say(f"input     {described_size} x {described_size} pixels, as --pretrained is described")
        return dataclasses.replace(options, image_size=described_size)
    if not datasets.follows_images(options.dataset):
        return options
    side = datasets.median_side(datasets.open_dataset(options.dataset, options.data_dir or None))
    size = datasets.suggested_input(side, catalog.smallest_side(options.model))
    about = f"images have about {side:.0f} a side" if side else "the size of the images is not known"
    say(f"input     {size} x {size} pixels, as {about}; --image_size=N sets another")
    return dataclasses.replace(options, image_size=size)
