"""The options of an architecture, as plain values: the input of builders, and the key of cached models."""

import dataclasses

from tftransfer.models import catalog


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """The options of an architecture, without the number of classes.

    Attributes:
        model: `AlexNet`, a model of keras.applications, FILE.keras or module:function.
        input_size: Side of the input in pixels; images have three channels.
        blocks: Names at which blocks end, without the head; empty for the model's own blocks.
        width: AlexNet: factor on channels and units, above 0.
        dropout: AlexNet: fraction of the units dropped after fc6 and fc7, 0 to below 1.
        initializer: AlexNet: one of `catalog.INITIALIZERS`.
    """

    model: str
    input_size: int
    blocks: tuple[str, ...] = ()
    width: float = 1.0
    dropout: float = 0.5
    initializer: str = "he_normal"

    @property
    def is_own(self) -> bool:
        """Whether the architecture is one of tftransfer, which its name and options describe completely."""
        return self.model in catalog.MODELS

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image, `(height, width, channels)`."""
        return (self.input_size, self.input_size, 3)

    def without_unused(self) -> "ModelOptions":
        """Returns the options, those of AlexNet at their defaults for any other model."""
        return self if self.is_own else ModelOptions(self.model, self.input_size, self.blocks)
