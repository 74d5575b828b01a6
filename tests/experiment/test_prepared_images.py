import pytest
from PIL import Image

from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config


@pytest.mark.parametrize(
    ("options", "native_size", "stored"),
    [
        ({"dataset": "imagenet2012"}, None, 256),
        ({"dataset": "imagenet2012"}, 64, 256),
        ({"image_size": 56}, 64, 64),  # room for crops
        ({"image_size": 32}, 64, 36),
        ({"image_size": 32}, 40, 40),
        ({"image_size": 32}, 41, 36),  # more room than twice the paper's margin
        ({"image_size": 32}, 32, 32),  # pixels, which are padded
        ({"image_size": 224}, 224, 253),  # JPEG, which is not
        ({"image_size": 32}, 28, 36),
    ],
)
def test_images_keep_their_size_where_that_leaves_room_for_crops(options, native_size, stored):
    assert prepared_images.stored_size(Config(**options), native_size) == stored


def test_the_folder_is_the_option_or_in_the_users_cache(monkeypatch):
    assert prepared_images.cache_folder(Config(cache_dir="here")) == "here"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert prepared_images.cache_folder(Config()) == "/cache/tftransfer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert prepared_images.cache_folder(Config()) == "/home/me/.cache/tftransfer"


@pytest.fixture
def folder(tmp_path):
    """Four classes of 3 training images and 1 for validation, 40 pixels a side."""
    for subset, count in (("train", 3), ("val", 1)):
        for name in "abcd":
            (tmp_path / "images" / subset / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (40, 40)).save(tmp_path / "images" / subset / name / f"{number}.png")
    return Config(dataset="folder", data_dir=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"), image_size=32)


def test_images_are_measured_before_they_are_read(folder):
    assert prepared_images.dataset_bytes(prepared_images.dataset_of(folder), 36) == 16 * 36 * 36 * 3


def test_images_are_prepared_once(folder, tmp_path):
    calls = []
    store = prepared_images.prepare(folder, lambda *call: calls.append(call))
    assert store.counts("train").tolist() == [3, 3, 3, 3]
    assert store.class_names == ("a", "b", "c", "d")
    assert calls
    calls.clear()
    again = prepared_images.prepare(folder, lambda *call: calls.append(call))
    assert again.path == store.path
    assert str(store.path).startswith(str(tmp_path / "cache"))
