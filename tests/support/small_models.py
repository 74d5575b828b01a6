"""Small networks of many kinds, as a user of --model=module:function writes them."""

import inspect

import keras
from keras import layers
from keras.src.applications import convnext, densenet, efficientnet_v2, resnet


def residual(input_shape, classes):
    """Two residual units with batch normalisation and every kind of noise, by hand, with names that Keras chooses."""
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x))
    for noise in (layers.SpatialDropout2D(0.2), layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))):
        y = layers.Conv2D(8, 3, padding="same")(x)
        y = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(y))
        y = layers.BatchNormalization(momentum=0.8)(layers.Conv2D(8, 3, padding="same")(y))
        x = layers.ReLU()(x + noise(y))
    x = layers.GaussianNoise(0.1)(layers.GlobalAveragePooling2D()(x))
    x = layers.AlphaDropout(0.1)(layers.Dense(12, activation="selu")(x))
    x = layers.GaussianDropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes)(x))


def chain(input_shape, classes):
    """Without batch normalisation or noise."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="one"),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="two"),
            layers.Flatten(name="flat"),
            layers.Dense(classes, name="logits"),
        ],
        name="chain",
    )


def rescaled(input_shape, classes):
    """Scales its images itself."""
    return keras.Sequential(
        [keras.Input(input_shape), layers.Rescaling(1 / 255), *chain(input_shape, classes).layers], name="rescaled"
    )


def nested(input_shape, classes):
    """A backbone with batch normalisation and dropout in the place of a layer."""
    inside = keras.Input((15, 15, 4))
    x = layers.BatchNormalization(momentum=0.8)(layers.Conv2D(6, 3, strides=2)(inside))
    backbone = keras.Model(inside, layers.Dropout(0.3)(layers.ReLU()(x)), name="backbone")
    inputs = keras.Input(input_shape)
    x = backbone(layers.Conv2D(4, 3, strides=2, name="stem")(inputs))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x)))


def nested_chain(input_shape, classes):
    """A chain in the place of a layer, as in ConvNeXt."""
    inputs = keras.Input(input_shape)
    stem = keras.Sequential([layers.Conv2D(4, 3, strides=2), layers.LayerNormalization()], name="stem")
    x = layers.ReLU(name="relu")(layers.Conv2D(6, 3, name="middle")(stem(inputs)))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x)))


def attention(input_shape, classes):
    """Layers that are made of others."""
    inputs = keras.Input(input_shape)
    x = layers.Reshape((49, 8))(layers.Conv2D(8, 4, strides=4, name="patches")(inputs)[:, :7, :7])
    x = x + layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x))


def resnet_v1(input_shape, classes):
    def stack(x):
        return resnet.stack_residual_blocks_v1(x, 4, 2, stride1=1, name="conv2")

    return _logits(resnet.ResNet, input_shape, classes, stack_fn=stack, preact=False, use_bias=True)


def resnet_v2(input_shape, classes):
    def stack(x):
        return resnet.stack_residual_blocks_v2(x, 4, 2, name="conv2")

    return _logits(resnet.ResNet, input_shape, classes, stack_fn=stack, preact=True, use_bias=True)


def mobilenet_v3(input_shape, classes):
    return _logits(keras.applications.MobileNetV3Small, input_shape, classes, alpha=0.25, minimalistic=True)


def efficientnet_v2b(input_shape, classes):
    kinds = efficientnet_v2.DEFAULT_BLOCKS_ARGS["efficientnetv2-b0"]
    few = [{**kind, "num_repeat": 2, "input_filters": 8, "output_filters": 8} for kind in (kinds[1], kinds[3])]
    return _logits(
        efficientnet_v2.EfficientNetV2, input_shape, classes, width_coefficient=1.0, depth_coefficient=1.0,
        default_size=32, blocks_args=few, name="efficientnetv2-few",
    )  # fmt: skip


def convnext_small(input_shape, classes):
    sizes = {"depths": [1, 1, 2, 1], "projection_dims": [8, 8, 8, 16]}
    return _logits(convnext.ConvNeXt, input_shape, classes, drop_path_rate=0.5, name="convnext_few", **sizes)


def densenet_few(input_shape, classes):
    return _logits(densenet.DenseNet, input_shape, classes, blocks=[2, 1, 1, 1])


def _logits(builder, input_shape, classes, **options):
    if "include_preprocessing" in inspect.signature(builder).parameters:
        options["include_preprocessing"] = False
    return builder(weights=None, classifier_activation=None, input_shape=input_shape, classes=classes, **options)


def mobilenet_v2(input_shape, classes):
    return _logits(keras.applications.MobileNetV2, input_shape, classes, alpha=0.35)


def eight_blocks(input_shape, classes):
    """As many blocks as AlexNet, the third a residual unit, five with batch normalisation; without noise."""
    inputs = x = keras.Input(input_shape)
    for number, stride in ((1, 2), (2, 2), (3, 1), (4, 1), (5, 2)):  # (15, 15, 6), then twice (7, 7, 6), (3, 3, 6)
        shortcut = x
        padding = "valid" if stride == 2 else "same"
        x = layers.Conv2D(6, 3, strides=stride, padding=padding, use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.8, name=f"norm{number}")(x)
        x = layers.Add(name="add3")([x, shortcut]) if number == 3 else x
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.Flatten(name="flat5")(x)
    for number in (6, 7):
        x = layers.Dense(12, activation="relu", name=f"fc{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="eight_blocks")


def numbered_units(input_shape, classes):
    """Two numbered units, of which only the upper has a shortcut: a plain chain without it, and its unit two blocks."""
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="stem")(inputs)
    x = layers.Conv2D(8, 1, activation="relu", name="block_1_expand")(x)
    x = y = layers.Conv2D(4, 3, strides=2, name="block_1_project")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="block_2_expand")(x)
    x = layers.Add(name="block_2_add")([y, layers.Conv2D(4, 3, padding="same", name="block_2_project")(x)])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="numbered_units")


def open_chain(input_shape, classes):
    """Forgets where its model begins."""
    return keras.Sequential([layers.Flatten(), layers.Dense(5), layers.Dense(classes)])


def dropping(input_shape, classes):
    """Four blocks with dropout: as much of AlexNet as most tests of training need, traced in half the time."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="conv1"),  # (15, 15, 4) of 32 pixels
            layers.Conv2D(8, 3, strides=2, activation="relu", name="conv2"),  # (7, 7, 8)
            layers.Flatten(name="flat"),
            layers.Dense(16, activation="relu", name="fc3"),
            layers.Dropout(0.5, name="drop3"),
            layers.Dense(classes, name="logits"),
        ],
        name="dropping",
    )


def normalized(input_shape, classes):
    """The same with batch normalisation, whose moving averages are no trained weights."""
    inputs = x = keras.Input(input_shape)
    for number in (1, 2):
        x = layers.Conv2D(4 * number, 3, strides=2, use_bias=False, name=f"conv{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x))
    x = layers.Dense(16, activation="relu", name="fc3")(layers.Flatten(name="flat")(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(layers.Dropout(0.5, name="drop3")(x)))


def pooling(input_shape, classes, normalised=True):
    """Three convolutions, pooled over space: features that are cheaper to read than to make."""
    inputs = x = keras.Input(input_shape)
    for number, (channels, strides) in enumerate(((8, 2), (16, 2), (16, 1)), 1):
        # (15, 15, 8), (7, 7, 16) and (5, 5, 16) of 32 pixels
        x = layers.Conv2D(channels, 3, strides=strides, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x) if normalised else x
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool3")(x)
    x = layers.Dropout(0.5, name="drop4")(layers.Dense(16, activation="relu", name="fc4")(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x))


def plain_pooling(input_shape, classes):
    """The same without batch normalisation."""
    return pooling(input_shape, classes, normalised=False)
