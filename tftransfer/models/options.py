"""What decides an architecture, as plain values: all that builders are told, and the key of models that are kept."""

import dataclasses

from tftransfer.models import catalog


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """What decides an architecture besides the number of classes.

    Attributes:
        model: `AlexNet`, a model of keras.applications, FILE.keras or module:function.
        input_size: Side of the input in pixels; images have three channels.
        blocks: Names at which blocks end, the head left out; empty for the model's own blocks.
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
        """Whether the architecture is one of tftransfer, whose name and options say all of it."""
        return self.model in catalog.MODELS

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image, `(height, width, channels)`."""
        return (self.input_size, self.input_size, 3)

    def without_unused(self) -> "ModelOptions":
        """Returns the options, those of AlexNet at their defaults for any other model."""
        return self if self.is_own else ModelOptions(self.model, self.input_size, self.blocks)
