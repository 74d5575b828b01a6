import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from tftransfer.data import decode as decode_module
from tftransfer.data.datasets.files import EXTENSIONS
from tftransfer.data.decode import (
    FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    ImageError,
    decode,
    decode_with_mode,
    encode_jpeg,
    resize,
)


def _encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _photo(height: int = 30, width: int = 40) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 6 % 256, columns * 5 % 256, (rows + columns) * 3 % 256], -1).astype(np.uint8)


def test_rgb_is_kept_exactly():
    np.testing.assert_array_equal(decode(_encode(Image.fromarray(_photo()))), _photo())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_every_format_becomes_rgb(kind):
    image = decode(_encode(Image.fromarray(_photo()), kind))
    assert (image.shape, image.dtype) == ((30, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "PNG"), ("L", "JPEG"), ("P", "PNG"), ("CMYK", "JPEG"), ("LAB", "TIFF")]
)
def test_every_mode_becomes_rgb_and_is_named(mode, kind):
    image, own_mode = decode_with_mode(
        _encode(
            Image.fromarray(_photo()).convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (40, 30)),
            kind,
        )
    )
    assert (image.shape, image.dtype, own_mode) == ((30, 40, 3), np.uint8, mode)


def test_grey_has_three_equal_channels():
    image = decode(_encode(Image.fromarray(_photo()[..., 0])))
    np.testing.assert_array_equal(image, np.repeat(_photo()[..., :1], 3, -1))


def test_cmyk_keeps_its_colours():
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    np.testing.assert_allclose(decode(_encode(red, "JPEG")).mean((0, 1)), [200, 30, 30], atol=4)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_lie_on_white(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    np.testing.assert_array_equal(decode(_encode(image)), np.full((4, 4, 3), 255))


def test_a_transparent_palette_colour_lies_on_white():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(decode(_encode(image, transparency=0)), np.full((4, 4, 3), 255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_16_bits_the_upper_eight_are_kept(kind):
    pixels = np.array([[0, 255, 256], [0x1234, 0xFF00, 0xFFFF]], np.uint16)
    image = decode(_encode(Image.fromarray(pixels), kind))
    np.testing.assert_array_equal(image[..., 0], [[0, 0, 1], [0x12, 0xFF, 0xFF]])


@pytest.mark.parametrize("pixels", [np.full((2, 2), 70000, np.int32), np.ones((2, 2), np.float32)])
def test_pixels_without_a_range_are_refused(pixels):
    with pytest.raises(ImageError, match="no defined range; save the image with 8 or 16 bits"):
        decode(_encode(Image.fromarray(pixels), "TIFF"))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    encoded = _encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(encoded)[0, 0], [255, 0, 0])


def test_exif_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(_encode(Image.fromarray(_photo()), "JPEG", exif=exif)).shape == (30, 40, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_truncated_files_are_refused(kind):
    encoded = _encode(Image.fromarray(_photo(80, 80)), kind)
    with pytest.raises(ImageError):
        decode(encoded[: len(encoded) // 2])


@pytest.mark.parametrize(
    "encoded", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"\xff\xd8\xff" + b"\1" * 99]
)
def test_garbage_is_refused(encoded):
    with pytest.raises(ImageError):
        decode(encoded)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_too_large_are_refused_before_they_are_decoded():
    encoded = _encode(Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)))
    with pytest.raises(ImageError, match="pixels"):
        decode(encoded)


def test_large_jpegs_are_scaled_while_decoded_but_never_below_twice_the_size():
    encoded = _encode(Image.fromarray(_photo(800, 1200)), "JPEG")
    image = decode(encoded, at_least=64)
    assert image.shape == (200, 300, 3)
    assert decode(encoded, at_least=300).shape == (800, 1200, 3)
    assert decode(encoded).shape == (800, 1200, 3)
    difference = resize(image, 64).astype(int) - resize(decode(encoded), 64)
    assert np.abs(difference).mean() < 3


def test_resize_warps_to_a_square():
    image = resize(_photo(30, 60), 16)
    assert (image.shape, image.dtype, image.flags.writeable) == ((16, 16, 3), np.uint8, True)
    halves = np.zeros((30, 60, 3), np.uint8)
    halves[:, 30:] = 255
    warped = resize(halves, 16)
    assert warped[:, :7].max() == 0, "all of the width is there"
    assert warped[:, 9:].min() == 255


def test_resize_averages_all_pixels_when_shrinking():
    chess = np.repeat((np.indices((64, 64)).sum(0) % 2 * 255)[..., None], 3, -1).astype(np.uint8)
    assert np.ptp(resize(chess, 8).astype(int)) <= 3


def test_resize_leaves_an_image_of_the_right_size_alone():
    np.testing.assert_array_equal(resize(_photo(16, 16), 16), _photo(16, 16))


def test_jpeg_encoding_is_close_to_the_original():
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, np.full((64, 64), 90)], -1).astype(np.uint8)
    assert np.abs(decode(encode_jpeg(smooth)).astype(int) - smooth).mean() < 2


def test_a_postscript_file_named_as_an_image_is_not_run(monkeypatch):
    """Pillow hands EPS to Ghostscript, an interpreter of programs."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ImageError, match=r"another format than JPEG, PNG, BMP, GIF, WEBP, TIFF"):
        decode(head + b"0 0 9 9 rectfill\n%%EOF\n")


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "JPEG2000", "PDF"])
def test_other_formats_are_refused(kind):
    with pytest.raises(ImageError, match="another format"):
        decode(_encode(Image.fromarray(_photo()), kind))


def test_every_extension_that_is_looked_for_has_its_format_and_no_other():
    registered = Image.registered_extensions()
    assert {registered[extension] for extension in EXTENSIONS} == set(FORMATS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "CMYK"])
def test_large_images_are_shrunk_piece_by_piece_to_the_same_picture(monkeypatch, mode):
    monkeypatch.setattr(decode_module, "PIECE", 70)
    image = Image.fromarray(_photo(333, 517)).convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    whole = decode(_encode(image, kind))
    np.testing.assert_array_equal(whole, np.array(image.convert("RGB")))
    monkeypatch.setattr(decode_module, "LARGE", 100)
    small = decode(_encode(image, kind), at_least=20)
    assert small.shape == (-(-333 // 8), -(-517 // 12), 3)
    np.testing.assert_array_equal(small, np.array(image.convert("RGB").reduce((12, 8))))


def test_an_image_that_is_much_longer_than_wide_is_shrunk_along_its_length(monkeypatch):
    monkeypatch.setattr(decode_module, "LARGE", 100)
    assert decode(_encode(Image.fromarray(_photo(4, 3000))), at_least=8).shape == (4, 17, 3)


_PEAK = """
import io, resource, sys
from PIL import Image
from tftransfer.data.decode import ImageError, decode, resize
encoded = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(resize(decode(encoded, at_least=64), 64).shape, end=" ")
except ImageError as error:
    print("refused", error, end=" ")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def _bomb(kind):
    """An image of a few kilobytes that takes hundreds of megabytes, or would."""
    sides = {"RGBA": (8192, 8191), "P": (9459, 9459), "WEBP": (8000, 8000), "JPEG": (9459, 9459), "L": (9459, 9459)}
    mode = kind if kind in ("RGBA", "P", "L") else "RGB"
    image = Image.new(mode, sides.get(kind, (9459, 9459)), 1 if mode in "PL" else (9, 9, 9))
    if kind == "P":
        image.putpalette([10, 20, 30, 40, 50, 60])
        return _encode(image, transparency=1)
    if kind in ("WEBP", "JPEG"):
        return _encode(image, kind, **({"progressive": True} if kind == "JPEG" else {}))
    return _encode(image)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("RGBA", "(64, 64, 3)"), ("P", "(64, 64, 3)"), ("L", "(64, 64, 3)"), ("RGB", "refused"), ("WEBP", "refused"),
     ("JPEG", "refused")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_one_image_takes_no_more_memory_than_is_allowed(tmp_path, kind, expected):
    path = tmp_path / "bomb"
    path.write_bytes(_bomb(kind))
    done = subprocess.run([sys.executable, "-c", _PEAK, path], capture_output=True, text=True, check=True)
    outcome, peak = done.stdout.rsplit(" ", 1)
    assert outcome.startswith(expected)
    assert int(peak) < MAX_BYTES + 100e6, "what is allowed, and some pieces"


def test_a_tile_that_is_larger_than_its_image_is_refused():
    tags = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: 30_000, 323: 30_000, 324: 8, 325: 16}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    encoded = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    with pytest.raises(ImageError, match="bytes to decode"):
        decode(encoded)
