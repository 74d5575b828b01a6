import dataclasses
import io
import logging
import os
import pathlib
import signal
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from memory_dataset import CLASSES, TRAIN, VAL, break_some, contents_of, flip, memory_dataset, pixels, png
from tftransfer.cli import command_line
from tftransfer.data import preparation, progress
from tftransfer.data.datasets import Examples, open_dataset
from tftransfer.data.decode import decode
from tftransfer.data.shards import SHARD_EXAMPLES
from tftransfer.data.store import Store, StoreError, find, prepare
from tftransfer.data.workers import WorkerError


@dataclasses.dataclass(frozen=True)
class DeadlyExample:
    """Kills the worker that loads it, as long as a file is there."""

    label: int
    key: str
    encoded: bytes
    while_exists: str

    def load(self) -> bytes:
        if os.path.exists(self.while_exists):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.encoded


@dataclasses.dataclass(frozen=True)
class ImportsExample:
    """Fails if TensorFlow is loaded where it is."""

    label: int
    key: str
    encoded: bytes

    def load(self) -> bytes:
        if {"tensorflow", "tensorflow_datasets"} & set(sys.modules):
            raise OSError("TensorFlow is loaded")
        return self.encoded


class TestPreparation:
    def test_a_second_call_makes_nothing(self, own):
        before = {path: path.stat().st_mtime_ns for path in pathlib.Path(own.path).rglob("*")}
        calls = []
        cache_dir = os.path.dirname(own.path)
        again = prepare(memory_dataset(), cache_dir, size=8, progress=lambda *done: calls.append(done))
        assert (again.path, calls) == (own.path, [])
        assert {path: path.stat().st_mtime_ns for path in pathlib.Path(own.path).rglob("*")} == before
        assert find(memory_dataset(), cache_dir, size=8).fingerprint == own.fingerprint
        assert find(memory_dataset(), cache_dir, size=9) is None

    def test_progress_ends_with_all(self, tmp_path):
        calls = []
        prepare(memory_dataset(), str(tmp_path), size=8, progress=lambda *done: calls.append(done))
        assert [total for _, total in calls] == [TRAIN + VAL] * 4
        assert calls[-1][0] == TRAIN + VAL

    def test_every_option_and_the_source_decide_the_place(self):
        changed = dataclasses.replace(memory_dataset(), identity="other")
        paths = {
            preparation.store_path(dataset, "x", size, encoding)
            for dataset in (memory_dataset(), changed)
            for size in (8, 9)
            for encoding in ("raw", "jpeg")
        }
        assert len(paths) == 8
        assert len({path.rpartition("-")[2] for path in paths}) == 8, "the digest alone tells them apart"
        assert preparation.store_path(memory_dataset(name="a/b:1.*"), "x", 8, "raw").startswith("x/a-b-1.-")

    def test_the_fingerprint_is_that_of_the_data(self, tmp_path, shared):
        assert prepare(memory_dataset(), str(tmp_path), size=5).fingerprint == shared.fingerprint
        changes = [
            lambda example: dataclasses.replace(example, key=example.key + "x"),
            lambda example: dataclasses.replace(example, label=2 - example.label),
            lambda example: dataclasses.replace(example, encoded=png(int(example.key[-4:]) + 1)),
        ]
        datasets = [memory_dataset(change, identity=str(number)) for number, change in enumerate(changes)]
        datasets.append(memory_dataset(class_names=("a", "b", "d"), identity="names"))
        prints = {prepare(dataset, str(tmp_path), size=5).fingerprint for dataset in datasets}
        assert len(prints | {shared.fingerprint}) == 5

    def test_workers_do_not_load_tensorflow(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow", sys)
        prepare(memory_dataset(lambda e: ImportsExample(e.label, e.key, e.encoded)), str(tmp_path), size=8)

    def test_images_that_are_all_alike_are_said_to_be(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(preparation.duplicates, "MOST_LOOKED_UP", 5)
        noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)

        def alike(example):
            image = noise.copy()
            image[0, 0] = int(example.key[-4:]) % 256
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            return dataclasses.replace(example, encoded=buffer.getvalue())

        with caplog.at_level(logging.WARNING):
            store = prepare(memory_dataset(alike, identity="alike"), str(tmp_path), size=8)
        assert (
            "Near copies are not looked for in memory: more than 5 pairs of images resemble each other." in caplog.text
        )
        assert store.near_copies is None
        assert find(memory_dataset(alike, identity="alike"), str(tmp_path), size=8).near_copies is None

    def test_motifs_are_prepared_with_their_kinds(self, tmp_path):
        dataset = open_dataset("motifs")
        few = dataclasses.replace(
            dataset,
            subsets={
                s: Examples(40, lambda a, b, s=s: iter(dataset.examples(s)[:: len(dataset.examples(s)) // 40][a:b]))
                for s in ("train", "val")
            },
        )
        store = prepare(few, str(tmp_path), size=32, workers=1)
        assert set(store.class_kinds) == {"manmade", "natural"}
        np.testing.assert_array_equal(store.read("val", np.array([1]))[0], few.examples("val")[1].load())

    def test_a_class_without_images_is_named(self, tmp_path):
        with pytest.raises(StoreError, match=r"1 class\(es\) of 'memory' have no image in 'train': d"):
            prepare(memory_dataset(class_names=tuple("abcd"), class_kinds=(None,) * 4), str(tmp_path), size=8)

    def test_a_source_that_ends_early_is_named(self, tmp_path):
        subsets = dict(memory_dataset().subsets)
        subsets["val"] = Examples(VAL + 1, subsets["val"].between)
        with pytest.raises(StoreError, match="ended early: shard 0 of 'val' got 30 examples, expected 31"):
            prepare(memory_dataset(subsets=subsets), str(tmp_path), size=8)

    @pytest.mark.parametrize("options", [{"size": 0}, {"size": 8, "encoding": "png"}])
    def test_wrong_options_are_refused(self, tmp_path, options):
        with pytest.raises(ValueError, match="Received: "):
            prepare(memory_dataset(), str(tmp_path), **options)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"Cannot write in .*/file.*--cache_dir"):
            prepare(memory_dataset(), str(tmp_path / "file" / "below"), size=8)

    def test_a_full_disk_is_named_before_work_begins(self, tmp_path, monkeypatch):
        full = type("Usage", (), {"free": 1000})
        monkeypatch.setattr(preparation.shutil, "disk_usage", lambda path: full)
        with pytest.raises(StoreError, match=r"GB are needed, 0\.0 GB are free.*--cache_dir"):
            prepare(memory_dataset(), str(tmp_path), size=8)


class TestBrokenImages:
    def test_all_are_counted_and_ten_named(self, tmp_path):
        def break_some(example):
            number = int(example.key[-4:])
            return dataclasses.replace(example, encoded=example.encoded[:30]) if number % 50 == 7 else example

        with pytest.raises(StoreError, match=r"13 of the 630 images of 'memory' cannot be read") as caught:
            prepare(memory_dataset(break_some), str(tmp_path), size=8)
        assert "train/0457" in str(caught.value)
        assert "train/0507" not in str(caught.value)
        assert find(memory_dataset(), str(tmp_path), size=8) is None
        assert prepare(memory_dataset(), str(tmp_path), size=8).counts("train").sum() == TRAIN

    def test_files_that_vanished_are_broken(self, tmp_path):
        for subset in ("train", "val"):
            (tmp_path / "data" / subset / "a").mkdir(parents=True)
            (tmp_path / "data" / subset / "a" / "0.png").write_bytes(png(0))
        dataset = open_dataset("folder", str(tmp_path / "data"))
        (tmp_path / "data/val/a/0.png").unlink()
        with pytest.raises(StoreError, match=r"1 of the 2 images .*\n  val/a/0.png: .*No such file"):
            prepare(dataset, str(tmp_path), size=8)


class TestInterruption:
    def test_a_killed_worker_loses_only_its_shard(self, tmp_path, shared):
        marker = tmp_path / "deadly"
        marker.write_text("")

        def deadly(example):
            if example.key != f"train/{SHARD_EXAMPLES + 9:04d}":
                return example
            return DeadlyExample(example.label, example.key, example.encoded, str(marker))

        with pytest.raises(WorkerError, match="status -9"):
            prepare(memory_dataset(deadly), str(tmp_path / "cache"), size=8, workers=1)
        (store,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
        first = store / "shards" / "train-00000.bin"
        written = first.stat().st_mtime_ns
        assert not (store / "store.json").exists()
        with pytest.raises(StoreError, match="No finished store"):
            Store.open(str(store))
        (store / "shards" / "train-00001.bin.123.tmp").write_bytes(b"half")
        marker.unlink()
        finished = prepare(memory_dataset(deadly), str(tmp_path / "cache"), size=8, workers=1)
        assert first.stat().st_mtime_ns == written
        assert contents_of(finished) == contents_of(shared)

    def test_a_shard_without_its_index_or_damaged_is_made_again(self, own, shared):
        store = pathlib.Path(own.path)
        (store / "store.json").unlink()
        (store / "shards/train-00000.npz").unlink()
        (store / "shards/train-00001.npz").write_bytes(b"PK damaged")
        flip(store / "shards/val-00000.bin")
        prepare(memory_dataset(), str(store.parent), size=8)
        assert contents_of(own) == contents_of(shared)

    def test_a_shard_whose_thumbnails_are_damaged_is_made_again(self, own, shared):
        store = pathlib.Path(own.path)
        (store / "store.json").unlink()
        flip(store / "shards/val-00000.grey")
        prepare(memory_dataset(), str(store.parent), size=8)
        assert contents_of(own) == contents_of(shared)


class TestFormat:
    def test_a_store_of_an_older_format_is_made_anew_with_the_reason(self, tmp_path, caplog):
        older = tmp_path / os.path.basename(preparation.store_path(memory_dataset(), "", 8, "raw", version=2))
        older.mkdir()
        (older / "store.json").write_text("{}")
        with caplog.at_level(logging.WARNING):
            prepare(memory_dataset(), str(tmp_path), size=8)
        assert f"Preparing memory anew: {older} is of an older format, without what tells copies" in caplog.text
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            prepare(memory_dataset(), str(tmp_path), size=8)
            prepare(memory_dataset(), str(tmp_path), size=9)
        assert caplog.text == ""


class TestTogether:
    def test_who_waits_says_for_whom(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(preparation, "SECONDS_BEFORE_NOTICE", 0.05)
        store = str(tmp_path / "store")
        entered, leave = threading.Event(), threading.Event()

        def hold():
            with preparation.only_one(store):
                entered.set()
                leave.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        entered.wait(10)
        threading.Timer(0.5, leave.set).start()
        with caplog.at_level(logging.WARNING), preparation.only_one(store):
            pass
        holder.join()
        assert f"Waiting for process {os.getpid()} on " in caplog.text


class TestSkippedImages:
    @pytest.mark.parametrize("encoding", ["raw", "jpeg"])
    def test_broken_images_are_left_out_on_request_and_named(self, tmp_path, encoding):
        store = prepare(memory_dataset(break_some).without_broken(), str(tmp_path), size=8, encoding=encoding)
        kept = [index for index in range(TRAIN) if index % 50 != 7]
        assert len(store.labels("train")) == len(kept)
        assert store.notes["broken_images_left_out"] == 13
        assert set(store.left_out) == {f"train/{n:04d}" for n in range(7, TRAIN, 50)} | {"val/0007"}
        half = store.select("train", range(CLASSES))
        np.testing.assert_array_equal(half.labels, np.array(kept) % CLASSES)
        for position in (0, 7, 250, 251, 252, len(kept) - 1):  # on both sides of the end of the first shard
            if encoding == "raw":
                np.testing.assert_array_equal(half.read(np.array([position]))[0], pixels(kept[position]))
            else:
                image = decode(half.read_encoded(np.array([position]))[0])
                np.testing.assert_allclose(image[6:, :, 1:], kept[position] % 256, atol=9)

    def test_the_fingerprint_is_that_of_the_images_that_are_used(self, tmp_path, shared):
        whole = prepare(memory_dataset().without_broken(), str(tmp_path), size=8)
        assert (whole.fingerprint, whole.left_out) == (shared.fingerprint, {})
        assert whole.path != prepare(memory_dataset(), str(tmp_path), size=8).path
        fewer = prepare(memory_dataset(break_some).without_broken(), str(tmp_path / "other"), size=8)
        assert fewer.fingerprint != shared.fingerprint

    def test_a_store_without_them_does_not_serve_who_wants_all(self, tmp_path):
        prepare(memory_dataset(break_some).without_broken(), str(tmp_path), size=8)
        with pytest.raises(StoreError, match=r"13 of the 630 images.*--skip_broken"):
            prepare(memory_dataset(break_some), str(tmp_path), size=8)

    def test_a_class_that_loses_all_its_images_names_the_cause_and_the_way_out(self, tmp_path):
        def breaks(example):
            return dataclasses.replace(example, encoded=b"") if example.label == 1 and "val" in example.key else example

        with pytest.raises(StoreError, match=r"no image in 'val': .*--skip_broken left out \d+ broken.*remove these"):
            prepare(memory_dataset(breaks).without_broken(), str(tmp_path), size=8)

    def test_a_command_lists_them_in_lines_with_names_that_are_escaped(self, tmp_path, capsys):
        def breaks(example):
            key = "a\n  b\x1b[2J" if example.key.endswith("0007") else example.key
            return dataclasses.replace(break_some(example), key=key)

        with pytest.raises(SystemExit):
            command_line.main(lambda _: prepare(memory_dataset(breaks), str(tmp_path), size=8) and None, ["run"])
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 11
        assert lines[1].startswith("  a\\n  b\\x1b[2J: ")
        assert "The first ten:" in lines[0]

    def test_what_was_finished_is_kept(self, tmp_path):
        first = prepare(memory_dataset(break_some).without_broken(), str(tmp_path), size=8)
        shard = pathlib.Path(first.path, "shards/train-00000.bin")
        written = shard.stat().st_mtime_ns
        pathlib.Path(first.path, "store.json").unlink()
        again = prepare(memory_dataset(break_some).without_broken(), str(tmp_path), size=8)
        assert shard.stat().st_mtime_ns == written
        assert (again.fingerprint, again.left_out) == (first.fingerprint, first.left_out)

    def test_users_are_told(self, tmp_path):
        line, copies = progress.notes(prepare(memory_dataset(break_some).without_broken(), str(tmp_path), size=8))
        assert "13 broken images left out" in line
        assert "train/0007 (" in line
        assert "and 3 more" in line
        assert copies.startswith(
            "duplicates: of 29 validation images, 29 equal and 0 nearly equal training images: val/"
        )
