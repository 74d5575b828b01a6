"""Layers of the paper's network that Keras lacks, or that it has in a form too slow for the CPU."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

IMPLEMENTATIONS = ("auto", "split", "native")


def _has_accelerator() -> bool:
    """Whether the backend has a device other than the CPU."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    return backend in ("tensorflow", "jax") and not keras.distribution.list_devices()[0].startswith("cpu")


def _replica() -> tuple:
    """Returns the index of the running replica and the number of replicas, (0, 1) outside of `tf.distribute`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.replica_id_in_sync_group, context.num_replicas_in_sync
    return 0, 1


@keras.saving.register_keras_serializable(package="tftransfer")
class GroupedConv2D(keras.layers.Conv2D):
    """Grouped convolution in the form that is fastest on the device.

    The same function and the same weights as `keras.layers.Conv2D(groups=...)`, with a kernel of shape `(height, width,
    input channels / groups, filters)`. Keras compiles grouped convolutions with XLA, whose gradient is slow on CPUs: a
    training step of the whole network takes several times as long as with plain convolutions of the split channels.

    Args:
        filters: Number of output channels, divisible by `groups`.
        kernel_size: Height and width of the kernel, one integer or two.
        groups: Number of groups; the input's channels must be divisible by it.
        strides: Step of the kernel, one integer or two.
        padding: "valid" or "same".
        implementation: "split" convolves each group by itself and concatenates, "native" leaves the groups to
            the backend's own convolution, "auto" takes native on an accelerator and split elsewhere, and on several
            replicas, where the form that Keras compiles with XLA may fail.
        **kwargs: Further arguments of `keras.layers.Conv2D`.

    Raises:
        ValueError: If `implementation` is none of the three.
    """

    def __init__(self, filters, kernel_size, groups=2, strides=1, padding="valid", implementation="auto", **kwargs):
        if implementation not in IMPLEMENTATIONS:
            known = ", ".join(IMPLEMENTATIONS)
            raise ValueError(f"`implementation` must be one of {known}. Received: implementation={implementation!r}")
        super().__init__(filters, kernel_size, groups=groups, strides=strides, padding=padding, **kwargs)
        self.implementation = implementation

    def convolution_op(self, inputs, kernel):
        native = self.implementation == "native"
        if self.implementation == "auto":
            native = _has_accelerator() and _replica()[1] == 1
        if native or self.groups == 1:
            return super().convolution_op(inputs, kernel)
        channel_axis = -1 if self.data_format == "channels_last" else 1
        parts = ops.split(inputs, self.groups, channel_axis)  # each (batch, height, width, input channels / groups)
        kernels = ops.split(kernel, self.groups, -1)  # each (height, width, input channels / groups, filters / groups)
        pairs = zip(parts, kernels, strict=True)
        # (batch, new height, new width, filters)
        return ops.concatenate([super(GroupedConv2D, self).convolution_op(*pair) for pair in pairs], channel_axis)

    def get_config(self):
        return {**super().get_config(), "implementation": self.implementation}


@keras.saving.register_keras_serializable(package="tftransfer")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each activation by a power of the energy of its neighbouring channels (Krizhevsky et al. 2012, sec. 3.3).

    `y = x / (bias + alpha / size * sum of x**2 over the size channels around) ** beta`, `size = 2 * depth_radius + 1`.
    As in Caffe, `alpha` is divided by the window's size; `tf.nn.local_response_normalization` does not divide it. The
    sum is a product with a banded matrix, which has kernels and gradients on every backend, device and type, and XLA.
    Under half precision it is computed in float32 and rounded at the end: squares overflow float16 from 256 on.

    Args:
        depth_radius: Neighbours on each side that count.
        alpha: Weight of the window's energy.
        beta: Exponent.
        bias: Added to the weighted energy, positive.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, depth_radius=2, alpha=1e-4, beta=0.75, bias=1.0, **kwargs):
        super().__init__(**kwargs)
        self.depth_radius = depth_radius
        self.alpha = alpha
        self.beta = beta
        self.bias = bias
        self.supports_masking = True

    def build(self, input_shape):
        channels = np.arange(input_shape[-1])
        near = np.abs(channels[:, None] - channels) <= self.depth_radius
        self._band = near * (self.alpha / (2 * self.depth_radius + 1))  # (channels, channels)

    def call(self, inputs):
        wide = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
        band = ops.convert_to_tensor(self._band, wide)

        @ops.custom_gradient  # written out by hand, it passes over memory less often than the derived one
        def normalize(x):
            divisor = ops.matmul(ops.square(x), band) + self.bias  # (batch, height, width, channels), as all here
            scale = self._power(divisor)
            outputs = x * scale

            def gradient(*args, upstream=None):
                above = args[0] if upstream is None else upstream
                through_energy = ops.matmul(above * outputs / divisor, band)  # the band is its own transpose
                return above * scale - x * through_energy * (2 * self.beta)

            return outputs, gradient

        return ops.cast(normalize(ops.cast(inputs, wide)), inputs.dtype)

    def _power(self, divisor):
        """Returns `divisor ** -beta`, for the paper's beta of 0.75 without a logarithm."""
        if self.beta != 0.75:
            return ops.power(divisor, -self.beta)
        root = ops.rsqrt(divisor)
        return root * ops.sqrt(root)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"depth_radius": self.depth_radius, "alpha": self.alpha, "beta": self.beta, "bias": self.bias}
        return {**super().get_config(), **own}


def placed(draw: Callable[[tuple], Any], shape: Sequence) -> Any:
    """Returns the noise of the images that this replica holds of the global batch.

    The noise of the whole batch is drawn in each replica, which takes its own part, so that one device and two see
    the same. Every replica must hold equally many images.

    Args:
        draw: Draws noise of a shape, from a seed that is the same on every replica.
        shape: Shape of the noise, the batch of this replica first; a batch of 1 is one draw for all images.
    """
    index, replicas = _replica()
    batch, *rest = shape
    if replicas == 1 or (isinstance(batch, int) and batch == 1):
        return draw((batch, *rest))
    return ops.slice(draw((replicas * batch, *rest)), [index * batch] + [0] * len(rest), (batch, *rest))


class StepNoise(keras.layers.Layer):
    """A layer whose noise is a function of (seed, step, place of the image in the global batch).

    Keras' own layers of noise give every replica of a `tf.distribute` strategy the same draw. The only state is
    `seed_generator.state`, the pair (seed, training calls so far); `seek` sets the second, to continue a run that was
    interrupted. Subclasses choose the distribution.

    Args:
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def uniform(self, shape):
        """Returns numbers from 0 to below 1 for this replica's part of a batch, float32 of `shape`."""
        return placed(lambda s: keras.random.uniform(s, dtype="float32", seed=self.seed_generator), shape)

    def normal(self, shape):
        """Returns standard normal numbers for this replica's part of a batch, float32 of `shape`."""
        return placed(lambda s: keras.random.normal(s, dtype="float32", seed=self.seed_generator), shape)

    def seek(self, step: int) -> None:
        """Sets the number of training calls made so far, which with the seed decides the next draw."""
        state = self.seed_generator.state
        state.assign(ops.stack([ops.convert_to_tensor(state)[0], ops.cast(step, state.dtype)]))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class MaskNoise(StepNoise):
    """Noise that drops some of the inputs, or whole slices of them.

    Args:
        rate: Fraction of the inputs dropped in training, at least 0 and below 1.
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        noise_shape: Shape of the mask if it is shared along axes, as in `keras.layers.Dropout`: 1 where it is, None
            where it is not.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, rate, seed=None, noise_shape=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def kept(self, inputs):
        """Returns a random mask of the inputs that are kept, bool, of a shape that broadcasts to theirs."""
        shape = ops.shape(inputs)
        mask_shape = self.noise_shape or (None,) * len(shape)
        noise = self.uniform([given if side is None else side for side, given in zip(mask_shape, shape, strict=True)])
        return noise >= self.rate

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape}


@keras.saving.register_keras_serializable(package="tftransfer")
class ReplicaDropout(MaskNoise):
    """Dropout whose mask is a function of (seed, step, place of the image in the global batch).

    Args:
        rate: Fraction of the inputs set to 0 in training, in [0, 1); the others are scaled by `1 / (1 - rate)`.
        seed: Any integer from 0 to 2**31 - 1, or None for one drawn at random.
        noise_shape: Shape of the mask if it is shared along axes, as in `keras.layers.Dropout`: 1 where it is, None
            where it is not.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `rate` is out of range.
    """

    def __init__(self, rate, seed=None, noise_shape=None, **kwargs):
        super().__init__(rate, seed, noise_shape, **kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be at least 0 and less than 1. Received: rate={rate}")

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        scale = ops.where(self.kept(inputs), 1 / (1 - self.rate), 0.0)  # broadcasts to the inputs
        return inputs * ops.cast(scale, inputs.dtype)  # the shape of the inputs
