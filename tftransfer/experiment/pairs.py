"""The pair of tasks A and B of a study: halves of one data set, two data sets, or pretrained weights and a data set.

The classes of two data sets are numbered together: those of B first, then those of A.
"""

from collections.abc import Sequence

from tftransfer.data import datasets
from tftransfer.experiment import splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.splits import Split


def describe_classes(config: Config) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Returns names and kinds of all classes, those of the source's data set last, without reading an image.

    Raises:
        DataSetError: If a data set is not known, or its names cannot be found.
    """
    names, kinds = datasets.describe_classes(config.dataset, config.data_dir or None)
    if not config.source_dataset:
        return names, kinds
    more, more_kinds = datasets.describe_classes(config.source_dataset, config.source_dir or None)
    return (*names, *more), (*kinds, *more_kinds)


def split_of(
    config: Config,
    names: Sequence[str],
    kinds: Sequence[str | None] | None,
    kind: str | None = None,
    split_seed: int | None = None,
) -> Split:
    """Returns the classes of A and of B.

    Args:
        config: The options.
        names: Names of all classes, as of `describe_classes` or of the prepared images.
        kinds: Kinds of these.
        kind: Kind of split; by default that of the options.
        split_seed: Seed of a random split; by default that of the options.

    Raises:
        ValueError: If the split cannot be made.
    """
    kind = config.split if kind is None else kind
    if kind == splits.WHOLE and config.source_dataset:
        of_source = len(datasets.describe_classes(config.source_dataset, config.source_dir or None)[0])
        return splits.whole(len(names) - of_source, of_source, config.source_dataset)
    seed = config.split_seed if split_seed is None else split_seed
    return splits.make(kind, names, kinds, seed, config.split_file or None)
