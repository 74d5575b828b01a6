"""AlexNet as tables, which its builder reads, and its number of weights. Nothing here imports Keras."""

from typing import NamedTuple

from tftransfer.models.options import ModelOptions

SMALLEST_SIDE_PIXELS = 32


class Conv(NamedTuple):
    """One row of a table: a convolution and the layers after it. `sd` and `bias` are the paper's initial values."""

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: str = "same"
    groups: int = 1
    sd: float = 0.01
    bias: float = 0.0
    pool: bool = False
    norm: bool = False


class Dense(NamedTuple):
    """One row of a table: a fully connected layer. The head has None for its units: it gets one per class."""

    name: str
    units: int | None
    sd: float
    bias: float


# Output shapes are those for images of 227 x 227 pixels.
_UPPER = (
    Conv("conv2", 256, 5, groups=2, bias=1.0, pool=True, norm=True),  # 27 x 27 x 256, pooled to 13 x 13 x 256
    Conv("conv3", 384, 3),  # 13 x 13 x 384
    Conv("conv4", 384, 3, groups=2, bias=1.0),  # 13 x 13 x 384
    Conv("conv5", 256, 3, groups=2, bias=1.0, pool=True),  # 13 x 13 x 256, pooled to 6 x 6 x 256
    Dense("fc6", 4096, sd=0.005, bias=1.0),  # 4096
    Dense("fc7", 4096, sd=0.005, bias=1.0),  # 4096
    Dense("fc8", None, sd=0.01, bias=0.0),  # classes
)

# Largest image of the size class (its shorter side in pixels) -> blocks. Only conv1 differs, so that no class costs
# much more than another: conv2 gets a map of 15 x 15 pixels from 32 and from 64, one of 23 x 23 from 48 and from 96.
_TABLES = {
    48: (Conv("conv1", 96, 5, pool=True, norm=True), *_UPPER),  # 32 pixels: 32 x 32 x 96, pooled to 15 x 15 x 96
    96: (Conv("conv1", 96, 7, stride=2, pool=True, norm=True), *_UPPER),  # 64 pixels: the same
    # 227 pixels: 55 x 55 x 96, pooled to 27 x 27 x 96
    float("inf"): (Conv("conv1", 96, 11, stride=4, padding="valid", pool=True, norm=True), *_UPPER),
}


def table(side: int) -> tuple[Conv | Dense, ...]:
    """Returns the blocks for images whose shorter side has `side` pixels."""
    return next(blocks for longest, blocks in _TABLES.items() if side <= longest)


def scaled(channels: int, width: float) -> int:
    """Returns channels times width as a multiple of 8, so that groups divide them and vector units are full."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


def parameters(options: ModelOptions, classes: int) -> int | None:
    """Returns the number of weights of the network; None for other models, which must be built to know it.

    Args:
        options: Options of the architecture.
        classes: Units of its head.
    """
    if options.model != "AlexNet":
        return None
    side, channels, total = options.input_size, 3, 0
    for block in table(side):
        if isinstance(block, Conv):
            filters = scaled(block.filters, options.width)
            total += block.kernel**2 * (channels // block.groups) * filters + filters
            side = (side - block.kernel) // block.stride + 1 if block.padding == "valid" else -(-side // block.stride)
            side = (side - 3) // 2 + 1 if block.pool else side
            channels = filters
        else:
            units = classes if block.units is None else scaled(block.units, options.width)
            total += (side * side * channels + 1) * units
            side, channels = 1, units
    return total
