"""An estimate of the memory that training a group takes, compared with what is available."""

import keras
import psutil

from tftransfer.system import limits

# TensorFlow itself, its thread pools and the input pipeline; measured 0.7 to 0.9 GB on two cores.
_PROCESS_BYTES = 1_000_000_000
_BYTES = 4


class NoRoomError(MemoryError):
    """A group that would not fit into memory."""


def needed_bytes(model: keras.Model, batch_size: int) -> int:
    """Returns the bytes that training takes, roughly: weights, gradients and slots, activations and their gradients.

    Args:
        model: The combined model of a group.
        batch_size: Images in a step on this machine.
    """
    trained = sum(_size(variable.shape) for variable in model.trainable_variables)
    frozen = sum(_size(variable.shape) for variable in model.non_trainable_variables)
    activations = sum(_activations(part) * (2 if part.trainable_variables else 1) for part in _parts(model))
    return _PROCESS_BYTES + _BYTES * (3 * trained + frozen + batch_size * activations)


def require_room(model: keras.Model, batch_size: int, fraction: float) -> None:
    """Raises NoRoomError if a group needs more than a fraction of the memory that is available now.

    Args:
        model: The combined model of a group.
        batch_size: Images in a step on this machine.
        fraction: Of this machine's available memory, 0 to 1.
    """
    needed, available = needed_bytes(model, batch_size), psutil.virtual_memory().available * fraction
    available = min(available, _PROCESS_BYTES + limits.address_space_left())  # the process itself is there already
    if needed > available:
        raise NoRoomError(
            f"Training needs about {needed / 1e9:.1f} GB, {available / 1e9:.1f} GB are available. Use a smaller "
            f"--batch_size, --width or --image_size, or more memory."
        )


def _parts(model: keras.Model) -> list[keras.Model]:
    """Returns the trunks and towers of a group."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


def _activations(model: keras.Model) -> int:
    """Returns the values that the layers of a model make for one image."""
    return sum(
        _size(tensor.shape[1:]) for layer in model.layers for tensor in keras.tree.flatten(layer.output) if layer
    )


def _size(shape: tuple[int | None, ...]) -> int:
    size = 1
    for side in shape:
        size *= side or 1
    return size
