"""From options to prepared images: their size, their place, and their making."""

from collections.abc import Callable

from tftransfer.data import datasets, store
from tftransfer.data.datasets.dataset import SUBSETS
from tftransfer.data.store_pair import StorePair
from tftransfer.experiment.config import Config

VERIFIED_BYTES = 4_000_000_000
"""Size up to which a store is compared with its SHA-256, which takes two seconds or so."""


def stored_size(config: Config, native_size: int | None) -> int:
    """Returns the side of the stored images in pixels.

    Images keep their size where that leaves room for crops of the input, so that they are not blurred by a needless
    resize. Otherwise they are warped to the input's size and the paper's margin, as 256 is for 227.

    Args:
        config: The options.
        native_size: Side of all images of the data set in pixels, if they are square and of one size; else None.
    """
    size, with_slack = config.input_size, config.input_size + config.crop_slack
    if native_size and size < native_size <= with_slack + config.crop_slack:
        return native_size
    if native_size == size <= store.RAW_UP_TO:  # crops are padded then, which needs pixels
        return native_size
    return with_slack


def cache_folder(config: Config) -> str:
    """Returns the folder of prepared images, by default `tftransfer` in the user's cache."""
    return config.cache_dir or datasets.user_cache()


def dataset_of(config: Config) -> datasets.Dataset:
    """Returns the configured data set; no image is decoded."""
    return _opened(config, config.dataset, config.data_dir)


def _opened(config: Config, name: str, folder: str) -> datasets.Dataset:
    dataset = datasets.open_dataset(name, folder or None)
    return dataset.without_broken() if config.skip_broken else dataset


def prepare(config: Config, progress: Callable[[str], store.Progress] | None = None) -> store.Store | StorePair:
    """Returns the prepared images of the configured data sets, and makes them first where they are missing.

    Damaged files of a store are made again. Of stores of up to `VERIFIED_BYTES` every byte is compared with its
    SHA-256; of larger ones, which would take minutes, only files written to since the store was finished.

    Args:
        config: The options.
        progress: Returns a function, for the name of a data set, that is called with the progress of its preparation.
    """
    target = _prepare(config, dataset_of(config), progress and progress(config.dataset))
    if not config.source_dataset:
        return target
    source = _opened(config, config.source_dataset, config.source_dir)
    return StorePair(target, _prepare(config, source, progress and progress(config.source_dataset)))


def _prepare(config: Config, dataset: datasets.Dataset, progress: store.Progress | None) -> store.Store:
    cache, size = cache_folder(config), stored_size(config, dataset.native_size)
    small = dataset_bytes(dataset, size) <= VERIFIED_BYTES
    return store.prepare(dataset, cache, size, progress=progress, verify=small)


def dataset_bytes(dataset: datasets.Dataset, size: int) -> int:
    """Returns the most bytes that the images of a data set take, prepared with `size` pixels a side."""
    return sum(len(dataset.examples(subset)) for subset in SUBSETS) * size * size * 3
