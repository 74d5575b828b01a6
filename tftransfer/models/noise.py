"""Noise layers with Keras' distributions, whose noise is a function of (seed, step, place in the batch)."""

import keras
from keras import ops

from tftransfer.models.blocks import every_layer
from tftransfer.models.layers import MaskNoise, ReplicaDropout, StepNoise


@keras.saving.register_keras_serializable(package="tftransfer")
class StepGaussianNoise(StepNoise):
    """`keras.layers.GaussianNoise`: adds normal noise in training.

    Args:
        stddev: Its standard deviation, at least 0.
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.stddev = stddev

    def call(self, inputs, training=False):
        if not training or self.stddev == 0:
            return inputs
        return inputs + ops.cast(self.stddev * self.normal(ops.shape(inputs)), inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable(package="tftransfer")
class StepGaussianDropout(StepNoise):
    """`keras.layers.GaussianDropout`: multiplies by normal noise around 1 in training.

    Args:
        rate: Dropout rate of the same variance, `rate / (1 - rate)`; from 0 to below 1.
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = rate

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        deviation = (self.rate / (1 - self.rate)) ** 0.5
        return inputs * ops.cast(1 + deviation * self.normal(ops.shape(inputs)), inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable(package="tftransfer")
class StepAlphaDropout(MaskNoise):
    """`keras.layers.AlphaDropout`: drops to the negative limit of SELU and keeps mean and variance.

    Args:
        rate: Fraction of the inputs dropped in training, from 0 to below 1.
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        noise_shape: Shape of the mask if it is shared along axes: 1 where it is, None where it is not.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    _LIMIT = -1.6732632423543772 * 1.0507009873554805  # of SELU (Klambauer et al. 2017)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        kept = ops.cast(self.kept(inputs), inputs.dtype)
        scale = ((1 - self.rate) * (1 + self.rate * self._LIMIT**2)) ** -0.5
        return scale * (inputs * kept + self._LIMIT * (1 - kept)) - scale * self._LIMIT * self.rate


def replacement(layer: keras.Layer, seed: int) -> keras.Layer | None:
    """Returns our layer of the same distribution as a noise layer of Keras, or None for any other layer.

    Args:
        layer: A layer of some model, built.
        seed: Seed of the new layer.
    """
    common = {"seed": seed, "name": layer.name, "dtype": layer.dtype_policy}
    kind = _kind(layer)
    if kind == "Dropout":
        return ReplicaDropout(layer.rate, noise_shape=layer.noise_shape, **common)
    if kind == "AlphaDropout":
        return StepAlphaDropout(layer.rate, noise_shape=layer.noise_shape, **common)
    if kind == "GaussianDropout":
        return StepGaussianDropout(layer.rate, **common)
    if kind == "GaussianNoise":
        return StepGaussianNoise(layer.stddev, **common)
    if kind.startswith("SpatialDropout"):
        spatial = (1,) * int(kind[-2])
        last = getattr(layer, "data_format", "channels_last") == "channels_last"
        return ReplicaDropout(
            layer.rate, noise_shape=(None, *spatial, None) if last else (None, None, *spatial), **common
        )
    if kind == "StochasticDepth":
        rank = len(layer._inbound_nodes[0].input_tensors[0].shape)
        return ReplicaDropout(layer.drop_path_rate, noise_shape=(None, *(1,) * (rank - 1)), **common)
    return None


def _kind(layer: keras.Layer) -> str:
    """Returns the name of a layer's class if it is Keras' own, else an empty text: a subclass may do anything."""
    return type(layer).__name__ if type(layer).__module__.startswith("keras.") else ""


def fault(layer: keras.Layer, places: int = 1) -> str | None:
    """Returns the reason why the noise of a layer cannot be a function of seed, step and place; None if it can.

    Args:
        layer: A layer of some model, not a model itself.
        places: Number of times that the model calls it.
    """
    described = f"the layer {layer.name} ({type(layer).__name__})"
    if replacement(layer, 0) is not None:
        shape = getattr(layer, "noise_shape", None)
        if shape and shape[0] not in (None, 1):
            return f"{described} fixes the batch in its noise_shape {tuple(shape)}"
        return f"{described} draws noise in {places} places; give each place a layer of its own" if places > 1 else None
    if isinstance(layer, StepNoise):
        return None
    if _kind(layer).startswith("Random") or any(_draws(part) for part in every_layer(layer)):
        return (
            f"{described} draws random numbers which cannot be repeated image by image; leave it out (crops and mirror "
            f"images are --augment)"
        )
    return None


def _draws(layer: keras.Layer) -> bool:
    """Whether a layer has a generator and uses it: cells of RNNs have one in any case."""
    is_cell = hasattr(layer, "recurrent_dropout")
    return bool(layer._seed_generators) and not (is_cell and layer.dropout == layer.recurrent_dropout == 0)
