"""Encoded images to RGB pixels, and pixels to one size."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

# Pillow's own limit for images that may be made to exhaust memory; it warns there, here it is an error.
MAX_PIXELS = 89_478_485
# Measured on 256-pixel photographs: 33 kB each at 41 dB; 4:4:4 adds 2.6 dB, a fifth to the size and a half to the time
# of decoding, which every epoch of training pays.
JPEG_QUALITY = 95


class ImageError(ValueError):
    """An image that cannot be decoded; the message says why."""


def decode(encoded: bytes, at_least: int | None = None) -> np.ndarray:
    """Decodes an image file of any format that Pillow reads.

    Grey, palette and CMYK images become RGB; transparent ones are laid on white; of 16 bits the upper eight are kept,
    and of an animation the first frame. The EXIF orientation is *not* applied, as in TensorFlow and Caffe.

    Args:
        encoded: The file's bytes.
        at_least: If given, a JPEG may be scaled down while it is decoded (by 2, 4 or 8), to no less than twice this
            many pixels on either side: much faster for large photographs that are to be resized anyway.

    Returns:
        The pixels, uint8 `(height, width, 3)`.

    Raises:
        ImageError: If the bytes are no image, a truncated one, one of more than `MAX_PIXELS` pixels, or of a kind
            (32-bit, floating point) without a defined range.
    """
    return decode_with_mode(encoded, at_least)[0]


def decode_with_mode(encoded: bytes, at_least: int | None = None) -> tuple[np.ndarray, str]:
    """Does what `decode` does and also returns the image's own mode in Pillow's words, such as "RGB", "L" or "CMYK"."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are decoded")
            if at_least is not None:
                image.draft(None, (2 * at_least, 2 * at_least))
            mode = image.mode
            return np.array(_to_rgb(image), dtype=np.uint8), mode
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("no image, or of an unknown format") from None
    except Exception as error:  # Damaged files make Pillow's readers raise nearly anything.
        raise ImageError(f"{type(error).__name__}: {error}") from error


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
