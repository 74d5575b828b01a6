"""Batch normalisation where whole networks are not enough: on replicas, in blocks that are held, with new weights."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tftransfer.data import pipeline
from tftransfer.models.blocks import every_layer
from tftransfer.transfer import Weights, copy_layers, weights_of

# Batches whose statistics are averaged: with 64 images each, a mean is known to 2 % of the deviation.
_MOST_BATCHES = 50


class HeldBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that is frozen for some steps: it uses and keeps the moving statistics it was given.

    From step `release_step` on it is Keras' own.

    Args:
        release_step: Steps before it trains.
        **kwargs: Arguments of `keras.layers.BatchNormalization`.
    """

    def __init__(self, release_step: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release_step = release_step
        self._steps: Callable[[], Any] = lambda: 0

    def follow(self, steps: Callable[[], Any]) -> None:
        """Takes a function that returns the steps done: the optimizer's own count, which holds the other weights."""
        self._steps = steps

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training:
            return super().call(inputs, training=False, mask=mask)  # (batch, ..., channels), as all that follow
        held = ops.convert_to_tensor(self._steps()) < self.release_step
        frozen = super().call(inputs, training=False, mask=mask)
        before = [(weight, ops.copy(weight)) for weight in self.non_trainable_weights]  # read before they change
        released = super().call(inputs, training=True, mask=mask)
        for weight, value in before:
            weight.assign(ops.where(held, value, ops.copy(weight)))
        return ops.where(held, frozen, released)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"release_step": self.release_step}


def held(layer: keras.Layer, release_step: int) -> keras.Layer | None:
    """Returns the `HeldBatchNormalization` that takes the place of a layer; None if it has no moving statistics.

    Raises:
        ValueError: If the layer is a kind of batch normalisation whose code we do not know.
    """
    if not isinstance(layer, keras.layers.BatchNormalization):
        return None
    if type(layer) is not keras.layers.BatchNormalization:
        raise ValueError(
            f"The statistics of the layer {layer.name} ({type(layer).__name__}) cannot be held until --release_step. "
            f"Expected keras.layers.BatchNormalization."
        )
    return HeldBatchNormalization.from_config(layer.get_config() | {"release_step": release_step})


def synchronise(model: keras.Model) -> None:
    """Makes replicas normalise by the statistics of the whole batch, as one device does; also in the model's copies."""
    for layer in _norms(model):
        layer.synchronized = True


def let_statistics_follow(trunk: keras.Model) -> None:
    """Puts the batch normalisation of frozen blocks into training mode; its scale and shift stay as they are."""
    for layer in _norms(trunk):
        layer.trainable = True
        for weight in (layer.gamma, layer.beta):
            if weight is not None:
                weight.trainable = False


def with_own_statistics(
    model: keras.Model, weights: Weights, half: pipeline.ImageSource, view: pipeline.View, sampling: pipeline.Sampling
) -> Weights:
    """Returns untrained weights with the moving statistics that they have on training images, by layer name.

    They are the means over the first batches of training, of an epoch at most, as they are normalised there: noise and
    augmentation included, each batch by itself.

    Args:
        model: A network of the architecture whose noise is given by seeds; its weights are replaced.
        weights: By layer name; all but moving statistics come back unchanged.
        half: Training images.
        view: How images become inputs.
        sampling: Order and augmentation.
    """
    norms = _norms(model)
    if not norms:
        return weights
    copy_layers(weights, model)
    batches = min(_MOST_BATCHES, max(1, len(half) // sampling.batch_size))
    for done, (images, _) in enumerate(pipeline.training_batches(half, view, sampling, 0, batches)):
        for layer in norms:
            layer.momentum = done / (done + 1)  # the moving mean is then that of all batches so far
        model(images, training=True)  # (batch, height, width, channels)
    return weights_of(model)


def follow(model: keras.Model, steps: Callable[[], Any]) -> None:
    """Passes on the function that returns the steps done to all held layers of a model."""
    for layer in _norms(model):
        if isinstance(layer, HeldBatchNormalization):
            layer.follow(steps)


def _norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in every_layer(model) if isinstance(layer, keras.layers.BatchNormalization)]
