"""Commands as records and reports show them: complete, and without the folders of the machine that ran them."""

from collections.abc import Mapping
from typing import Any

from tftransfer.data import datasets

# Placeholders of paths.
_FOLDER, _SOURCE, _SPLIT = "--data_dir=FOLDER", "--source_dir=FOLDER", "--split_file=FILE.json"


def paths(dataset: str, split: str, data_dir: str = "", source_dataset: str = "") -> list[str]:
    """Returns the options with paths that a command needs, with placeholders for the paths.

    Args:
        dataset: As in `--dataset`.
        split: As in `--split`, or the name of a split of that kind.
        data_dir: As in `--data_dir`; empty if it was not given, as TensorFlow Datasets have a default.
        source_dataset: As in `--source_dataset`.

    Example:
        >>> paths("folder", "random"), paths("cifar100", "file"), paths("motifs", "random0")
        (['--data_dir=FOLDER'], ['--split_file=FILE.json'], [])
    """
    own, of_source = (datasets.OWN_DATASETS.get(name) for name in (dataset, source_dataset))
    options = [_FOLDER] if data_dir or (own and own.needs_folder) else []
    options += [_SOURCE] if of_source and of_source.needs_folder else []
    return options + ([_SPLIT] if split.startswith("file") else [])


def complete(command: str, identity: Mapping[str, Any]) -> str:
    """Returns the command of a record with the options of paths that earlier versions left out.

    Args:
        command: The record's command.
        identity: The record's identity.
    """
    recipe = identity["recipe"]
    needed = paths(str(recipe["dataset"]), str(identity["split"]), "", str(recipe.get("source_dataset", "")))
    missing = [word for word in needed if word.partition("=")[0] not in command]
    return " ".join([command, *missing])
