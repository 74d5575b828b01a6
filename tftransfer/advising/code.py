"""An advice as a short program in plain Keras, `finetune.py`, to run and to edit: it trains the chosen network."""

import dataclasses
from collections.abc import Iterator

from tftransfer.system import escaping

FILE, SAVED = "finetune.py", "finetuned.keras"
KEEP, TUNE, NEW = "keep", "tune", "new"


@dataclasses.dataclass(frozen=True)
class Part:
    """A block of the network that is trained; dropped ones are none.

    Attributes:
        decision: `keep`, `tune` or `new`.
        rate: Factor on its learning rate.
        last: Name of its last layer.
    """

    decision: str
    rate: float
    last: str


@dataclasses.dataclass(frozen=True)
class Program:
    """What the program needs to know, as plain values.

    Attributes:
        advised: The advice in a sentence.
        model: Name of a builder of keras.applications, or of the file that `start` stands for.
        start: Path of a .keras file with the network as training begins; empty: ImageNet weights of `model`.
        imports: Modules that register layers which Keras lacks.
        without_preprocessing: Whether the builder takes `include_preprocessing=False`.
        data: Folder of the images.
        subsets: Names of the folders of training and validation images in it; empty: a fifth is held out.
        note: A line about the images, such as that fewer were used; may be empty.
        classes: Number of classes.
        size: Side of the input, pixels.
        stored: Side of the images that crops are taken from, pixels.
        padding: Pixels reflected at each side before a random crop.
        mean: Subtracted from each channel, in the network's order.
        scale: Factor on each channel after that.
        reverse: Whether the network's channels are BGR.
        crop: Whether training images are cropped at random.
        mirror: Whether half of them are mirrored.
        parts: Blocks from the input upwards, the head last.
        shortened: Whether blocks above are dropped, so that the head stands on pooled features.
        pooled_axes: Axes of the features at such a cut: 4 (images), 3 (sequences) or 2 (nothing to pool).
        batch: Images in a step.
        steps: Training steps.
        release: Steps in which the head trains alone; all blocks below it are tuned after them.
        rate: Peak learning rate.
        schedule: `constant`, `step` or `cosine`.
        warmup: Steps of linear warm-up.
        drop: Steps between drops, and the factor at each, of the schedule `step`.
        momentum: Of SGD.
        decay: Factor of weights in their gradient.
        bias_rate: Factor on the learning rate of biases.
        bias_decay: Factor on the decay of biases.
        smoothing: Fraction of the label spread over all classes.
        batch_norm_momentum: Momentum of moving statistics; 0: the model's own.
        adapt: Whether moving statistics of kept blocks follow the images.
        precision: Keras' dtype policy.
        score: Top-1 that tftransfer measured, and its interval.
    """

    advised: str
    model: str
    data: str
    classes: int
    size: int
    stored: int
    parts: tuple[Part, ...]
    steps: int
    score: tuple[float, float, float]
    start: str = ""
    imports: tuple[str, ...] = ()
    without_preprocessing: bool = False
    subsets: tuple[str, ...] = ("train", "val")
    note: str = ""
    padding: int = 0
    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    scale: tuple[float, ...] = (1 / 127.5, 1 / 127.5, 1 / 127.5)
    reverse: bool = False
    crop: bool = True
    mirror: bool = True
    shortened: bool = False
    pooled_axes: int = 4
    batch: int = 64
    release: int = 0
    rate: float = 0.015
    schedule: str = "cosine"
    warmup: int = 0
    drop: tuple[int, float] = (0, 1.0)
    momentum: float = 0.9
    decay: float = 5e-4
    bias_rate: float = 2.0
    bias_decay: float = 0.0
    smoothing: float = 0.0
    batch_norm_momentum: float = 0.9
    adapt: bool = False
    precision: str = "float32"


def text(program: Program) -> str:
    """Returns the program: the file `finetune.py`."""
    parts = (_head(program), _images(program), _network(program), _training(program))
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _head(program: Program) -> Iterator[str]:
    """Yields the docstring, the imports and the numbers that one may want to change."""
    top1, low, high = (100 * value for value in program.score)
    yield f'"""{_plain(program.advised)}: the advice for {_plain(program.model)}, in plain Keras to run and to edit.'
    yield ""
    yield f"tftransfer measured {top1:.1f} % top-1 ({low:.1f} to {high:.1f}). Order, crops and new weights are others"
    yield "here, so the score is another one, most often within that interval."
    yield '"""'
    yield ""
    standard = ["import math"] * (program.schedule == "cosine") + ["import pathlib"] * bool(program.start)
    yield from [*standard, ""] if standard else []
    yield from sorted(["import keras", "import tensorflow as tf", *(f"import {name}" for name in program.imports)])
    yield ""
    yield from [f"keras.config.set_dtype_policy({program.precision!r})"] * (program.precision != "float32")
    layout = "/<class>/ and ".join(program.subsets) + "/<class>/" if program.subsets else "<class>/"
    yield f"DATA = {program.data!r}  # {_plain(program.note or f'photographs in {layout}')}"
    sizes = f"{program.classes}, {program.size}, {program.stored}"
    yield f"CLASSES, SIZE, STORED = {sizes}  # sides in pixels: of the input, of the images that it is cropped from"
    channels = "BGR" if program.reverse else "RGB"
    yield f"MEAN = {_numbers(program.mean)}  # {channels}; the input is (pixels - MEAN) * SCALE"
    yield f"SCALE = {_numbers(program.scale)}"
    yield f"BATCH, STEPS, WARMUP, RATE = {program.batch}, {program.steps}, {program.warmup}, {program.rate:.6g}"
    yield from [f"RELEASE = {program.release}  # steps in which the head trains alone"] * bool(program.release)
    yield "BLOCKS = [  # what to do with it, factor on its learning rate, its last layer"
    for part in program.parts:
        yield f"    ({part.decision!r}, {part.rate:.4g}, {part.last!r}),"
    yield "]"
    yield ""


def _images(program: Program) -> Iterator[str]:
    """Yields the reading of images: warped to one size, centred, scaled, cropped and mirrored."""
    reverse = "[..., ::-1]" if program.reverse else ""
    margin = (program.stored - program.size) // 2
    yield ""
    yield "def prepared(image, label, training):"
    yield "    image = tf.image.resize(image, (STORED, STORED), antialias=True)"
    yield f"    image = (image{reverse} - MEAN) * SCALE"
    yield from ["    if training:"] * (program.crop or program.mirror)
    if program.crop and program.padding:
        sides = f"[[{program.padding}] * 2, [{program.padding}] * 2, [0] * 2]"
        yield f"        image = tf.pad(image, {sides}, 'reflect')"
    yield from ["        image = tf.image.random_crop(image, (SIZE, SIZE, 3))"] * program.crop
    yield from ["        image = tf.image.random_flip_left_right(image)"] * program.mirror
    yield from ["        return image, label"] * program.crop
    yield f"    return image[{margin} : {margin} + SIZE, {margin} : {margin} + SIZE], label"
    yield ""
    yield ""
    yield "def batches(images, training):"
    yield "    images = images.map(lambda x, y: prepared(x, y, training), num_parallel_calls=tf.data.AUTOTUNE)"
    yield "    return images.repeat().batch(BATCH, drop_remainder=True) if training else images.batch(BATCH)"
    yield ""
    yield ""
    label = "categorical" if program.smoothing else "int"
    yield f"OPTIONS = {{'image_size': (2 * STORED,) * 2, 'batch_size': None, 'label_mode': {label!r}, 'seed': 0}}"
    folder = "keras.utils.image_dataset_from_directory"
    if program.subsets:
        train, validation = program.subsets
        yield f"training = {folder}(f'{{DATA}}/{train}', **OPTIONS)"
        yield f"validation = {folder}(f'{{DATA}}/{validation}', shuffle=False, **OPTIONS)"
    else:
        yield "# Another fifth of the images is held out here than there."
        yield f"training, validation = {folder}(DATA, validation_split=0.2, subset='both', **OPTIONS)"
    yield ""


def _network(program: Program) -> Iterator[str]:
    """Yields the network with its weights, and what of it is trained at which rate."""
    copies = not program.start and any(part.decision != NEW for part in program.parts)
    if program.start:
        yield f"start = pathlib.Path(__file__).with_name({program.start!r})  # pretrained weights, a new head"
        yield "model = keras.saving.load_model(start)"
    else:
        options = "".join([", include_preprocessing=False"] * program.without_preprocessing)
        builder = f"keras.applications.{program.model}"
        if copies:
            yield f"source = {builder}(weights='imagenet'{options})"
            yield "keras.utils.clear_session()  # so that layers get the same names once more"
        yield f"model = {builder}("
        yield f"    input_shape=(SIZE, SIZE, 3), weights=None, classes=CLASSES, classifier_activation=None{options}"
        yield ")"
    if program.shortened and not program.start:
        yield f"features = model.get_layer({program.parts[-2].last!r}).output  # the blocks above are dropped"
        yield from ["features = keras.layers.GlobalAveragePooling2D()(features)"] * (program.pooled_axes == 4)
        head = f"keras.layers.Dense(CLASSES, name={program.parts[-1].last!r})"
        yield f"model = keras.Model(model.inputs, {head}(features))"
    yield ""
    yield from _trained(program, copies)


def _trained(program: Program, copies: bool) -> Iterator[str]:
    """Yields what of the network is trained, and at which rate.

    Args:
        program: The values.
        copies: Whether weights are copied from another model of keras.applications.
    """
    yield "names, first, rates = [layer.name for layer in model.layers], 0, {}"
    yield "for what, rate, last in BLOCKS:"
    yield "    head = model.layers[first : names.index(last) + 1]  # at the end: the last block"
    yield "    first += len(head)"
    yield "    for layer in head:"
    if copies:
        yield "        if what != 'new':"
        yield "            layer.set_weights(source.get_layer(layer.name).get_weights())"
    if program.batch_norm_momentum and not program.start:
        yield "        if isinstance(layer, keras.layers.BatchNormalization):"
        yield f"            layer.momentum = {program.batch_norm_momentum:g}"
    if program.adapt:
        yield "        follows = isinstance(layer, keras.layers.BatchNormalization)"
        yield "        layer.trainable = what != 'keep' or follows  # statistics of kept blocks follow the images"
        yield "        for weight in layer.trainable_weights if what == 'keep' else ():  # scale and shift"
        yield "            weight.trainable = False"
    else:
        yield "        layer.trainable = what != 'keep'  # kept batch normalisation stays in inference mode"
    yield "        rates |= {id(weight): rate for weight in layer.trainable_weights}"
    yield ""


def _optimizer(program: Program) -> Iterator[str]:
    """Yields the optimizer and its learning-rate schedule."""
    decay = f"{program.decay:g} * v"
    if program.bias_decay != 1:
        decay += f" * ({program.bias_decay:g} if v.name == 'bias' else 1)"
    yield ""
    yield "class SGD(keras.optimizers.SGD):  # a factor on a gradient is a factor on the learning rate"
    yield "    def apply(self, gradients, variables):"
    bias = f"({program.bias_rate:g} if v.name == 'bias' else 1)"
    yield f"        factors = [rates[id(v)] * {bias} for v in variables]"
    yield f"        gradients = [g + {decay} for g, v in zip(gradients, variables)]"
    yield "        super().apply([f * g for f, g in zip(factors, gradients)], variables)"
    yield ""
    yield ""
    yield "class Rate(keras.optimizers.schedules.LearningRateSchedule):"
    yield "    def __call__(self, step):"
    yield "        step = keras.ops.cast(step, 'float32')"
    warm = " * keras.ops.minimum((step + 1) / WARMUP, 1)" if program.warmup else ""
    every, factor = program.drop
    shape = {
        "cosine": " * 0.5 * (1 + keras.ops.cos(math.pi * step / STEPS))",
        "step": f" * {factor:g} ** keras.ops.floor(step / {every})",
        "constant": "",
    }[program.schedule]
    yield f"        return RATE{warm}{shape}"
    yield ""
    yield ""


def _training(program: Program) -> Iterator[str]:
    """Yields training, evaluation and saving."""
    yield from _optimizer(program)
    loss = f"CategoricalCrossentropy(from_logits=True, label_smoothing={program.smoothing:g})"
    loss = loss if program.smoothing else "SparseCategoricalCrossentropy(from_logits=True)"
    yield f"LOSS = keras.losses.{loss}"
    pad = ""
    if program.release:
        yield "for done, until in ((0, RELEASE), (RELEASE, STEPS)):"
        yield "    for layer in model.layers[: -len(head)]:"
        yield "        layer.trainable = done > 0"
        pad = "    "
    yield f"{pad}optimizer = SGD(Rate(), momentum={program.momentum:g})"
    yield from [f"{pad}optimizer.iterations.assign(done)"] * bool(program.release)
    yield f"{pad}model.compile(optimizer, LOSS, metrics=['accuracy'])"
    steps = "until - done" if program.release else "STEPS"
    yield f"{pad}model.fit(batches(training, True), steps_per_epoch={steps}, shuffle=False, verbose=2)"
    yield "top1 = model.evaluate(batches(validation, False), return_dict=True, verbose=0)['accuracy']"
    top1, low, high = (100 * value for value in program.score)
    yield f"print(f'top-1 {{100 * top1:.1f}} %; tftransfer measured {top1:.1f} % ({low:.1f} to {high:.1f})')"
    yield f"keras.Model(model.inputs, keras.layers.Softmax()(model.outputs[0])).save({SAVED!r})  # gives probabilities"


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:.7g}' for value in values)})"


def _plain(text: str) -> str:
    """Returns a text for a comment or a docstring, which it cannot end."""
    return escaping.terminal(text, escaping.MOST_OF_TEXT).replace("\\", "/").replace('"', "'")
