import concurrent.futures
import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tftransfer.data import datasets, store
from tftransfer.data.datasets import DataSetError, arrays, describe_classes, open_dataset
from tftransfer.data.datasets.folder import SMALL_CLASSES

NAMES = ("ant", "bee", "cat", "dog")


def made(count=80, classes=4, side=8, seed=0):
    """Returns images, uint8 `(count, side, side, 3)`, and labels that take turns."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8), np.arange(count) % classes


def content(folder, subset):
    """Returns keys, labels and pixels of a subset."""
    examples = list(open_dataset("arrays", str(folder)).examples(subset))
    return [e.key for e in examples], [e.label for e in examples], [np.asarray(e.load()) for e in examples]


class TestWrite:
    def test_what_was_written_is_read_in_its_order(self, tmp_path):
        x, y = made()
        folder = arrays.write(x, y, tmp_path / "new" / "set", class_names=NAMES)
        assert folder == str(tmp_path / "new" / "set")
        dataset = open_dataset("arrays", folder)
        assert (dataset.name, dataset.class_names, dataset.native_size, dataset.side) == ("arrays", NAMES, 8, 8.0)
        assert describe_classes("arrays", folder) == (NAMES, (None,) * 4)
        positions = []
        for subset in datasets.SUBSETS:
            keys, labels, images = content(folder, subset)
            assert keys == sorted(keys)
            assert list(dataset.examples(subset).labels()) == labels == [y[int(key)] for key in keys]
            for key, image in zip(keys, images, strict=True):
                np.testing.assert_array_equal(image, x[int(key)])
            positions += map(int, keys)
        assert sorted(positions) == list(range(80))
        assert 6 <= len(dataset.examples("val")) <= 26, "about a fifth"
        assert {example.label for example in dataset.examples("val")} == {0, 1, 2, 3}

    def test_grey_images_and_fractions_become_rgb_of_8_bits(self, tmp_path):
        x, y = made()
        grey = x[..., 0]
        for name, images in (("uint8", grey), ("channel", grey[..., None]), ("float", grey / np.float32(255))):
            folder = arrays.write(images, y, tmp_path / name)
            keys, _, read = content(folder, "train")
            for key, image in zip(keys, read, strict=True):
                np.testing.assert_array_equal(image, np.stack([grey[int(key)]] * 3, -1))
            assert os.path.getsize(os.path.join(folder, "images.bin")) == grey.size, "one channel is kept"

    def test_held_out_images_depend_on_their_pixels_alone(self, tmp_path):
        x, y = made(200)
        order = np.random.default_rng(1).permutation(200)[:150]
        held = {}
        for name, chosen in (("all", np.arange(200)), ("some", order)):
            folder = arrays.write(x[chosen], y[chosen], tmp_path / name)
            held[name] = {image.tobytes() for image in content(folder, "val")[2]}
        assert held["some"] == held["all"] & {x[index].tobytes() for index in order}

    def test_copies_of_an_image_stay_together(self, tmp_path):
        x, y = made(40)
        folder = arrays.write(np.concatenate([x, x]), np.concatenate([y, y]), tmp_path / "set")
        train, val = ({image.tobytes() for image in content(folder, subset)[2]} for subset in datasets.SUBSETS)
        assert not train & val
        black = arrays.write(np.zeros_like(x), y, tmp_path / "black")
        assert {*content(black, "val")[1]} == {0, 1, 2, 3}, "unless a class has nothing else"

    def test_classes_whose_hashes_alone_do_not_decide_are_counted(self, tmp_path):
        x, y = made(8)
        dataset = open_dataset("arrays", arrays.write(x, y, tmp_path / "set"))
        assert dataset.notes[SMALL_CLASSES] >= 1

    def test_the_fraction_is_that_asked_for(self, tmp_path):
        x, y = made(400, side=2)
        few, many = (arrays.write(x, y, tmp_path / str(f), validation_fraction=f) for f in (0.1, 0.5))
        assert 20 < len(content(few, "val")[0]) < 60
        assert 160 < len(content(many, "val")[0]) < 240

    def test_given_validation_images_are_taken(self, tmp_path):
        x, y = made()
        vx, vy = made(8, seed=5)
        folder = arrays.write(x, y, tmp_path / "set", validation=(vx, vy))
        assert (len(content(folder, "train")[0]), content(folder, "val")[1]) == (80, vy.tolist())
        np.testing.assert_array_equal(content(folder, "val")[2], vx)
        assert not datasets.is_held_out("arrays", folder)
        assert datasets.is_held_out("arrays", arrays.write(x, y, tmp_path / "other"))

    def test_labels_may_be_texts(self, tmp_path):
        x, y = made()
        texts = np.array(NAMES)[y]
        assert open_dataset("arrays", arrays.write(x, texts, tmp_path / "a")).class_names == NAMES
        turned = open_dataset("arrays", arrays.write(x, texts, tmp_path / "b", class_names=NAMES[::-1]))
        assert turned.class_names == NAMES[::-1]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda x, y: {"labels": y * 1.0}, "labels are of another type.*float64"),
            (lambda x, y: {"labels": y * 0}, "There is one class"),
            (
                lambda x, y: {"labels": np.where(np.arange(80) == 3, 9, y)},
                r"1 class\(es\) have one image: 9\..*or pass",
            ),
            (lambda x, y: {"labels": y[:-1]}, "80 images and 79 labels"),
            (lambda x, y: {"images": np.where(x == 7, np.nan, x)}, "NaN"),
            (lambda x, y: {"images": [*x[:-1], x[0, :3]]}, "write_pairs"),
            (lambda x, y: {"validation": (x[:, :4], y)}, r"\(8, 8, 3\) and \(4, 8, 3\)"),
            (lambda x, y: {"validation": x}, r"Expected validation=\(images, labels\)"),
            (lambda x, y: {"validation": (x[:3], y[:3])}, r"1 class\(es\) have no validation image: 3"),
            (lambda x, y: {"validation": (x[:9], np.arange(9) % 5)}, r"1 class\(es\) have no training image: 4"),
            (lambda x, y: {"class_names": ["", "b", "c", "d"]}, "class name is empty"),
            (lambda x, y: {"validation_fraction": 1.0}, "between 0 and 1"),
            (lambda x, y: {"validation_fraction": float("nan")}, "between 0 and 1"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_and_leaves_nothing(self, tmp_path, change, message):
        x, y = made()
        with pytest.raises(DataSetError, match=message):
            arrays.write(**({"images": x, "labels": y, "folder": tmp_path / "set"} | change(x, y)))
        assert os.listdir(tmp_path) == []

    def test_no_folder_is_overwritten(self, tmp_path):
        x, y = made()
        folder = arrays.write(x, y, tmp_path / "set")
        assert arrays.write(x, y, folder) == folder, "the same data set is fine"
        before = open_dataset("arrays", folder).identity
        for target in (tmp_path, folder):
            with pytest.raises(DataSetError, match="nothing was overwritten"):
                arrays.write(x[::-1], y, target)
        assert open_dataset("arrays", folder).identity == before
        assert os.listdir(tmp_path) == ["set"]

    def test_large_arrays_are_read_in_pieces(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tftransfer.data.datasets.array_values._CHUNK", 8 * 8 * 3 * 7)
        x, y = made()
        folder = arrays.write(x / 255.0, y, tmp_path / "set")
        for key, image in zip(*content(folder, "train")[::2], strict=True):
            np.testing.assert_array_equal(image, x[int(key)])


class TestCache:
    def test_the_same_content_has_the_same_folder_and_another_another(self, tmp_path):
        x, y = made()
        folder = arrays.write_to_cache(x, y, tmp_path)
        assert arrays.is_in_cache(folder)
        assert not arrays.is_in_cache(str(tmp_path))
        assert arrays.write_to_cache(x.copy(), y.astype(np.uint8), tmp_path) == folder
        changed = x.copy()
        changed[3, 0, 0, 0] ^= 1
        others = [
            arrays.write_to_cache(changed, y, tmp_path),
            arrays.write_to_cache(x, y[::-1], tmp_path),
            arrays.write_to_cache(x, y, tmp_path, class_names=NAMES),
            arrays.write_to_cache(x, y, tmp_path, validation=(x[:8], y[:8])),
            arrays.write_to_cache(x, y[::-1], tmp_path, validation=(x[:8], y[:8])),
            arrays.write_to_cache(x[..., 0], y, tmp_path),
        ]
        assert len({folder, *others}) == 7
        assert len(os.listdir(os.path.dirname(folder))) == 7

    def test_writers_at_the_same_time_end_with_one_folder(self, tmp_path):
        x, y = made()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            folders = set(pool.map(lambda _: arrays.write_to_cache(x, y, tmp_path), range(8)))
        assert len(folders) == 1
        assert os.listdir(tmp_path / "arrays") == [os.path.basename(*folders)]

    def test_a_damaged_folder_is_made_again(self, tmp_path):
        x, y = made()
        folder = arrays.write_to_cache(x, y, tmp_path)
        with open(os.path.join(folder, "images.bin"), "r+b") as file:
            file.write(b"\0\1\2")
        with pytest.raises(DataSetError, match="damaged"):
            open_dataset("arrays", folder)
        assert arrays.write_to_cache(x, y, tmp_path) == folder
        np.testing.assert_array_equal(content(folder, "val")[2][0], x[int(content(folder, "val")[0][0])])

    def test_the_identity_does_not_depend_on_the_place(self, tmp_path):
        x, y = made()
        folders = arrays.write(x, y, tmp_path / "here"), arrays.write_to_cache(x, y, tmp_path)
        one, other = (open_dataset("arrays", folder).identity for folder in folders)
        assert one == other


class TestPairs:
    def test_images_of_any_size_and_files_are_kept_without_loss(self, tmp_path):
        rng = np.random.default_rng(0)
        images = [rng.integers(0, 256, (4 + i % 3, 5, 3), dtype=np.uint8) for i in range(24)]
        buffer = io.BytesIO()
        Image.fromarray(images[0]).save(buffer, "BMP")
        pairs = [(buffer.getvalue(), "a"), *((image, "ab"[i % 2]) for i, image in enumerate(images) if i)]
        folder = arrays.write_pairs(iter(pairs), tmp_path / "set")
        dataset = open_dataset("arrays", folder)
        assert (dataset.class_names, dataset.native_size) == (("a", "b"), None)
        assert dataset.side == pytest.approx(np.sqrt(25))
        for subset in datasets.SUBSETS:
            for example in dataset.examples(subset):
                pixels = np.asarray(Image.open(io.BytesIO(example.load())))
                np.testing.assert_array_equal(pixels, images[int(example.key)])

    def test_a_tf_data_set_is_read(self, tmp_path):
        x, y = made()
        pairs = tf.data.Dataset.from_tensor_slices((x / np.float32(255), np.array(NAMES)[y]))
        folder = arrays.write_pairs(pairs, tmp_path / "set", validation=pairs.take(12))
        assert len(open_dataset("arrays", folder).examples("train")) == 80
        assert content(folder, "val")[1] == y[:12].tolist()
        one, other = (arrays.write_pairs_to_cache(pairs, tmp_path / "cache") for _ in range(2))
        assert one == other

    @pytest.mark.parametrize(
        ("pairs", "message"),
        [
            (lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).repeat(), "without an end"),
            (lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).batch(8), r"is a batch, \(8, 8, 8, 3\).*unbatch"),
            (lambda x, y: tf.data.Dataset.from_tensor_slices({"image": x, "label": y}), "dictionary of image, label"),
            (lambda x, y: zip(x, np.eye(4)[y], strict=True), "not one value.*argmax"),
            (lambda x, y: zip(x, y * 0.5, strict=True), "labels are of another type"),
            (lambda x, y: [(x[0], y[0]), (x[1] / 255, y[1])], "image 1 is float64, those before are uint8"),
            (lambda x, y: [(x[0] / 255, y[0]), (x[1] * 1.0, y[1])], "image 1 is not of the range of the first, 0 to 1"),
            (lambda x, y: [(x[0] / 255, y[0]), (x[1] * np.nan, y[1])], "image 1 hold NaN"),
            (lambda x, y: [(x[0] / 100, y[0])], "neither 0 to 1 nor 0 to 255"),
            (lambda x, y: [(x[0, 0, 0], y[0])], r"image 0 has a shape that is not known.*Received: \(3,\)"),
            (lambda x, y: [(b"no image", 1)], "image 0 is no image file"),
            (lambda x, y: [(b"", 1)], "0 bytes"),
            (lambda x, y: [], "There are no images"),
            (lambda x, y: 7, "Received: int"),
            (lambda x, y: [x[0]], "Expected pairs"),
        ],
    )
    def test_what_are_no_pairs_is_refused_and_leaves_nothing(self, tmp_path, pairs, message):
        with pytest.raises(DataSetError, match=f"(?i){message}"):
            arrays.write_pairs(pairs(*made()), tmp_path / "set")
        assert os.listdir(tmp_path) == []


def test_both_kinds_are_prepared(tmp_path):
    x, y = made()
    for name, folder in (
        ("arrays", arrays.write(x, y, tmp_path / "arrays")),
        ("pairs", arrays.write_pairs(zip(x, y, strict=True), tmp_path / "pairs")),
    ):
        prepared = store.prepare(open_dataset("arrays", folder), str(tmp_path / f"cache-{name}"), 8, workers=1)
        half = prepared.select("val", [0, 1, 2, 3])
        keys = content(folder, "val")[0]
        np.testing.assert_array_equal(half.read(np.arange(len(half))), x[[int(key) for key in keys]])


def test_missing_and_other_folders_are_named(tmp_path):
    for folder, message in ((None, "needs --data_dir"), (tmp_path / "no", "there is nothing"), (tmp_path, "is empty")):
        with pytest.raises(DataSetError, match=message):
            open_dataset("arrays", folder and str(folder))
    (tmp_path / "cat.png").write_bytes(b"")
    for call in (open_dataset, describe_classes):
        with pytest.raises(DataSetError, match=r"No arrays\.json .*--dataset=folder"):
            call("arrays", str(tmp_path))
