"""Untrained Keras models from options: AlexNet, builders of keras.applications, model files, functions of users.

Each is returned in a form that can be cut: functional, from images to logits, with names of layers that do not depend
on other models of the process.
"""

import contextlib
import functools
import importlib
import inspect
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common import global_state

from tftransfer.models import catalog, costs, keras_settings, serialization
from tftransfer.models.alexnet import AlexNet
from tftransfer.models.blocks import blocks, every_layer, possible_ends
from tftransfer.models.logits import without_softmax
from tftransfer.models.options import ModelOptions
from tftransfer.models.validation import check, check_repeatable
from tftransfer.system import untrusted_files, user_code

# Builders of the architectures in `catalog.MODELS`.
_OWN = {"AlexNet": AlexNet}

# Blocks, digest and preprocessing do not depend on the classes; they are read from a model with two.
_PROBE_CLASSES = 2
_ILSVRC_CLASSES = 1000


def build(options: ModelOptions, classes: int, seed: int | None = None) -> keras.Model:
    """Returns an untrained model with a head for `classes`, under the current dtype policy.

    Args:
        options: Options of the architecture.
        classes: Units of the head.
        seed: Seed of the initial weights of our own architectures; those of others are drawn at random here, and
            again, from the run's seed, when a network is made of them.

    Raises:
        ValueError: If the model cannot be built or used, with the reason.
    """
    if options.is_own:
        builder = _OWN[options.model]
        return builder(options.input_shape, classes, options.width, options.dropout, options.initializer, seed=seed)
    return _validated(_maker(options.model), options.input_shape, classes, catalog.label(options.model))


def _maker(model: str) -> Callable[[tuple[int, int, int], int], keras.Model]:
    """Returns the function that makes a model of an input shape and a number of classes."""
    if catalog.is_file(model):
        catalog.check_reachable(model)
        saved = serialization.of_file(model)
        return lambda shape, classes: serialization.build(saved, shape, classes)
    if catalog.is_function(model):
        return _function(model)
    return functools.partial(_application, model)


def _application(name: str, shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Returns a model of keras.applications without its weights, softmax and preprocessing."""
    builder = getattr(keras.applications, name)
    options = {"weights": None, "include_top": True, "classifier_activation": None}
    if "include_preprocessing" in inspect.signature(builder).parameters:
        options["include_preprocessing"] = False
    return builder(input_shape=shape, classes=classes, **options)


def _function(model: str) -> Callable[[tuple[int, int, int], int], keras.Model]:
    """Returns a user's `module:function`; raises ValueError if it cannot be called with image shape and classes."""
    module, _, function = model.partition(":")
    with user_code.guarded(f"Cannot import the module of --model={model}"):
        maker = getattr(importlib.import_module(module), function, None)
    if not callable(maker):
        raise ValueError(f"There is no function {function} in the module {module}. Received: --model={model}")
    try:
        inspect.signature(maker).bind((32, 32, 3), _PROBE_CLASSES)
    except TypeError as error:
        raise ValueError(catalog.wrong_arguments(model, str(error))) from error
    except ValueError:  # functions in C may have no signature
        pass
    return maker


def _validated(
    maker: Callable[[tuple[int, int, int], int], keras.Model], shape: tuple[int, int, int], classes: int, label: str
) -> keras.Model:
    """Returns the model of a maker, with layers numbered from 1; raises ValueError if it cannot be trained or cut."""
    place = f"for images of {shape[0]} pixels a side and {classes} classes"
    with _own_names(), user_code.guarded(f"{label} cannot be used {place}", ours=True):
        with user_code.guarded(f"{label} cannot be built {place}"):  # Keras and user code may raise anything
            model = maker(shape, classes)
        if isinstance(model, keras.Sequential):
            if not getattr(model, "outputs", None):
                raise ValueError(
                    f"{label} gives a keras.Sequential that does not know its input yet. Add "
                    f"keras.Input(input_shape) as its first entry."
                )
            model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        if isinstance(model, keras.Model) and len(getattr(model, "outputs", None) or ()) == 1:
            model = without_softmax(model)
        check(model, label, shape, classes)
    for layer in every_layer(model):
        layer.trainable = True  # a layer that was frozen when its file was saved would keep its initial weights
    return model


@contextlib.contextmanager
def _own_names() -> Iterator[None]:
    """Lets Keras number layers (`conv2d_1`) from 1: seeds and records refer to layers by name."""
    counters = "object_name_uids"
    before = global_state.get_global_attribute(counters)
    global_state.set_global_attribute(counters, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(counters, before)


def _version(model: str) -> tuple[int, int] | None:
    """Returns time of change (nanoseconds) and size (bytes) of a model file, by which its version is cached."""
    if not catalog.is_file(model):
        return None
    catalog.check_reachable(model)
    status = os.stat(model)
    return status.st_mtime_ns, status.st_size


def _probe(options: ModelOptions) -> tuple[keras.Model, Any]:
    """Returns the model with two classes, and its blocks; cached for each version of a model file."""
    return _probe_of(options.without_unused(), _version(options.model))


@functools.lru_cache(maxsize=16)
def _probe_of(options: ModelOptions, _: tuple[int, int] | None) -> tuple[keras.Model, Any]:
    model, label = options.model, catalog.label(options.model)
    with keras_settings.package_defaults("float32"):  # the digest must not depend on the caller's settings
        built = build(options, _PROBE_CLASSES)
        with user_code.guarded(f"{label} cannot be run", ours=True):
            check_repeatable(built, label, options.input_shape)
        if catalog.is_function(model):
            again = build(options, _PROBE_CLASSES)
            if serialization.digest(again) != serialization.digest(built):
                raise ValueError(
                    f"The function of --model={model} gives another architecture at each call; networks can be "
                    f"compared only if it depends on its arguments alone. Take random numbers and counters out of it."
                )
    return built, blocks(built, options.blocks or None)


def block_names(options: ModelOptions) -> tuple[str, ...]:
    """Returns the model's blocks from the input upwards, the head last."""
    known = catalog.blocks_of(options.model, ",".join(options.blocks))
    return known if known else tuple(block.name for block in _probe(options)[1])


def block_costs(options: ModelOptions, classes: int) -> tuple[costs.BlockCost, ...]:
    """Returns the cost of each block of the model with a head for `classes`."""
    with keras_settings.package_defaults("float32"):
        return tuple(costs.block_cost(block) for block in blocks(build(options, classes), options.blocks or None))


def block_table(options: ModelOptions) -> str:
    """Returns the output of --list_blocks: the model's blocks with their costs, and all legal cuts."""
    with keras_settings.package_defaults("float32"):
        model = build(options, _ILSVRC_CLASSES)  # only the head's cost depends on their number
    parts = blocks(model, options.blocks or None)
    heading = (
        f"{options.model} at {options.input_size} pixels, {len(parts)} blocks; cost of one image, the head with "
        f"{_ILSVRC_CLASSES} classes"
    )
    return f"{heading}\n\n{costs.table(parts, possible_ends(model))}"


def takes_raw_images(options: ModelOptions) -> bool:
    """Whether the model scales its images itself, and needs pixels from 0 to 255.

    It does if its first layer is a Rescaling, or a Normalization with a mean and variance of its own.
    """
    if options.is_own:
        return False
    model = _probe(options)[0]
    first = next(layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer))
    normalises = isinstance(first, keras.layers.Normalization) and first.input_mean is not None
    return isinstance(first, keras.layers.Rescaling) or normalises


def has_batch_norm(options: ModelOptions) -> bool:
    """Whether the model has batch normalisation."""
    known = catalog.has_batch_norm(options.model)
    if known is not None:
        return known
    model = _probe(options)[0]
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in every_layer(model))


def set_batch_norm_momentum(model: keras.Model, momentum: float) -> None:
    """Sets the momentum of moving statistics, 0 to below 1; copies of the model keep it."""
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def identity(options: ModelOptions) -> dict[str, Any] | None:
    """Returns digest, blocks and preprocessing for records; None for our own architectures, which options define."""
    if options.is_own:
        return None
    return {
        "sha256": serialization.digest(_probe(options)[0]),
        "blocks": list(block_names(options)),
        "raw_images": takes_raw_images(options),
    }


def text_of(model: keras.Model, options: ModelOptions) -> str | None:
    """Returns the JSON of a model, from which it can be built without its file or function; None for our own."""
    return None if options.is_own else json.dumps(serialization.of(model)) + "\n"


def from_text(text: str, origin: str) -> keras.Model:
    """Returns the model of a text of `text_of`, with new weights."""
    hint = "If it has layers of its own, import what registers them (keras.saving.register_keras_serializable) first"
    with user_code.guarded(f"{origin} cannot be built. {hint}", ours=True):
        return serialization.load(untrusted_files.parsed(text.encode(), infinite=True), origin)
