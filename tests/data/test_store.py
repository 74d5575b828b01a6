import dataclasses
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from memory_dataset import CLASSES, TRAIN, VAL, contents_of, flip, memory_dataset, pixels, png
from tftransfer.data import preparation
from tftransfer.data.decode import decode
from tftransfer.data.store import StoreError, prepare


class TestReading:
    def test_all_images_are_there_in_source_order(self, shared):
        half = shared.select("train", range(CLASSES))
        np.testing.assert_array_equal(half.ids, np.arange(TRAIN))
        np.testing.assert_array_equal(half.labels, np.arange(TRAIN) % CLASSES)
        np.testing.assert_array_equal(half.read(np.arange(TRAIN)), [pixels(index) for index in range(TRAIN)])

    def test_counts_and_labels(self, shared):
        assert shared.counts("train").tolist() == [200, 200, 200]
        assert shared.counts("val").tolist() == [10, 10, 10]
        assert shared.labels("val").tolist() == [0, 1, 2] * 10
        assert (shared.size, shared.encoding, shared.notes) == (8, "raw", {"mode_RGB": TRAIN + VAL})

    def test_a_half_has_labels_of_its_own_and_ids_of_the_store(self, shared):
        half = shared.select("train", [2, 1])
        assert set(half.labels.tolist()) == {0, 1}
        np.testing.assert_array_equal(half.labels, shared.labels("train")[half.ids] - 1)
        assert (half.labels.dtype, half.ids.dtype, len(half)) == (np.int32, np.int64, 400)
        assert (half.size, half.encoding) == (8, "raw")

    def test_positions_may_come_in_any_order_and_twice(self, shared):
        half = shared.select("train", [1])
        positions = np.array([199, 0, 0, 57])
        np.testing.assert_array_equal(half.read(positions), [pixels(half.ids[position]) for position in positions])

    def test_the_first_images_of_each_class_are_kept(self, shared):
        assert shared.select("train", [0, 2], images_per_class=2).ids.tolist() == [0, 2, 3, 5]
        assert len(shared.select("val", [0], images_per_class=99)) == 10

    def test_the_first_images_of_each_class_are_kept_where_one_class_comes_first(self, shared, monkeypatch):
        """As in a folder, whose images lie class by class."""
        labels = np.repeat(np.arange(3, dtype=np.int32), 10)
        monkeypatch.setattr(shared, "labels", lambda subset: labels)
        assert shared.select("train", [0, 2], images_per_class=2).ids.tolist() == [0, 1, 20, 21]

    @pytest.mark.parametrize("classes", [[], [0, 0], [3], [-1]])
    def test_wrong_classes_are_refused(self, shared, classes):
        with pytest.raises(ValueError, match=r"different class indices from 0 to 2. Received"):
            shared.select("train", classes)

    def test_other_wrong_requests_are_refused(self, shared):
        with pytest.raises(ValueError, match="images_per_class=0"):
            shared.select("train", [0], images_per_class=0)
        with pytest.raises(ValueError, match="subset='test'"):
            shared.labels("test")
        with pytest.raises(ValueError, match=r"stored as raw: use read"):
            shared.select("val", [0]).read_encoded(np.array([0]))
        with pytest.raises(IndexError):
            shared.read("val", np.array([-1]))

    def test_jpeg_stores_give_encoded_images(self, tmp_path, shared):
        store = prepare(memory_dataset(), str(tmp_path), size=16, encoding="jpeg")
        half = store.select("train", [1])
        positions = np.array([199, 3, 100])
        images = [decode(encoded) for encoded in half.read_encoded(positions)]
        assert {image.shape for image in images} == {(16, 16, 3)}
        for image, position in zip(images, positions, strict=True):
            np.testing.assert_allclose(image[12:, :, 1:], half.ids[position] % 256, atol=8)
        assert store.fingerprint == shared.fingerprint
        with pytest.raises(ValueError, match=r"stored as jpeg: use read_encoded"):
            half.read(positions)

    def test_size_decides_the_encoding(self, tmp_path):
        assert "-128px-raw-" in preparation.store_path(memory_dataset(), "x", 128, "raw")
        assert prepare(memory_dataset(), str(tmp_path), size=129).encoding == "jpeg"


class TestTogether:
    def test_of_several_processes_one_prepares(self, tmp_path):
        for subset in ("train", "val"):
            for index in range(20):
                path = tmp_path / "data" / subset / "ab"[index % 2] / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(index))
        program = textwrap.dedent(f"""
            from tftransfer.data.datasets import open_dataset
            from tftransfer.data.store import prepare
            done = []
            dataset = open_dataset("folder", {str(tmp_path / "data")!r})
            store = prepare(dataset, {str(tmp_path / "cache")!r}, size=8, progress=lambda *n: done.append(n))
            print(bool(done), store.fingerprint, store.read("val", [3]).sum())
        """)
        # No guard for the main module, and no file: neither may matter to the workers.
        command = [sys.executable, "-W", "error", "-"]
        running = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(3)
        ]
        for process in running:
            process.stdin.write(program)
            process.stdin.close()
        outputs = []
        for process in running:
            outputs.append(process.stdout.read().split())
            process.stdout.close()
            process.wait()
        assert sorted(made for made, *_ in outputs) == ["False", "False", "True"]
        assert len({tuple(rest) for _, *rest in outputs}) == 1


class TestCopies:
    def test_copies_of_an_image_are_found_whatever_their_name_and_class(self, tmp_path):
        def copied(example):
            return dataclasses.replace(example, encoded=png(3)) if example.key in ("val/0004", "val/0005") else example

        store = prepare(memory_dataset(copied, identity="copies"), str(tmp_path), size=8)
        validation, training = store.select("val", [1, 2]), store.select("train", [0])
        assert validation.copies_in(training) == 2
        assert validation.copies_in(store.select("train", [1])) == len(validation) // 2 - 1, "the images are the same"


def test_the_commands_compare_every_byte_of_small_stores(own, shared, monkeypatch):
    from tftransfer.experiment import prepared_images
    from tftransfer.experiment.config import Config

    path = pathlib.Path(own.path, "shards/train-00001.bin")
    flip(path)
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(prepared_images.datasets, "open_dataset", lambda *_: memory_dataset())
    monkeypatch.setattr(prepared_images, "stored_size", lambda *_: 8)
    options = Config(dataset="folder", cache_dir=os.path.dirname(own.path))
    assert contents_of(prepared_images.prepare(options)) == contents_of(shared)
    assert pathlib.Path(own.path, "shards/train-00001.bin").stat().st_mtime_ns > 1, "made again"


def test_images_that_are_removed_while_they_are_used_are_named(own):
    half = own.select("train", [0])
    shutil.rmtree(own.path)
    with pytest.raises(StoreError, match=r"are gone.*same command prepares them again"):
        half.read(np.array([0]))
    assert own.lost is not None


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EMFILE, "cannot be opened .Too many open files.*ulimit -n"),
        (errno.ENFILE, "cannot be opened .*machine has too many files open"),
        (errno.EACCES, "cannot be read .Permission denied"),
        (errno.EIO, "cannot be read"),
    ],
)
def test_images_that_cannot_be_read_for_another_reason_are_not_said_to_be_removed(own, number, message, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    half = own.select("train", [0])
    monkeypatch.setattr(np, "memmap", refuse)
    with pytest.raises(StoreError, match=message) as caught:
        half.read(np.array([0]))
    assert "removed" not in str(caught.value)


def test_a_store_is_not_taken_for_damaged_where_no_file_can_be_opened(own, monkeypatch):
    before = sorted(pathlib.Path(own.path).rglob("*"))

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("tftransfer.data.manifest.np.load", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        prepare(memory_dataset(), str(pathlib.Path(own.path).parent), size=8)
    assert sorted(pathlib.Path(own.path).rglob("*")) == before


def test_a_store_of_something_else_in_its_place_is_not_taken(tmp_path, shared):
    other = prepare(
        memory_dataset(lambda e: dataclasses.replace(e, encoded=png(3)), identity="other"), str(tmp_path), size=8
    )
    os.rename(other.path, preparation.store_path(memory_dataset(), str(tmp_path), 8, "raw"))
    assert contents_of(prepare(memory_dataset(), str(tmp_path), size=8)) == contents_of(shared)
