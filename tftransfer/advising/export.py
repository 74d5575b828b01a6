"""What an advice leaves for plain Keras: the trained network, and a program that trains it again."""

import dataclasses
import inspect
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tftransfer import transfer
from tftransfer.advising import code, held_out
from tftransfer.advising.candidates import Candidate
from tftransfer.advising.code import Part, Program
from tftransfer.data.datasets import folder as image_folder
from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.experiment import policies
from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.models.blocks import Block, blocks, every_layer
from tftransfer.pretrained.description import IMAGENET
from tftransfer.records import inputs
from tftransfer.records.record_files import Record
from tftransfer.training import trainer

MODEL, START = "model.keras", "start.keras"
SaveModel = Callable[[pathlib.Path, pathlib.Path], None]
_DECISIONS = {policies.KEEP: code.KEEP, policies.TUNE: code.TUNE, policies.NEW: code.NEW}


def write(
    folder: pathlib.Path,
    config: Config,
    chosen: Candidate,
    base: PretrainedBase,
    record: Record,
    save_model: SaveModel | None = None,
) -> dict[str, str]:
    """Writes the files of an advice for plain Keras.

    Args:
        folder: Folder of the advice.
        config: The recipe of the final training.
        chosen: What was trained.
        base: The pretrained weights.
        record: The trained network.
        save_model: Writes the network of a record's folder to a new FILE.keras; None writes none.

    Returns:
        Paths of the files that were written, `model_file` and `code_file`; none if the network diverged.
    """
    written, top1 = {}, record.result["top1"]
    if top1 is None:
        return written
    if save_model is not None:
        path = folder / MODEL
        path.unlink(missing_ok=True)
        save_model(record.folder, path)
        written["model_file"] = str(path)
    images = record.content["cost"]["validation_images"]
    score = (top1, *held_out.score_interval(round(top1 * images), images))
    program = program_of(folder, config, chosen, base, record, score)
    if program is not None:
        (folder / code.FILE).write_text(code.text(program), encoding="utf-8")
        written["code_file"] = str(folder / code.FILE)
    return written


def program_of(
    folder: pathlib.Path,
    config: Config,
    chosen: Candidate,
    base: PretrainedBase,
    record: Record,
    score: tuple[float, float, float],
) -> Program | None:
    """Returns the program's values, and writes the network it starts from, unless keras.applications has that.

    Args:
        folder: Folder of the advice.
        config: The recipe of the final training.
        chosen: What was trained.
        base: The pretrained weights.
        record: The trained network.
        score: Its top-1, and the ends of its interval.

    Returns:
        None if the network's layers do not stand block after block, so that a program would have to name each.
    """
    prepared = inputs.preprocessing(record.folder)
    classes = len(prepared.class_names)
    with trainer.dtype_policy(config.precision):
        model = trainer.build_model(config, classes, config.seed)
        cut = blocks(model, config.architecture.blocks or None)
        parts = _parts(config, chosen, model, cut)
        if parts is None:
            return None
        left = [block for block, letter in zip(cut, chosen.decisions, strict=True) if letter != policies.DROP]
        shortened = len(left) < len(cut)
        values: dict[str, Any] = {"shortened": shortened}
        if shortened:
            values["pooled_axes"] = len(left[-2].output.shape)
        if config.pretrained == IMAGENET:
            builder = getattr(keras.applications, config.model)
            values["without_preprocessing"] = "include_preprocessing" in inspect.signature(builder).parameters
        else:
            values |= {"start": START, "imports": _write_start(folder / START, config, classes, chosen, base, left)}
    values |= _images(config, prepared) | _recipe(config)
    return Program(
        advised=chosen.words, model=catalog.label(config.model), classes=classes, size=config.input_size, parts=parts,
        steps=config.steps, score=score, release=round(chosen.release * config.steps), **values,
    )  # fmt: skip


def _parts(config: Config, chosen: Candidate, model: keras.Model, cut: Sequence[Block]) -> tuple[Part, ...] | None:
    """Returns the blocks that are trained, by their last layers; None if the model's layers stand in another order."""
    names, done = [layer.name for layer in model.layers], 0
    rates = dataclasses.replace(config, layerwise_lr_decay=chosen.decay).block_lr_multipliers([b.name for b in cut])
    parts = []
    for block, letter in zip(cut, chosen.decisions, strict=True):
        end = max(map(names.index, block.layers), default=done - 1) + 1
        inside = {layer.name for layer in model.layers[done:end] if not isinstance(layer, keras.layers.InputLayer)}
        if inside != set(block.layers) or not inside:
            return None
        done = end
        if letter != policies.DROP:
            rate = rates.get(block.name, 1.0) * (config.copied_rate if letter == policies.TUNE else 1.0)
            parts.append(Part(_DECISIONS[letter], 0.0 if letter == policies.KEEP else rate, names[end - 1]))
    if policies.DROP in chosen.decisions:  # the head that moves down is called like the last layer with weights
        last = [layer for layer in map(model.get_layer, cut[-1].layers) if layer.weights][-1]
        parts[-1] = dataclasses.replace(parts[-1], last=last.name)
    return tuple(parts)


def _write_start(
    path: pathlib.Path, config: Config, classes: int, chosen: Candidate, base: PretrainedBase, left: Sequence[Block]
) -> tuple[str, ...]:
    """Writes the network as training begins; returns the modules that register layers which Keras lacks."""
    model = trainer.build_model(config, classes, config.seed, chosen.decisions)
    copied = {
        name: base.weights[name]
        for block, letter in zip(left, chosen.decisions, strict=False)
        for name in block.layers
        if letter in (policies.KEEP, policies.TUNE) and name in base.weights
    }
    transfer.copy_layers(copied, model)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        model.save(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    own = {type(layer).__module__ for layer in every_layer(model)}
    return tuple(sorted(module for module in own if module.partition(".")[0] != "keras"))


def _images(config: Config, prepared: inputs.Preprocessing) -> dict[str, Any]:
    """Returns where images are and how they become inputs; a mean image counts by its mean in each channel."""
    crop = "crop" in config.augment
    values = {
        "stored": prepared.stored_size,
        "padding": (config.crop_slack + 1) // 2 if crop and prepared.stored_size == config.input_size else 0,
        "mean": tuple(map(float, np.mean(prepared.mean, axis=(0, 1)))),
        "scale": tuple(map(float, np.broadcast_to(prepared.scale, 3))),
        "reverse": prepared.reverse,
        "crop": crop,
        "mirror": "mirror" in config.augment,
    }
    if config.dataset != "folder":
        note = f"sort the images of {config.dataset} into train/<class>/ and val/<class>/ of this folder"
        return values | {"data": "images", "note": note}
    validation = image_folder.validation_folder(config.data_dir)
    subsets = ("train", validation) if validation else ()
    few = f"advice is from the first {config.images_per_class} images of each class" if config.images_per_class else ""
    return values | {"data": os.path.abspath(config.data_dir), "subsets": subsets, "note": few}


def _recipe(config: Config) -> dict[str, Any]:
    """Returns the options of training."""
    return {
        "batch": config.batch_size,
        "rate": config.learning_rate,
        "schedule": config.schedule,
        "warmup": min(config.warmup_steps, config.steps // 4),
        "drop": (config.drop_steps, config.drop_factor),
        "momentum": config.momentum,
        "decay": config.weight_decay,
        "bias_rate": config.bias_lr_multiplier,
        "bias_decay": config.bias_decay_multiplier,
        "smoothing": config.label_smoothing,
        "batch_norm_momentum": config.batch_norm_momentum,
        "adapt": config.batch_norm == "adapt",
        "precision": config.precision,
    }
