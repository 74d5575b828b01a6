"""The network of Yosinski et al. 2014 (CaffeNet), and the same eight blocks for small images."""

import keras

from tftransfer.models.alexnet_tables import SMALLEST_SIDE_PIXELS, Conv, Dense, scaled, table
from tftransfer.models.catalog import INITIALIZERS
from tftransfer.models.layers import GroupedConv2D, LocalResponseNormalization, ReplicaDropout
from tftransfer.seeds import derive


def AlexNet(  # noqa: N802 (named like the models of keras.applications)
    input_shape: tuple[int, int, int] = (227, 227, 3),
    classes: int = 1000,
    width: float = 1.0,
    dropout: float = 0.5,
    initializer: str = "paper",
    classifier_activation: str | None = None,
    seed: int | None = None,
    name: str = "alexnet",
) -> keras.Model:
    """Builds the paper's network, pooling before normalisation, in eight blocks `conv1` ... `conv5`, `fc6` ... `fc8`.

    A weight layer bears its block's name, every other layer of the block has it as prefix (`conv1_relu`, `conv1_pool`,
    `conv1_norm`). The size of the image chooses the table: from 97 pixels a side on it is CaffeNet exactly (its maps
    after conv5 are 6 x 6 at 227 pixels, and still 1 x 1 at 97); below, conv1 has smaller kernels and strides.

    Args:
        input_shape: `(height, width, channels)` of the images in pixels; the shorter side must be at least 32.
        classes: Number of classes, the units of the head.
        width: Factor on all channels and units but the head's, rounded to multiples of 8 and at least 8.
        dropout: Fraction of the units dropped after fc6 and fc7, in [0, 1).
        initializer: "paper" is normal with the paper's deviations and biases of 0 or 1, which need its raw 0-255
            images; "he_normal" and "glorot_uniform" have biases of 0.
        classifier_activation: None for logits, "softmax" for probabilities; float32 at least under any dtype policy.
        seed: Decides the initial weights and the dropout, each layer's by its name; None draws them at random.
        name: Name of the model.

    Returns:
        A functional model from `(batch, height, width, channels)` to `(batch, classes)`.

    Raises:
        ValueError: If an argument is out of its range, with what was received.

    Example:
        >>> model = AlexNet(input_shape=(32, 32, 3), classes=10, width=0.25, initializer="he_normal", seed=0)
        >>> model.get_layer("conv5_pool").output.shape
        (None, 3, 3, 64)
    """
    if len(input_shape) != 3 or any(side is None or side < SMALLEST_SIDE_PIXELS for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be (height, width, channels) with at least {SMALLEST_SIDE_PIXELS} pixels a side. "
            f"Received: input_shape={input_shape}"
        )
    if classes < 1 or width <= 0:
        raise ValueError(f"`classes` and `width` must be positive. Received: classes={classes}, width={width}")
    if initializer not in INITIALIZERS:
        raise ValueError(
            f"`initializer` must be one of {', '.join(INITIALIZERS)}. Received: initializer={initializer!r}"
        )

    wide = "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"
    # Shapes are those of CaffeNet: 227 x 227 images, width 1.
    inputs = x = keras.Input(input_shape, name="images")  # (batch, 227, 227, 3)
    for block in table(min(input_shape[:2])):
        weights = _initializers(block, initializer, seed)
        if isinstance(block, Conv):
            # (batch, 27, 27, 96), then 13 x 13 x 256, 13 x 13 x 384 twice, and 6 x 6 x 256
            x = _conv_block(x, block, scaled(block.filters, width), weights)
        elif block.units is not None:
            x = _dense_block(x, block, scaled(block.units, width), weights, dropout, seed)  # (batch, 4096) twice
        else:
            x = keras.layers.Dense(classes, name=block.name, dtype=wide, **weights)(x)  # (batch, classes)
    if classifier_activation is not None:
        # (batch, classes)
        x = keras.layers.Activation(classifier_activation, name=f"{block.name}_activation", dtype=wide)(x)
    return keras.Model(inputs, x, name=name)


def _conv_block(x, block: Conv, filters: int, weights: dict):
    """Returns the maps after convolution, ReLU and, as the table has it, pooling and normalisation."""
    last = {"data_format": "channels_last"}  # whatever a user's keras.json says
    shape = {"strides": block.stride, "padding": block.padding, "name": block.name, **last}
    if block.groups > 1:
        x = GroupedConv2D(filters, block.kernel, groups=block.groups, **shape, **weights)(x)  # conv2: 27 x 27 x 256
    else:
        x = keras.layers.Conv2D(filters, block.kernel, **shape, **weights)(x)  # conv1: 55 x 55 x 96
    x = keras.layers.ReLU(name=f"{block.name}_relu")(x)  # conv1: 55 x 55 x 96
    if block.pool:
        x = keras.layers.MaxPooling2D(3, strides=2, name=f"{block.name}_pool", **last)(x)  # conv1: 27 x 27 x 96
    if block.norm:
        x = LocalResponseNormalization(name=f"{block.name}_norm")(x)  # conv1: 27 x 27 x 96
    return x


def _dense_block(x, block: Dense, units: int, weights: dict, dropout: float, seed: int | None):
    """Returns the activations after a fully connected layer, ReLU and dropout; fc6 flattens the maps of conv5 first."""
    if len(x.shape) > 2:
        x = keras.layers.Flatten("channels_last", name=f"{block.name}_flatten")(x)  # (batch, 9216)
    x = keras.layers.Dense(units, name=block.name, **weights)(x)  # (batch, 4096)
    x = keras.layers.ReLU(name=f"{block.name}_relu")(x)  # (batch, 4096)
    # (batch, 4096)
    return ReplicaDropout(dropout, seed=_seed(seed, "dropout", block.name), name=f"{block.name}_dropout")(x)


def _initializers(block: Conv | Dense, initializer: str, seed: int | None) -> dict:
    """Returns the initialisers of a block's kernel and bias, as arguments of its layer."""
    own = _seed(seed, "init", block.name)
    if initializer == "paper":
        kernel, bias = keras.initializers.RandomNormal(0.0, block.sd, seed=own), block.bias
    else:
        kernel, bias = keras.initializers.get({"class_name": initializer, "config": {"seed": own}}), 0.0
    return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Constant(bias)}


def _seed(seed: int | None, *names: str) -> int | None:
    """Returns the seed of what `names` spell out; None if `seed` is None."""
    return None if seed is None else derive(seed, *names)
