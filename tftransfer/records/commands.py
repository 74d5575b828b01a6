"""Commands as records and reports show them: they can be run, and name no folder of the machine that ran them."""

from collections.abc import Mapping
from typing import Any

from tftransfer.data import datasets

# What stands in the place of a path.
_FOLDER, _SPLIT = "--data_dir=FOLDER", "--split_file=FILE.json"
_NEED_FOLDER = set(datasets.OWN_DATASETS) - {"motifs"}


def paths(dataset: str, split: str, data_dir: str = "") -> list[str]:
    """Returns the options in the place of paths that a command cannot do without.

    Args:
        dataset: As in `--dataset`.
        split: As in `--split`, or the name of a split of that kind.
        data_dir: What was given: a set of TensorFlow Datasets lies in its own place unless something was.

    Example:
        >>> paths("folder", "random"), paths("cifar100", "file"), paths("motifs", "random0")
        (['--data_dir=FOLDER'], ['--split_file=FILE.json'], [])
    """
    found = [_FOLDER] if data_dir or dataset.partition(":")[0] in _NEED_FOLDER else []
    return found + ([_SPLIT] if split.startswith("file") else [])


def complete(command: str, identity: Mapping[str, Any]) -> str:
    """Returns the command of a record with what earlier versions left out of it.

    Args:
        command: As the record says it.
        identity: Of the record.
    """
    needed = paths(str(identity["recipe"]["dataset"]), str(identity["split"]))
    missing = [word for word in needed if word.partition("=")[0] not in command]
    return " ".join([command, *missing])
