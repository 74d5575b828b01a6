"""Trained weights on disk, and networks made from them."""

import errno
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

from tftransfer import transfer
from tftransfer.experiment import policies
from tftransfer.experiment.config import Config
from tftransfer.experiment.treatments import Treatment
from tftransfer.models import architectures, catalog
from tftransfer.models.blocks import Block, blocks
from tftransfer.models.shortened import shortened
from tftransfer.pretrained import hdf5
from tftransfer.records import inputs, record_files
from tftransfer.records.record_files import Record
from tftransfer.system import atomic, untrusted_files
from tftransfer.training import batch_norm, trainer
from tftransfer.transfer import Weights

_BYTES_AROUND_ARRAYS, _BYTES_AROUND_AN_ARRAY = 40_000, 2_500  # at most, of groups and names in the file


def save(path: pathlib.Path, config: Config, classes: int, weights: Weights, decisions: str = "") -> dict[str, str]:
    """Writes weights as Keras does, atomically, and beside them the whole architecture if it is not built in.

    Args:
        path: The file.
        config: The options of the network.
        classes: Its number of classes.
        weights: By layer name.
        decisions: One letter for each block, as `trainer.build_model` takes them.

    Returns:
        The SHA-256 of each file, for the record. Damaged files are then recognised before anything parses them.

    Raises:
        OSError: If there is no room.
    """
    with trainer.dtype_policy(config.precision):
        whole = trainer.build_model(config, classes)
        model = trainer.build_model(config, classes, decisions=decisions) if policies.DROP in decisions else whole
    transfer.copy_layers(weights, model)
    described, digests = architectures.text_of(whole, config.architecture), {}
    if described:
        atomic.write_text(path.with_name(record_files.ARCHITECTURE), described)
        digests["architecture_sha256"] = record_files.file_digest(path.with_name(record_files.ARCHITECTURE))
    _require_room(path, weights)
    partial = path.with_name(f".partial-{os.getpid()}.weights.h5")
    try:
        try:
            model.save_weights(partial)
        except (OSError, RuntimeError) as error:  # on a full disk HDF5 raises a text of many lines
            reason = os.strerror(error.errno) if getattr(error, "errno", None) else " ".join(str(error).split())
            raise OSError(f"Cannot write {path}: {reason}") from error
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        digests["file_sha256"] = record_files.file_digest(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return digests


def _require_room(path: pathlib.Path, weights: Weights) -> None:
    """Raises OSError if there is no room for weights: HDF5, once it has met a full disk, may end the whole process."""
    arrays = [array for of in weights.values() for array in of]
    needed = sum(array.nbytes for array in arrays) + _BYTES_AROUND_ARRAYS + _BYTES_AROUND_AN_ARRAY * len(arrays)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(f"Cannot write {path}: {os.strerror(errno.ENOSPC)}; it needs {needed:,} bytes")


def read(record: Record, config: Config, classes: int) -> Weights | None:
    """Returns the weights kept with a record, or None if they are missing or not those that were recorded."""
    if record.weights_file is None:
        return None
    with trainer.dtype_policy(config.precision):
        model = trainer.build_model(config, classes)
    return _read_into(model, record)


def _read_into(model: Any, record: Record) -> Weights | None:
    """Loads a record's weights into a model of its architecture."""
    recorded = record.content["weights"].get("file_sha256")
    if recorded and record_files.file_digest(record.weights_file) != recorded:
        return None
    try:
        hdf5.listing(record.weights_file)  # Keras would follow links in a file of somebody else
        model.load_weights(record.weights_file)
    except (OSError, ValueError, KeyError, RuntimeError):  # truncated or not ours: h5py and Keras raise any of these
        return None
    weights = transfer.weights_of(model)
    return weights if record_files.weights_digest(weights) == record.weights_digest else None


def load(folder: str | os.PathLike) -> Any:
    """Returns the Keras model of a finished network, with its trained weights; its frozen blocks are not trainable.

    Its attribute `preprocessing` makes inputs of images and names its outputs (see `tftransfer.preprocessing`); it is
    None for networks that were trained before this was kept.

    Args:
        folder: The network's folder, `runs/<study>/<network>`.

    Raises:
        ValueError: If there is no record, or its weights were not kept or are damaged.
    """
    record = record_files.read(pathlib.Path(folder))
    if record is None:
        raise ValueError(f"No finished network in {folder}. Expected a folder with {record_files.RECORD}.")
    classes = record.identity["data"]["class_count"]
    model, parts = _untrained(record, classes)
    if record.weights_file is None or _read_into(model, record) is None:
        raise ValueError(
            f"The weights of {record.name} were not kept, or are not those of its record. Train it again with "
            f"--keep_weights --force."
        )
    _freeze(model, parts, record)
    predict_silently(model)
    model.preprocessing = inputs.of_record(record)
    return model


def predict_silently(model: Any) -> None:
    """Switches off TensorFlow's warning of frequent retracing for a model's `predict`.

    TensorFlow counts traces by the code of a function, which is the same for all models: five models that predict once
    each would trigger the warning.
    """
    model.make_predict_function()
    model.predict_function._omit_frequent_tracing_warning = True


def _freeze(model: Any, parts: Sequence[Block], record: Record) -> None:
    """Lets only those layers of a model train which trained when its record was made."""
    frozen = record.content["integrity"].get("frozen_blocks", ())
    for block in parts:
        for layer in map(model.get_layer, block.layers if block.name in frozen else ()):
            layer.trainable = False
            if record.identity["recipe"].get("batch_norm") == "adapt":
                batch_norm.let_statistics_follow(layer)


def _untrained(record: Record, classes: int) -> tuple[Any, tuple[Block, ...]]:
    """Returns the model of a record, with new weights, and its blocks; dropped ones are not among them.

    Blocks are those of the whole architecture: without its upper layers it might be divided otherwise.
    """
    config, chosen = _config(record), record.identity["recipe"].get("blocks")
    decisions = Treatment(**record.identity["treatment"]).decisions
    with trainer.dtype_policy(config.precision):
        whole = _architecture(record, config, classes)
        parts = blocks(whole, chosen.split(",") if chosen else None)
        if policies.DROP not in decisions:
            return whole, parts
        left = decisions.index(policies.DROP)
        return shortened(whole, parts, left), parts[:left]


def _architecture(record: Record, config: Config, classes: int) -> Any:
    """Returns the whole architecture of a record: from the text beside its weights, else from its options."""
    described = record.folder / record_files.ARCHITECTURE
    if described.is_file():
        recorded = record.content["weights"].get("architecture_sha256")
        if recorded and record_files.file_digest(described) != recorded:
            raise ValueError(
                f"{described} is not the one of its record: it was changed or damaged. Train {record.name} again "
                f"with --keep_weights --force."
            )
        return architectures.from_text(untrusted_files.content(described).decode(), str(described))
    if config.model not in catalog.MODELS:  # a record may be anybody's: no file or function that it names is opened
        raise ValueError(
            f"{described} is missing, which describes the model {config.model!r}. Train {record.name} again with "
            f"--keep_weights --force."
        )
    return trainer.build_model(config, classes)


def _config(record: Record) -> Config:
    """Returns the options that decide the network's architecture; no others are needed to load it."""
    recipe = record.identity["recipe"]
    names = ["image_size", "model", "precision"]
    names += ["width", "dropout", "initializer"] if recipe["model"] in catalog.MODELS else []
    try:
        return Config(**{name: recipe[name] for name in names})
    except (KeyError, TypeError) as error:
        raise ValueError(f"The recipe in the record of {record.name} cannot be used: {error}.") from error
