"""Encoded images to RGB pixels, and pixels to one size."""

import io
import itertools

import numpy as np
from PIL import Image, UnidentifiedImageError

# Pillow reads more formats, some of which are programs: Ghostscript would run an EPS.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
# Pillow's own limit for images that may be made to exhaust memory; it warns there, here it is an error.
MAX_PIXELS = 89_478_485
# Memory for one image while it is decoded: 8192 x 8192 pixels of 4 bytes, in each of up to 16 processes.
MAX_BYTES = 2**28
# Side in pixels of the pieces in which images are converted, so that copies stay small.
PIECE = 1024
# Files other than JPEG are shrunk piece by piece from this number of pixels on.
LARGE = 2**22
# Measured on 256-pixel photographs: 33 kB each at 41 dB; 4:4:4 adds 2.6 dB, a fifth to the size and a half to the time
# of decoding, which every epoch of training pays.
JPEG_QUALITY = 95
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of TIFF 6.0


class ImageError(ValueError):
    """An image that cannot be decoded; the message says why."""


def decode(encoded: bytes, at_least: int | None = None) -> np.ndarray:
    """Decodes an image file of one of `FORMATS`.

    Grey, palette and CMYK images become RGB; transparent ones are laid on white; of 16 bits the upper eight are kept,
    and of an animation the first frame. The EXIF orientation is *not* applied, as in TensorFlow and Caffe.

    Args:
        encoded: The file's bytes.
        at_least: If given, a large image may be shrunk while it is decoded, by a whole number in each direction (a JPEG
            by 2, 4 or 8 at once, which is much faster), to no less than twice this many pixels on either side.

    Returns:
        The pixels, uint8 `(height, width, 3)`.

    Raises:
        ImageError: If the bytes are no image of these formats, a truncated one, one of more than `MAX_PIXELS` pixels or
            that takes more than `MAX_BYTES` to decode, or of a kind (32-bit, floating point) without a defined range.
    """
    return decode_with_mode(encoded, at_least)[0]


def decode_with_mode(encoded: bytes, at_least: int | None = None) -> tuple[np.ndarray, str]:
    """Returns the pixels as `decode` does, and the file's mode in Pillow's words, such as "RGB", "L" or "CMYK"."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are decoded")
            whole = image.size
            if at_least is not None:
                image.draft(None, (2 * at_least, 2 * at_least))
            mode = image.mode
            _refuse_large(image, whole)
            shrinks = at_least is not None and image.width * image.height > LARGE
            factors = tuple(max(1, side // (2 * at_least)) if shrinks else 1 for side in image.size)
            return _pixels(image, factors), mode
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"no image, or of another format than {', '.join(FORMATS)}") from None
    except Exception as error:  # Damaged files make Pillow's readers raise nearly anything.
        raise ImageError(f"{type(error).__name__}: {error}") from error


def _refuse_large(image: Image.Image, whole: tuple[int, int]) -> None:
    """Raises ImageError if an image would take more than `MAX_BYTES` to decode.

    Args:
        image: Opened, not yet decoded; a JPEG at the size to which it will be shrunk while it is.
        whole: Width and height of the file.
    """
    pixel = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4  # as Pillow holds them
    needed = image.width * image.height * pixel
    if image.format == "JPEG" and image.info.get("progressive"):
        needed += whole[0] * whole[1] * 2 * len(image.getbands())  # all coefficients, whatever the size of the output
    if image.format == "WEBP":
        needed *= 2  # the decoder's own copy
    if image.format == "TIFF":  # its tiles may be larger than itself
        tile = image.tag_v2.get(_TILE_WIDTH, 0), image.tag_v2.get(_TILE_LENGTH, 0)
        needed += tile[0] * tile[1] * 4
    if needed > MAX_BYTES:
        raise ImageError(
            f"{whole[0]} x {whole[1]} pixels of mode {image.mode} take {needed:,} bytes to decode; {MAX_BYTES:,} are "
            f"allowed. Save it with fewer pixels"
        )


def _pixels(image: Image.Image, factors: tuple[int, int]) -> np.ndarray:
    """Returns the pixels of an image as RGB, shrunk by whole numbers in width and height.

    Pieces begin at multiples of the factors, so that each pixel of the result is the mean of its own window.
    """
    width, height = image.size
    across, down = factors
    result = np.empty((-(-height // down), -(-width // across), 3), np.uint8)
    steps = tuple(max(1, PIECE // factor) * factor for factor in factors)
    for top, left in itertools.product(range(0, height, steps[1]), range(0, width, steps[0])):
        piece = image.crop((left, top, min(left + steps[0], width), min(top + steps[1], height)))
        part = np.asarray(_to_rgb(piece).reduce(factors) if factors != (1, 1) else _to_rgb(piece))
        row, column = top // down, left // across
        result[row : row + part.shape[0], column : column + part.shape[1]] = part
    return result


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Warps an image to a square: the aspect ratio is not kept, as in Yosinski et al. 2014.

    Args:
        image: Pixels, uint8 `(height, width, 3)`.
        size: Side of the result in pixels.

    Returns:
        Pixels, uint8 `(size, size, 3)`, linearly interpolated; when shrinking, over all pixels that an output pixel
        covers.
    """
    if image.shape == (size, size, 3):
        return image
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def encode_jpeg(image: np.ndarray) -> bytes:
    """Returns `image` as a JPEG of `JPEG_QUALITY`, colour at half resolution as in nearly all photographs."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def _to_rgb(image: Image.Image) -> Image.Image:
    """Returns the first frame of `image` as RGB."""
    if image.mode.startswith("I"):
        return Image.fromarray(_upper_byte(image)).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pixels have no defined range; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _upper_byte(image: Image.Image) -> np.ndarray:
    """Returns the upper eight of 16 bits, uint8 `(height, width)`."""
    pixels = np.array(image).astype(np.int64)
    if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 0xFFFF:
        raise ImageError("32-bit pixels have no defined range; save the image with 8 or 16 bits")
    return (pixels >> 8).astype(np.uint8)
