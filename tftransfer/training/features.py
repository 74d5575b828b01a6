"""What leaves the trunks of a group, computed once for all images and read by every step afterwards.

A trunk is a function of the image: its blocks are frozen. Where training shows a view of an image more than once, the
group trains on features from files (`data.feature_files`), which later epochs, networks, seeds and commands share.
Training from them equals training from images up to the rounding of sums.

The cut moves up over layers of the trained part that have neither weights nor noise, as far as that makes features
smaller: a new head on pooled features keeps `(images, channels)`, not maps.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tftransfer
from tftransfer import transfer
from tftransfer.data import feature_files, pipeline, views
from tftransfer.data.preparation import only_one
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.models import architectures, catalog
from tftransfer.models.blocks import every_layer, legal_cuts
from tftransfer.models.costs import block_cost
from tftransfer.models.layers import StepNoise
from tftransfer.records import record_files
from tftransfer.training.group import Group, Network, as_float32

_ADDS_PER_BYTE = 32
"""Multiply-adds that take as long as reading a byte of features: 10 to 20 thousand million a second on two cores,
against 300 to 600 MB a second from a disk that is not idle. Features that cost less to compute than to read are not
kept."""
_PASS_BATCH = 64
_COMPARED = (0.0, 0.5, 1.0)  # places of the images whose features are computed again before kept ones are used


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """A place where towers begin on features.

    Attributes:
        name: Name of the input of the model.
        network: The first of the networks that begin there.
        tensor: Where they begin, in the tower of that network: `(batch, channels)` or `(batch, height, width, ...)`.
        lifted: The layers from the cut up to there, as JSON.
    """

    name: str
    network: Network
    tensor: Any
    lifted: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the features of one image."""
        return tuple(self.tensor.shape[1:])

    @property
    def bytes(self) -> int:
        """Bytes of the features of one image."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def dtype(self) -> str:
        """Type in which features are kept; half precision is kept without loss."""
        return "float64" if self.tensor.dtype == "float64" else "float32"


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureBatches:
    """Features of a task, in the place of its images.

    Attributes:
        training: By view, features `(images, ...)` by the name of the model's input.
        validation: Features of all validation images by that name.
        config: The recipe.
        task: The task.
        kept: Files of both, which stay locked while they are read.
    """

    training: Sequence[Mapping[str, np.ndarray]]
    validation: Mapping[str, np.ndarray]
    config: Config
    task: Any
    kept: Sequence[feature_files.Features] = ()
    are_features = True

    def training_batches(self, first_step: int, steps: int) -> tf.data.Dataset:
        """Returns what `pipeline.training_batches` does, with a dict of features in the place of images."""
        half, sampling = self.task.training, self.task.sampling(self.config)

        def chosen(step: np.int64) -> tuple[np.ndarray, ...]:
            positions, epoch = sampling.positions(half, int(step))
            shown = self.training[epoch % len(self.training)]
            return *(array[positions] for array in shown.values()), half.labels[positions].astype(np.int32)

        return self._batches(range(first_step, first_step + steps), chosen, self.training[0]).map(
            lambda x, y, w: (x, y)
        )

    def evaluation_batches(self) -> tf.data.Dataset:
        """Returns what `pipeline.evaluation_batches` does, with a dict of features in the place of images."""
        half, size = self.task.validation, self.config.batch_size

        def chosen(step: np.int64) -> tuple[np.ndarray, ...]:
            positions = np.minimum(np.arange(step * size, (step + 1) * size), len(half) - 1)
            shown = self.validation.values()
            return *(array[positions] for array in shown), half.labels[positions].astype(np.int32)

        return self._batches(range(-(-len(half) // size)), chosen, self.validation, len(half))

    def _batches(
        self, steps: range, chosen: Callable, like: Mapping[str, np.ndarray], images: int | None = None
    ) -> tf.data.Dataset:
        """Returns batches of a dict of features, labels, and weights: 0 for what fills the last batch."""
        size = self.config.batch_size
        types = (*(array.dtype for array in like.values()), tf.int32)
        shapes = [(size, *array.shape[1:]) for array in like.values()]

        def batch(step: tf.Tensor) -> tuple[Any, ...]:
            *features, labels = tf.numpy_function(chosen, [step], types)
            shaped = [tf.ensure_shape(x, shape) for x, shape in zip(features, shapes, strict=True)]
            place = tf.range(step * size, (step + 1) * size)
            weights = tf.cast(place < images, tf.float32) if images else tf.ones(size)
            return dict(zip(like, shaped, strict=True)), tf.ensure_shape(labels, (size,)), weights

        options = tf.data.Options()
        options.autotune.enabled = False  # as in `data.pipeline`
        return tf.data.Dataset.range(steps.start, steps.stop).map(batch).prefetch(4).with_options(options)


def computed_once(
    group: Group,
    config: Config,
    task: Any,
    replicas: int = 1,
    stage: Callable[[str], None] = lambda text: None,
) -> FeatureBatches | None:
    """Makes a group train on features, if that applies: computes those that are missing, in one pass over the images.

    It applies if every network of the group has a trunk (the others need the images in every step anyway), if no
    trunk has noise or moving statistics that follow the batches, if training shows a view of an image more than once,
    on one replica, and if reading features costs less than computing them and --cache_limit has room for them.

    Args:
        group: The group, not compiled; its model then takes a dict of features by name in the place of images.
        config: The options.
        task: Images of the target, a `trainer.Task`.
        replicas: Number of replicas.
        stage: Told what is done.

    Returns:
        The features; None if the group trains on images, as it was.
    """
    sampling, number = task.sampling(config), _views(config, task)
    if not (number and config.cache_limit and all(network.frozen for network in group.networks)):
        return None
    entries = entries_of(group)
    if reason := _why_not(group, list(entries.values()), replicas):
        stage(f"trains from images, not from features computed once: {reason}")
        return None
    halves = [_Half(task.training, task.view, sampling, view) for view in range(number)]
    centre = dataclasses.replace(sampling, crop=False, mirror=False)
    halves.append(_Half(task.validation, dataclasses.replace(task.view, padding=0), centre, 0))
    folder = pathlib.Path(prepared_images.cache_folder(config)) / feature_files.FOLDER
    try:
        kept = _Kept(folder, group, config, entries, stage).of(halves)
    except OSError as error:  # the cache is a convenience: whatever its disk does, training goes on
        feature_files.warn(error.strerror or error)
        return None
    begin_at(group, entries)
    *training, validation = [{name: one.array for name, one in of_half.items()} for of_half in kept]
    return FeatureBatches(training, validation, config, task, [one for files in kept for one in files.values()])


def _views(config: Config, task: Any) -> int:
    """Returns the number of views of each training image; 0 if training does not show each of them completely."""
    images, sampling = len(task.training), task.sampling(config)
    if (sampling.crop or sampling.mirror) and not config.views:
        return 0
    steps, of_epoch = config.train_steps(images), config.steps_per_epoch(images)
    number = views.count(sampling, -(-steps // of_epoch))
    return number if steps >= number * of_epoch else 0  # else a pass over the images would cost more than training


def _why_not(group: Group, entries: Sequence[Entry], replicas: int) -> str:
    """Returns the reason why features of a group whose networks all have a trunk are not used; empty if they are."""
    if replicas > 1:
        return "that is done on one replica only"
    if noisy := [layer.name for trunk in group.trunks.values() for layer in every_layer(trunk) if _is_noisy(layer)]:
        return f"{noisy[0]} in the frozen blocks draws noise"
    if group.batch_norm == "adapt" and any(map(transfer.statistics_of, group.trunks.values())):
        return "--batch_norm=adapt makes those of an image depend on its batch"
    deepest = {n.source: max(o.frozen for o in group.networks if o.source == n.source) for n in group.networks}
    adds = sum(block_cost(block).multiply_adds for depth in deepest.values() for block in group.blocks[:depth])
    size = sum(entry.bytes for entry in entries)
    if size * _ADDS_PER_BYTE > adds:
        return f"they take {size:,} bytes an image, and reading that costs more than {adds:,} multiply-adds"
    return ""


def paying(group: Group) -> list[Network]:
    """Returns the networks of a group whose features may be kept, and cost less to read than to compute."""
    work = [block_cost(block).multiply_adds for block in group.blocks]
    found = [network for network in group.networks if network.frozen]
    if not found or _why_not(group, (), 1):
        return []
    entries = entries_of(group)

    def pays(network: Network) -> bool:
        _, lifted = _lifted(group.towers[network.name])
        size = entries[network.source, network.frozen, lifted].bytes
        return size * _ADDS_PER_BYTE <= sum(work[: network.frozen])

    return [network for network in found if pays(network)]


def _is_noisy(layer: keras.Layer) -> bool:
    """Whether a layer draws noise in training; dropout with a rate of 0 does not."""
    if isinstance(layer, StepNoise):
        return bool(getattr(layer, "rate", getattr(layer, "stddev", True)))
    return bool(layer._seed_generators)


def entries_of(group: Group) -> dict[tuple[str, int, str], Entry]:
    """Returns the places where the towers of a group begin on features, by source, depth and layers moved over."""
    entries: dict[tuple[str, int, str], Entry] = {}
    for network in (network for network in group.networks if network.frozen):
        tensor, lifted = _lifted(group.towers[network.name])
        key = (network.source, network.frozen, lifted)
        if key not in entries:
            entries[key] = Entry(f"features{len(entries)}", network, tensor, lifted)
    return entries


def _lifted(tower: keras.Model) -> tuple[Any, str]:
    """Returns the tensor up to which a tower only reduces its input, the smallest and lowest, and the layers before."""
    reached = best = tower.inputs[0]
    layers: list[Any] = []
    counted = 0
    for tensor in legal_cuts(tower).values():
        operation = tensor._keras_history.operation
        node = operation._inbound_nodes[tensor._keras_history.node_index]
        if [id(given) for given in node.input_tensors] != [id(reached)] or not _is_plain(operation):
            break
        reached = tensor
        layers.append([type(operation).__name__, _without_name(operation.get_config())])
        if math.prod(tensor.shape[1:]) < math.prod(best.shape[1:]):
            best, counted = tensor, len(layers)
    return best, json.dumps(layers[:counted], sort_keys=True, default=str)


def _is_plain(operation: Any) -> bool:
    """Whether an operation is a layer of Keras or of this package without variables and noise."""
    ours = type(operation).__module__.startswith(("keras.", "tftransfer."))
    plain = ours and isinstance(operation, keras.Layer) and not isinstance(operation, keras.Model)
    return plain and not operation.variables and not any(map(_is_noisy, every_layer(operation)))


def _without_name(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != "name"}


def begin_at(group: Group, entries: Mapping[tuple[str, int, str], Entry]) -> None:
    """Makes the towers of a group begin on features: the same layers, so that all that is known of them stays true."""
    inputs = {entry.name: keras.Input(entry.shape, dtype=entry.dtype, name=entry.name) for entry in entries.values()}
    outputs = {}
    for network in group.networks:
        tower = group.towers[network.name]
        tensor, lifted = _lifted(tower)
        above = keras.Model(tensor, tower.output, name=tower.name) if tensor is not tower.inputs[0] else tower
        entry = entries[network.source, network.frozen, lifted]
        outputs[network.name] = as_float32(above(inputs[entry.name]), network.name)  # (batch, classes)
    group.model = keras.Model(inputs, outputs, name="group")


@dataclasses.dataclass(frozen=True, eq=False)
class _Half:
    """All images of a half in one view."""

    images: Any
    view: pipeline.View
    sampling: pipeline.Sampling
    number: int

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns the images in order, `(batch, height, width, channels)`; the last batch is filled up."""
        order = views.in_order(self.sampling, self.number, batch_size)
        steps = -(-len(self.images) // batch_size)
        return pipeline.training_batches(self.images, self.view, order, 0, steps).map(lambda x, y: x)

    def some(self, positions: Sequence[int]) -> tf.Tensor:
        """Returns the images at some positions."""
        chosen = _Some(self.images, np.asarray(positions))
        order = views.in_order(self.sampling, self.number, len(positions))
        return next(iter(pipeline.training_batches(chosen, self.view, order, 0, 1)))[0]

    @property
    def identity(self) -> dict[str, str]:
        """What decides the inputs of a network: the images and their view."""
        ids = hashlib.sha256(np.ascontiguousarray(self.images.ids, np.int64).tobytes()).hexdigest()
        return {
            "images": _images_digest(self.images),
            "ids": ids,
            "view": views.digest(self.view, self.sampling, self.number, self.images.ids),
        }


class _Some:
    """A few images of a half, as pipelines read them."""

    def __init__(self, half: pipeline.ImageSource, positions: np.ndarray) -> None:
        self.labels, self.ids = np.asarray(half.labels)[positions], np.asarray(half.ids)[positions]
        self.size, self.encoding = half.size, half.encoding
        self._half, self._positions = half, positions

    def __len__(self) -> int:
        return len(self._positions)

    def read(self, positions: np.ndarray) -> np.ndarray:
        return self._half.read(self._positions[positions])

    def read_encoded(self, positions: np.ndarray) -> list[bytes]:
        return self._half.read_encoded(self._positions[positions])


def _images_digest(half: Any) -> str:
    """Returns the SHA-256 of all images that a half can have: those of its store, else its own pixels."""
    store = getattr(half, "store", None)
    digest = hashlib.sha256()
    if store is not None and getattr(store, "identity", ""):
        digest.update(f"{store.identity} {store.fingerprint} {half.subset} {half.size} {half.encoding}".encode())
        return digest.hexdigest()
    for start in range(0, len(half), 1024):
        positions = np.arange(start, min(start + 1024, len(half)))
        if half.encoding == "jpeg":
            digest.update(repr(half.read_encoded(positions)).encode())
        else:
            pixels = half.read(positions)
            digest.update(f"{pixels.dtype} {pixels.shape} ".encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


class _Kept:
    """Features of one group in the cache: read where they are there, else computed and written."""

    def __init__(
        self,
        folder: pathlib.Path,
        group: Group,
        config: Config,
        entries: Mapping[tuple[str, int, str], Entry],
        stage: Callable[[str], None],
    ) -> None:
        self._folder, self._group, self._stage = folder, group, stage
        self._limit = config.cache_limit * 1e9
        self._entries = {entry.name: entry for entry in entries.values()}
        self._about = {name: _about(group, config, entry) for name, entry in self._entries.items()}

    def of(self, halves: Sequence[_Half]) -> list[dict[str, feature_files.Features]]:
        """Returns the features of some halves by the name of the model's input; raises OSError if there is no room."""
        keys = [{name: {**about, **half.identity} for name, about in self._about.items()} for half in halves]
        kept = self._found(halves, keys)
        if all(len(found) == len(self._entries) for found in kept):
            self._stage("features of all images are kept from before")
            return kept
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = hashlib.sha256(json.dumps([one for key in keys for one in key.values()]).encode()).hexdigest()[:2]
        with only_one(str(self._folder / f"making-{lock}")):
            kept = self._found(halves, keys)  # another process may have made them while this one waited
            self._make_room(halves, kept)
            for half, key, found in zip(halves, keys, kept, strict=True):
                found.update(self._computed(half, {name: key[name] for name in key if name not in found}))
        return [{name: found[name] for name in self._entries} for found in kept]

    def _found(self, halves: Sequence[_Half], keys: Sequence[Mapping]) -> list[dict[str, feature_files.Features]]:
        """Returns the features that are there and that a few images confirm."""
        kept = []
        for half, key in zip(halves, keys, strict=True):
            found = {name: feature_files.find(self._folder, of_entry) for name, of_entry in key.items()}
            found = {name: one for name, one in found.items() if one is not None}
            kept.append(self._confirmed(half, found) if found else found)
        return kept

    def _confirmed(self, half: _Half, found: dict[str, feature_files.Features]) -> dict[str, feature_files.Features]:
        """Returns those features that the trunks still make of some images: code of users has no digest."""
        positions = sorted({round(place * (len(half.images) - 1)) for place in _COMPARED})
        outputs = self._trunks(list(found))(half.some(positions), training=False)
        return {name: one for name, one in found.items() if _agree(one.array[positions], outputs[name])}

    def _trunks(self, names: Sequence[str]) -> keras.Model:
        """Returns the model from images to features by the name of the model's input."""
        image = keras.Input(self._group.template.input_shape[1:])  # (batch, height, width, channels)
        cuts = {source: trunk(image) for source, trunk in self._group.trunks.items()}
        outputs = {}
        for name in names:
            entry = self._entries[name]
            tower, cut = self._group.towers[entry.network.name], cuts[entry.network.source][str(entry.network.frozen)]
            moved = entry.tensor is not tower.inputs[0]
            outputs[name] = keras.Model(tower.inputs[0], entry.tensor)(cut) if moved else cut
        return keras.Model(image, outputs)

    def _make_room(self, halves: Sequence[_Half], kept: Sequence[Mapping]) -> None:
        """Removes older features; raises OSError if those that are missing have no room."""
        needed = sum(
            len(half.images) * entry.bytes
            for half, found in zip(halves, kept, strict=True)
            for name, entry in self._entries.items()
            if name not in found
        )
        feature_files.make_room(self._folder, needed, self._limit)

    def _computed(self, half: _Half, keys: Mapping[str, Mapping]) -> dict[str, feature_files.Features]:
        """Computes features in one pass over the images, writes them, and returns them as they were written."""
        if not keys:
            return {}
        images = len(half.images)
        self._stage(f"computing features of {images:,} images once")
        step = tf.function(self._trunks(list(keys)), autograph=False)
        with _writers(self._folder, keys, self._entries, images) as writers:
            for batch in half.batches(min(_PASS_BATCH, images)):
                for name, features in step(batch, training=False).items():
                    entry = self._entries[name]
                    writers[name].append(tf.cast(features, entry.dtype).numpy())
            for writer in writers.values():
                writer.finish()
        found = {name: feature_files.find(self._folder, key) for name, key in keys.items()}
        if lost := [name for name, one in found.items() if one is None]:
            raise OSError(f"{len(lost)} files of features that were just written cannot be read")
        return found


@contextlib.contextmanager
def _writers(
    folder: pathlib.Path, keys: Mapping[str, Mapping], entries: Mapping[str, Entry], images: int
) -> Iterator[dict[str, feature_files.Writer]]:
    """Opens a writer for each key, and removes what was not finished."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                contextlib.closing(
                    feature_files.Writer(folder, key, (images, *entries[name].shape), entries[name].dtype)
                )
            )
            for name, key in keys.items()
        }


def _agree(kept: np.ndarray, computed: Any) -> bool:
    """Whether two computations of the same features are equal up to the rounding of their type."""
    tolerance = 0.05 if computed.dtype in (tf.float16, tf.bfloat16) else 1e-3
    computed = tf.cast(computed, kept.dtype).numpy()
    return bool(np.abs(kept - computed).max() <= tolerance * max(1e-6, float(np.abs(computed).max())))


def _about(group: Group, config: Config, entry: Entry) -> dict[str, Any]:
    """Returns what decides features besides images and view: weights, architecture, cut, precision, versions."""
    network = entry.network
    options = dataclasses.asdict(config.architecture) | {"model": catalog.label(config.model)}
    layers = {name for block in group.blocks[: network.frozen] for name in block.layers}
    below = {name: w for name, w in transfer.weights_of(group.trunks[network.source]).items() if name in layers}
    return {
        "weights": record_files.weights_digest(below),
        "architecture": {"options": options, "identity": architectures.identity(config.architecture)},
        "cut": {"block": group.blocks[network.frozen - 1].name, "number": network.frozen, "then": entry.lifted},
        "precision": config.precision,
        "type": entry.dtype,
        "versions": {"tftransfer": tftransfer.__version__, "keras": keras.__version__, "tensorflow": tf.__version__},
    }
