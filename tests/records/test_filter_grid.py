import io

import numpy as np
from PIL import Image

from tftransfer.records.filter_grid import filter_grid, png


def test_every_kernel_is_shown_once_in_order():
    kernels = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 3, 3), np.uint8)
    picture = filter_grid(kernels)
    assert picture.shape == (2 * 4 + 1, 4 * 4 + 1, 3)
    centres = picture[2::4, 2::4, 0].ravel()
    assert centres.tolist() == [0, 1, 2, 3, 4, 5, 6, 255]
    assert (picture[0] == 255).all()


def test_kernels_without_three_channels_are_grey():
    kernels = np.stack([np.zeros((2, 2)), np.full((2, 2), 200)], axis=-1)[None].astype(np.uint8)
    assert (filter_grid(kernels)[1:3, 1:3] == 100).all()


def test_zoom_repeats_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(png(picture, zoom=3))))
    assert shown.shape == (6, 9, 3)
    assert (shown[1::3, 1::3] == picture).all()
