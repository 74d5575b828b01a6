import dataclasses
import errno
import hashlib
import io
import json
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from PIL import Image

from tftransfer.cli import command_line
from tftransfer.data import manifest, preparation, progress, shards
from tftransfer.data.datasets import Dataset, EncodedExample, Examples, open_dataset
from tftransfer.data.datasets.dataset import Digest
from tftransfer.data.decode import decode
from tftransfer.data.mean_image import mean_image
from tftransfer.data.shards import SHARD_EXAMPLES
from tftransfer.data.store import Store, StoreError, find, prepare
from tftransfer.data.workers import WorkerError, Workers

TRAIN, VAL, CLASSES = 2 * SHARD_EXAMPLES + 88, 30, 3


def _png(index: int) -> bytes:
    image = np.full((8, 8, 3), index % 256, np.uint8)
    image[:4, :, 0] = index // 256 * 100
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _pixels(index: int) -> np.ndarray:
    return decode(_png(index))


def _source(change=lambda example: example, **fields) -> Dataset:
    """Returns a source of three classes in turns, in memory; `change` may replace an example."""

    def examples(subset: str, count: int) -> Examples:
        made = [change(EncodedExample(index % CLASSES, f"{subset}/{index:04d}", _png(index))) for index in range(count)]
        return Examples(count, lambda start, stop: iter(made[start:stop]))

    return Dataset(
        **{
            "name": "memory",
            "class_names": ("a", "b", "c"),
            "class_kinds": (None,) * CLASSES,
            "native_size": 8,
            "identity": Digest("memory").hexdigest(),
            "subsets": {"train": examples("train", TRAIN), "val": examples("val", VAL)},
        }
        | fields
    )


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


def _contents(store: Store) -> dict[str, bytes]:
    root = pathlib.Path(store.path)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Store:
    return prepare(_source(), str(tmp_path_factory.mktemp("shared")), size=8)


@pytest.fixture
def own(tmp_path) -> Store:
    return prepare(_source(), str(tmp_path), size=8)


class TestReading:
    def test_all_images_are_there_in_source_order(self, shared):
        half = shared.select("train", range(CLASSES))
        np.testing.assert_array_equal(half.ids, np.arange(TRAIN))
        np.testing.assert_array_equal(half.labels, np.arange(TRAIN) % CLASSES)
        np.testing.assert_array_equal(half.read(np.arange(TRAIN)), [_pixels(index) for index in range(TRAIN)])

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
        np.testing.assert_array_equal(half.read(positions), [_pixels(half.ids[position]) for position in positions])

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
        store = prepare(_source(), str(tmp_path), size=16, encoding="jpeg")
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
        assert "-128px-raw-" in preparation.store_path(_source(), "x", 128, "raw")
        assert prepare(_source(), str(tmp_path), size=129).encoding == "jpeg"


class TestMean:
    @pytest.mark.parametrize("encoding", ["raw", "jpeg"])
    def test_it_is_that_of_the_half_and_is_kept(self, tmp_path, encoding):
        store = prepare(_source(), str(tmp_path), size=8, encoding=encoding)
        half = store.select("train", [0, 2])
        expected = np.mean([_pixels(index) for index in half.ids], 0)
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


class TestPreparation:
    def test_a_second_call_makes_nothing(self, own):
        before = {path: path.stat().st_mtime_ns for path in pathlib.Path(own.path).rglob("*")}
        calls = []
        cache_dir = os.path.dirname(own.path)
        again = prepare(_source(), cache_dir, size=8, progress=lambda *done: calls.append(done))
        assert (again.path, calls) == (own.path, [])
        assert {path: path.stat().st_mtime_ns for path in pathlib.Path(own.path).rglob("*")} == before
        assert find(_source(), cache_dir, size=8).fingerprint == own.fingerprint
        assert find(_source(), cache_dir, size=9) is None

    def test_progress_ends_with_all(self, tmp_path):
        calls = []
        prepare(_source(), str(tmp_path), size=8, progress=lambda *done: calls.append(done))
        assert [total for _, total in calls] == [TRAIN + VAL] * 4
        assert calls[-1][0] == TRAIN + VAL

    def test_every_option_and_the_source_decide_the_place(self):
        changed = dataclasses.replace(_source(), identity="other")
        paths = {
            preparation.store_path(source, "x", size, encoding)
            for source in (_source(), changed)
            for size in (8, 9)
            for encoding in ("raw", "jpeg")
        }
        assert len(paths) == 8
        assert preparation.store_path(_source(name="a/b:1.*"), "x", 8, "raw").startswith("x/a-b-1.-")

    def test_the_fingerprint_is_that_of_the_data(self, tmp_path, shared):
        assert prepare(_source(), str(tmp_path), size=5).fingerprint == shared.fingerprint
        changes = [
            lambda example: dataclasses.replace(example, key=example.key + "x"),
            lambda example: dataclasses.replace(example, label=2 - example.label),
            lambda example: dataclasses.replace(example, encoded=_png(int(example.key[-4:]) + 1)),
        ]
        sources = [_source(change, identity=str(number)) for number, change in enumerate(changes)]
        sources.append(_source(class_names=("a", "b", "d"), identity="names"))
        prints = {prepare(source, str(tmp_path), size=5).fingerprint for source in sources}
        assert len(prints | {shared.fingerprint}) == 5

    def test_workers_do_not_load_tensorflow(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow", sys)
        prepare(_source(lambda e: ImportsExample(e.label, e.key, e.encoded)), str(tmp_path), size=8)

    def test_motifs_are_prepared_with_their_kinds(self, tmp_path):
        source = open_dataset("motifs")
        few = dataclasses.replace(
            source,
            subsets={
                s: Examples(40, lambda a, b, s=s: iter(source.examples(s)[:: len(source.examples(s)) // 40][a:b]))
                for s in ("train", "val")
            },
        )
        store = prepare(few, str(tmp_path), size=32, workers=1)
        assert set(store.class_kinds) == {"manmade", "natural"}
        np.testing.assert_array_equal(store.read("val", np.array([1]))[0], few.examples("val")[1].load())

    def test_a_class_without_images_is_named(self, tmp_path):
        with pytest.raises(StoreError, match=r"1 class\(es\) of 'memory' have no image in 'train': d"):
            prepare(_source(class_names=tuple("abcd"), class_kinds=(None,) * 4), str(tmp_path), size=8)

    def test_a_source_that_ends_early_is_named(self, tmp_path):
        splits = dict(_source().subsets)
        splits["val"] = Examples(VAL + 1, splits["val"].between)
        with pytest.raises(StoreError, match="ended early: shard 0 of 'val' got 30 examples, expected 31"):
            prepare(_source(subsets=splits), str(tmp_path), size=8)

    @pytest.mark.parametrize("options", [{"size": 0}, {"size": 8, "encoding": "png"}])
    def test_wrong_options_are_refused(self, tmp_path, options):
        with pytest.raises(ValueError, match="Received: "):
            prepare(_source(), str(tmp_path), **options)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"Cannot write in .*/file.*--cache_dir"):
            prepare(_source(), str(tmp_path / "file" / "below"), size=8)

    def test_a_full_disk_is_named_before_work_begins(self, tmp_path, monkeypatch):
        full = type("Usage", (), {"free": 1000})
        monkeypatch.setattr(preparation.shutil, "disk_usage", lambda path: full)
        with pytest.raises(StoreError, match=r"GB are needed, 0\.0 GB are free.*--cache_dir"):
            prepare(_source(), str(tmp_path), size=8)


class TestBrokenImages:
    def test_all_are_counted_and_ten_named(self, tmp_path):
        def break_some(example):
            number = int(example.key[-4:])
            return dataclasses.replace(example, encoded=example.encoded[:30]) if number % 50 == 7 else example

        with pytest.raises(StoreError, match=r"13 of the 630 images of 'memory' cannot be read") as caught:
            prepare(_source(break_some), str(tmp_path), size=8)
        assert "train/0457" in str(caught.value)
        assert "train/0507" not in str(caught.value)
        assert find(_source(), str(tmp_path), size=8) is None
        assert prepare(_source(), str(tmp_path), size=8).counts("train").sum() == TRAIN

    def test_files_that_vanished_are_broken(self, tmp_path):
        for split in ("train", "val"):
            (tmp_path / "data" / split / "a").mkdir(parents=True)
            (tmp_path / "data" / split / "a" / "0.png").write_bytes(_png(0))
        source = open_dataset("folder", str(tmp_path / "data"))
        (tmp_path / "data/val/a/0.png").unlink()
        with pytest.raises(StoreError, match=r"1 of the 2 images .*\n  val/a/0.png: .*No such file"):
            prepare(source, str(tmp_path), size=8)


class TestInterruption:
    def test_a_killed_worker_loses_only_its_shard(self, tmp_path, shared):
        marker = tmp_path / "deadly"
        marker.write_text("")

        def deadly(example):
            if example.key != f"train/{SHARD_EXAMPLES + 9:04d}":
                return example
            return DeadlyExample(example.label, example.key, example.encoded, str(marker))

        with pytest.raises(WorkerError, match="status -9"):
            prepare(_source(deadly), str(tmp_path / "cache"), size=8, workers=1)
        (store,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
        first = store / "shards" / "train-00000.bin"
        written = first.stat().st_mtime_ns
        assert not (store / "store.json").exists()
        with pytest.raises(StoreError, match="No finished store"):
            Store.open(str(store))
        (store / "shards" / "train-00001.bin.123.tmp").write_bytes(b"half")
        marker.unlink()
        finished = prepare(_source(deadly), str(tmp_path / "cache"), size=8, workers=1)
        assert first.stat().st_mtime_ns == written
        assert _contents(finished) == _contents(shared)

    def test_a_shard_without_its_index_or_damaged_is_made_again(self, own, shared):
        store = pathlib.Path(own.path)
        (store / "store.json").unlink()
        (store / "shards/train-00000.npz").unlink()
        (store / "shards/train-00001.npz").write_bytes(b"PK damaged")
        _flip(store / "shards/val-00000.bin")
        prepare(_source(), str(store.parent), size=8)
        assert _contents(own) == _contents(shared)


def _flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _change(key: str, value):
    def change(path: pathlib.Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("shards/train-00001.bin", _cut, "has 49151 bytes, expected 49152"),
        ("shards/train-00001.bin", pathlib.Path.unlink, "is missing"),
        ("shards/val-00000.npz", pathlib.Path.unlink, "is missing"),
        ("train-index.npy", _flip, "does not have its recorded SHA-256"),
        ("store.json", _cut, "is damaged"),
        ("store.json", pathlib.Path.unlink, "No finished store"),
        ("store.json", _change("size", 9), "its checksum does not match"),
        ("store.json", _change("format_version", 0), "has format version 0, expected 2"),
        ("store.json", lambda path: path.write_text("[]"), "is damaged"),
    ],
)
def test_damage_is_refused_and_repaired(own, shared, name, damage, message):
    damage(pathlib.Path(own.path, name))
    with pytest.raises(StoreError, match=message):
        Store.open(own.path)
    cache_dir = os.path.dirname(own.path)
    assert find(_source(), cache_dir, size=8) is None
    assert _contents(prepare(_source(), cache_dir, size=8)) == _contents(shared)


def test_a_changed_byte_in_a_shard_is_found_where_asked_for(own, shared):
    _flip(pathlib.Path(own.path, "shards/train-00001.bin"))
    with pytest.raises(StoreError, match="does not have its recorded SHA-256"):
        Store.open(own.path, verify=True)
    prepare(_source(), os.path.dirname(own.path), size=8, verify=True)
    assert _contents(own) == _contents(shared)


def test_a_store_of_something_else_in_its_place_is_not_taken(tmp_path, shared):
    other = prepare(_source(lambda e: dataclasses.replace(e, encoded=_png(3)), identity="other"), str(tmp_path), size=8)
    os.rename(other.path, preparation.store_path(_source(), str(tmp_path), 8, "raw"))
    assert _contents(prepare(_source(), str(tmp_path), size=8)) == _contents(shared)


class TestTogether:
    def test_of_several_processes_one_prepares(self, tmp_path):
        for split in ("train", "val"):
            for index in range(20):
                path = tmp_path / "data" / split / "ab"[index % 2] / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_png(index))
        program = textwrap.dedent(f"""
            from tftransfer.data.datasets import open_dataset
            from tftransfer.data.store import prepare
            done = []
            source = open_dataset("folder", {str(tmp_path / "data")!r})
            store = prepare(source, {str(tmp_path / "cache")!r}, size=8, progress=lambda *n: done.append(n))
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


class TestWorkers:
    def test_results_come_in_order(self):
        with Workers(2) as workers:
            assert list(workers.map(divmod, ((number, 3) for number in range(20)))) == [divmod(n, 3) for n in range(20)]

    def test_what_a_call_raises_is_raised(self):
        with pytest.raises(ZeroDivisionError), Workers(1) as workers:
            list(workers.map(divmod, [(1, 0)]))

    def test_printing_does_not_harm(self):
        with Workers(1) as workers:
            assert list(workers.map(print, [("a line from a worker",)])) == [None]


def test_a_shard_written_to_after_the_store_was_finished_is_compared(own, shared):
    path = pathlib.Path(own.path, "shards/train-00001.bin")
    _flip(path)
    later = os.stat(pathlib.Path(own.path, "store.json")).st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    with pytest.raises(StoreError, match="does not have its recorded SHA-256"):
        Store.open(own.path)
    os.utime(path, ns=(1, 1))
    Store.open(own.path)


def test_the_commands_compare_every_byte_of_small_stores(own, shared, monkeypatch):
    from tftransfer.experiment import prepared_images
    from tftransfer.experiment.config import Config

    path = pathlib.Path(own.path, "shards/train-00001.bin")
    _flip(path)
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(prepared_images.datasets, "open_dataset", lambda *_: _source())
    monkeypatch.setattr(prepared_images, "stored_size", lambda *_: 8)
    options = Config(dataset="folder", cache_dir=os.path.dirname(own.path))
    assert _contents(prepared_images.prepare(options)) == _contents(shared)
    assert pathlib.Path(own.path, "shards/train-00001.bin").stat().st_mtime_ns > 1, "made again"


def test_a_mean_image_with_any_flipped_bit_is_computed_again(own):
    half = own.select("train", [0, 1])
    mean = mean_image(half)
    (path,) = pathlib.Path(own.path, "means").glob("*.npz")
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        np.testing.assert_array_equal(mean_image(half), mean)


def _break_some(example):
    number = int(example.key[-4:])
    return dataclasses.replace(example, encoded=example.encoded[:30]) if number % 50 == 7 else example


class TestSkippedImages:
    @pytest.mark.parametrize("encoding", ["raw", "jpeg"])
    def test_broken_images_are_left_out_on_request_and_named(self, tmp_path, encoding):
        store = prepare(_source(_break_some).without_broken(), str(tmp_path), size=8, encoding=encoding)
        kept = [index for index in range(TRAIN) if index % 50 != 7]
        assert len(store.labels("train")) == len(kept)
        assert store.notes["broken_images_left_out"] == 13
        assert set(store.left_out) == {f"train/{n:04d}" for n in range(7, TRAIN, 50)} | {"val/0007"}
        half = store.select("train", range(CLASSES))
        np.testing.assert_array_equal(half.labels, np.array(kept) % CLASSES)
        for position in (0, 7, 250, 251, 252, len(kept) - 1):  # on both sides of the end of the first shard
            if encoding == "raw":
                np.testing.assert_array_equal(half.read(np.array([position]))[0], _pixels(kept[position]))
            else:
                found = decode(half.read_encoded(np.array([position]))[0])
                np.testing.assert_allclose(found[6:, :, 1:], kept[position] % 256, atol=9)

    def test_the_fingerprint_is_that_of_the_images_that_are_used(self, tmp_path, shared):
        whole = prepare(_source().without_broken(), str(tmp_path), size=8)
        assert (whole.fingerprint, whole.left_out) == (shared.fingerprint, {})
        assert whole.path != prepare(_source(), str(tmp_path), size=8).path
        fewer = prepare(_source(_break_some).without_broken(), str(tmp_path / "other"), size=8)
        assert fewer.fingerprint != shared.fingerprint

    def test_a_store_without_them_does_not_serve_who_wants_all(self, tmp_path):
        prepare(_source(_break_some).without_broken(), str(tmp_path), size=8)
        with pytest.raises(StoreError, match=r"13 of the 630 images.*--skip_broken"):
            prepare(_source(_break_some), str(tmp_path), size=8)

    def test_a_class_that_loses_all_its_images_names_the_cause_and_the_way_out(self, tmp_path):
        def breaks(example):
            return dataclasses.replace(example, encoded=b"") if example.label == 1 and "val" in example.key else example

        with pytest.raises(StoreError, match=r"no image in 'val': .*--skip_broken left out \d+ broken.*remove these"):
            prepare(_source(breaks).without_broken(), str(tmp_path), size=8)

    def test_a_command_lists_them_in_lines_with_names_that_are_escaped(self, tmp_path, capsys):
        def breaks(example):
            key = "a\n  b\x1b[2J" if example.key.endswith("0007") else example.key
            return dataclasses.replace(_break_some(example), key=key)

        with pytest.raises(SystemExit):
            command_line.main(lambda _: prepare(_source(breaks), str(tmp_path), size=8) and None, ["run"])
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 11
        assert said[1].startswith("  a\\n  b\\x1b[2J: ")
        assert "The first ten:" in said[0]

    def test_what_was_finished_is_kept(self, tmp_path):
        first = prepare(_source(_break_some).without_broken(), str(tmp_path), size=8)
        shard = pathlib.Path(first.path, "shards/train-00000.bin")
        written = shard.stat().st_mtime_ns
        pathlib.Path(first.path, "store.json").unlink()
        again = prepare(_source(_break_some).without_broken(), str(tmp_path), size=8)
        assert shard.stat().st_mtime_ns == written
        assert (again.fingerprint, again.left_out) == (first.fingerprint, first.left_out)

    def test_users_are_told(self, tmp_path):
        (line,) = progress.notes(prepare(_source(_break_some).without_broken(), str(tmp_path), size=8))
        assert "13 broken images left out" in line
        assert "train/0007 (" in line
        assert "and 3 more" in line


class TestCopies:
    def test_copies_of_an_image_are_found_whatever_their_name_and_class(self, tmp_path):
        def copied(example):
            return dataclasses.replace(example, encoded=_png(3)) if example.key in ("val/0004", "val/0005") else example

        store = prepare(_source(copied, identity="copies"), str(tmp_path), size=8)
        validation, training = store.select("val", [1, 2]), store.select("train", [0])
        assert validation.copies_in(training) == 2
        assert validation.copies_in(store.select("train", [1])) == len(validation) // 2 - 1, "the images are the same"


def _forge(**changes):
    """Changes a manifest and gives it the checksum of what it says then."""

    def forge(root: pathlib.Path) -> None:
        path = root / "store.json"
        content = json.loads(path.read_text())
        content.pop("checksum")
        for key, value in changes.items():
            content[key] = value(content[key]) if callable(value) else value
        path.write_text(json.dumps(content | {"checksum": manifest._checksum(content)}))

    return forge


def _forge_index(change):
    """Changes the index of a split, and the manifest with it."""

    def forge(root: pathlib.Path) -> None:
        index = change(np.load(root / "val-index.npy"))
        np.save(root / "val-index.npy", index)
        content = (root / "val-index.npy").read_bytes()
        entry = [len(content), hashlib.sha256(content).hexdigest()]
        _forge(files=lambda files: files | {"val-index.npy": entry})(root)

    return forge


def _with(field, value):
    def change(index):
        index[field][3] = value
        return index

    return change


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (_forge(files=lambda files: files | {"../../secret": [1, "0" * 64]}), "files cannot be"),
        (_forge(files=lambda files: files | {"/etc/passwd": [1, "0" * 64]}), "files cannot be"),
        (_forge(files=lambda files: {"store": [1, "0"]}), "does not list"),
        (_forge(files=[]), "files cannot be"),
        (_forge(size=2**40), "size cannot be"),
        (_forge(size=16), "do not fit the store"),
        (_forge(encoding="pickle"), "encoding cannot be"),
        (_forge(class_names=["a"], class_kinds=[None]), "do not fit the store"),
        (_forge(class_names=7), "class_names, class_kinds cannot be"),
        (_forge(shards={"train": [256, 256, 88], "val": [10**15]}), "shards cannot be"),
        (_forge(shards={"train": [256, 256, 88], "val": [29]}), "does not list 29 images"),
        (_forge(shards={"train": [256, 256, 89], "val": [30]}), "does not list 601 images"),
        (_forge(shards={"train": [256, 88, 256], "val": [30]}), "do not fit the store"),
        (_forge(notes={"x": "<b>"}), "notes cannot be"),
        (_forge_index(_with("label", 3)), "do not fit the store"),
        (_forge_index(_with("label", -1)), "do not fit the store"),
        (_forge_index(_with("length", -192)), "do not fit the store"),
        (_forge_index(_with("length", 10**6)), "do not fit the store"),
        (_forge_index(lambda index: index[:5]), "does not list 30 images"),
        (_forge_index(lambda index: index.astype("O")), "damaged"),
        (lambda root: (root / "store.json").write_text("[" * 10**5), "is damaged"),
        (lambda root: [(root / "store.json").unlink(), os.mkfifo(root / "store.json")], "is damaged"),
        (
            lambda root: [(root / "val-index.npy").rename(root / "x"), (root / "val-index.npy").symlink_to("x")],
            "is missing",
        ),
    ],
)
def test_a_forged_store_is_refused(own, forge, message):
    forge(pathlib.Path(own.path))
    with pytest.raises(StoreError, match=message):
        Store.open(own.path)


def test_an_archive_that_unpacks_to_more_than_itself_is_not_read(own, shared):
    place = pathlib.Path(own.path)
    (place / "store.json").unlink()
    np.savez_compressed(place / "shards/val-00000.npz", labels=np.zeros(10**7, np.int32))
    with pytest.raises(ValueError, match="compressed"):
        shards.ShardIndex.read(str(place / "shards/val-00000"))
    assert _contents(prepare(_source(), str(place.parent), size=8)) == _contents(shared)


def test_images_that_are_removed_while_they_are_used_are_named(own):
    half = own.select("train", [0])
    shutil.rmtree(own.path)
    with pytest.raises(StoreError, match=r"are gone.*same command prepares them again"):
        half.read(np.array([0]))
    assert own.lost is not None


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EMFILE, "cannot be opened .Too many open files.*ulimit -n"),
        (errno.ENFILE, "cannot be opened .*machine has too many files open"),
        (errno.EACCES, "cannot be read .Permission denied"),
        (errno.EIO, "cannot be read"),
    ],
)
def test_images_that_cannot_be_read_for_another_reason_are_not_said_to_be_removed(own, number, said, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    half = own.select("train", [0])
    monkeypatch.setattr(np, "memmap", refuse)
    with pytest.raises(StoreError, match=said) as caught:
        half.read(np.array([0]))
    assert "removed" not in str(caught.value)


def test_a_store_is_not_taken_for_damaged_where_no_file_can_be_opened(own, monkeypatch):
    before = sorted(pathlib.Path(own.path).rglob("*"))

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("tftransfer.data.manifest.np.load", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        prepare(_source(), str(pathlib.Path(own.path).parent), size=8)
    assert sorted(pathlib.Path(own.path).rglob("*")) == before
