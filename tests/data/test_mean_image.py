import pathlib

import numpy as np
import pytest

from memory_dataset import memory_dataset, pixels
from tftransfer.data.mean_image import mean_image
from tftransfer.data.store import prepare


class TestMean:
    @pytest.mark.parametrize("encoding", ["raw", "jpeg"])
    def test_it_is_that_of_the_half_and_is_kept(self, tmp_path, encoding):
        store = prepare(memory_dataset(), str(tmp_path), size=8, encoding=encoding)
        half = store.select("train", [0, 2])
        expected = np.mean([pixels(index) for index in half.ids], 0)
        mean = mean_image(half)
        assert mean.dtype == np.float32
        np.testing.assert_allclose(mean, expected, atol=1e-4 if encoding == "raw" else 9)
        (kept,) = pathlib.Path(store.path, "means").glob("*.npz")
        written = kept.stat().st_mtime_ns
        np.testing.assert_array_equal(mean_image(half), mean)
        assert kept.stat().st_mtime_ns == written, "it was read, not computed again"
        whole = kept.read_bytes()
        np.savez(kept, mean=np.full_like(mean, 7), sha256="of something else")
        for damage in (kept.read_bytes(), b"damaged", whole[:-30], whole.replace(whole[200:204], b"abcd")):
            kept.write_bytes(damage)
            np.testing.assert_array_equal(mean_image(half), mean)

    def test_other_halves_have_other_means(self, own):
        assert not np.array_equal(mean_image(own.select("train", [0])), mean_image(own.select("train", [1])))


def test_a_mean_image_with_any_flipped_bit_is_computed_again(own):
    half = own.select("train", [0, 1])
    mean = mean_image(half)
    (path,) = pathlib.Path(own.path, "means").glob("*.npz")
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        np.testing.assert_array_equal(mean_image(half), mean)
