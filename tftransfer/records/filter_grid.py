"""A picture of the first layer's filters."""

import io
import math

import numpy as np

_BETWEEN = 1


def filter_grid(filters: np.ndarray) -> np.ndarray:
    """Returns kernels side by side, in a picture about twice as wide as high.

    Args:
        filters: `(filters, height, width, channels)` uint8; channels other than three are averaged to grey.

    Returns:
        `(rows, columns, 3)` uint8, with a white line of one pixel around each kernel.
    """
    if filters.shape[-1] != 3:
        filters = np.repeat(filters.mean(-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    count, height, width, _ = filters.shape
    columns = math.ceil(math.sqrt(2 * count * height / width))
    rows = math.ceil(count / columns)
    cell = (height + _BETWEEN, width + _BETWEEN)
    picture = np.full((rows * cell[0] + _BETWEEN, columns * cell[1] + _BETWEEN, 3), 255, np.uint8)
    for place, kernel in enumerate(filters):
        row, column = divmod(place, columns)
        top, left = _BETWEEN + row * cell[0], _BETWEEN + column * cell[1]
        picture[top : top + height, left : left + width] = kernel
    return picture


def png(picture: np.ndarray, zoom: int = 1) -> bytes:
    """Returns a picture as PNG.

    Args:
        picture: `(height, width, 3)` uint8.
        zoom: Height and width of a pixel of the picture in pixels of the file.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.kron(picture, np.ones((zoom, zoom, 1), np.uint8))).save(buffer, format="PNG")
    return buffer.getvalue()
