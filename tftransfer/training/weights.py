"""Trained weights on disk, and networks made from them."""

import os
import pathlib
from typing import Any

from tftransfer import records, transfer
from tftransfer.config import Config
from tftransfer.records import Record
from tftransfer.training import trainer
from tftransfer.transfer import Weights


def save(path: pathlib.Path, config: Config, classes: int, weights: Weights) -> None:
    """Writes weights as Keras does, atomically."""
    with trainer.dtype_policy(config.precision):
        model = trainer.build_model(config, classes)
    transfer.copy_layers(weights, model)
    partial = path.with_name(f".partial-{os.getpid()}.weights.h5")
    try:
        model.save_weights(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(record: Record, config: Config, classes: int) -> Weights | None:
    """Returns the weights kept with a record, or None if they are missing or not those that were recorded."""
    if record.weights_file is None:
        return None
    with trainer.dtype_policy(config.precision):
        model = trainer.build_model(config, classes)
    try:
        model.load_weights(record.weights_file)
    except (OSError, ValueError, KeyError, RuntimeError):  # truncated or foreign: h5py and Keras raise any of these
        return None
    weights = transfer.weights_of(model)
    return weights if records.weights_digest(weights) == record.weights_digest else None


def load(folder: str | os.PathLike) -> Any:
    """Returns the Keras model of a finished network, with its trained weights.

    Args:
        folder: The network's folder, `runs/<study>/<network>`.

    Raises:
        ValueError: If there is no record, or its weights were not kept or are damaged.
    """
    record = records.read(pathlib.Path(folder))
    if record is None:
        raise ValueError(f"No finished network in {folder}. Expected a folder with {records.RECORD}.")
    config = _config(record)
    classes = record.identity["data"]["class_count"]
    weights = read(record, config, classes)
    if weights is None:
        raise ValueError(
            f"The weights of {record.name} were not kept, or are not those of its record. Train it again with "
            f"--keep_weights --force."
        )
    with trainer.dtype_policy(config.precision):
        model = trainer.build_model(config, classes)
    transfer.copy_layers(weights, model)
    return model


def _config(record: Record) -> Config:
    """Returns the options that decide the network's architecture; no others are needed to load it."""
    wanted = ("image_size", "model", "width", "dropout", "initializer", "precision")
    return Config(**{name: record.identity["recipe"][name] for name in wanted})
