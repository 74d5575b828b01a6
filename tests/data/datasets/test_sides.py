import numpy as np
import pytest
from PIL import Image

from tftransfer.data.datasets import arrays, open_dataset
from tftransfer.data.datasets.sides import median_side, suggested_input


def test_the_side_is_the_root_of_the_area_of_files(tmp_path):
    for name in "ab":
        for index in range(4):
            path = tmp_path / name / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (90, 40)).save(path)
    assert median_side(open_dataset("folder", str(tmp_path))) == 60
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    assert median_side(open_dataset("folder", str(tmp_path))) is None


def test_what_is_known_is_not_read(tmp_path):
    assert median_side(open_dataset("motifs")) == 32
    x, y = np.arange(8 * 4 * 9, dtype=np.uint8).reshape(8, 4, 9), np.arange(8) % 2
    folder = arrays.write_pairs(zip(x, y, strict=True), tmp_path / "set")
    assert median_side(open_dataset("arrays", folder)) == 6


@pytest.mark.parametrize(
    ("side", "size"), [(1, 32), (28, 32), (36, 32), (64, 56), (96, 88), (224, 200), (255, 224), (256, 227), (4000, 227)]
)
def test_the_input_leaves_room_for_crops_between_32_and_the_papers_size(side, size):
    assert suggested_input(side) == size


def test_networks_may_need_more_and_unknown_sides_are_photographs():
    assert suggested_input(None) == 227
    assert suggested_input(64, least=75) == 75
    assert suggested_input(None, least=299) == 299
