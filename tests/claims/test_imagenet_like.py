"""ILSVRC12's way from its two archives to a trained network, in miniature and offline.

The archives hold images of all 1000 classes, drawn here; TensorFlow Datasets' own builder of `imagenet2012` prepares
them. Each image bears the number of its class as bars: after every step they show whether image and label still belong
together.
"""

import io
import json
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from tftransfer import run
from tftransfer.cli import command_line
from tftransfer.data.datasets import describe_classes, open_dataset
from tftransfer.data.decode import decode
from tftransfer.experiment import plan, prepared_images, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.records import record_files

pytestmark = pytest.mark.slow  # about a minute: imports TensorFlow, prepares 7,000 images twice

CHECKSUMS = json.loads((pathlib.Path(__file__).parents[1] / "support" / "split_checksums.json").read_text())
WORDNET_IDS = describe_classes("imagenet2012")[0]
TRAIN_PER_CLASS = 2
# The builder gives labels to validation images by their order; so many there are until each class has one.
VALIDATION_IMAGES = 4971
BARS = 10
SIZES = [(120, 90), (75, 100), (96, 96), (150, 64), (50, 72), (220, 160)]
MODES = ["RGB"] * 6 + ["L", "CMYK"]
NARROW = {"dataset": "imagenet2012", "width": 0.02, "steps": 2, "batch_size": 16, "warmup_steps": 0, "evaluations": 1}
PAPERS_SPLITS = [("random", seed) for seed in range(4)] + [("natural_manmade", 0)]


def jpeg(label, rng):
    """A photograph-like image, its lower half bars for the binary digits of `label`."""
    width, height = SIZES[rng.integers(len(SIZES))]
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8))
    pixels = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    bars = np.array([255 * (label >> bit & 1) for bit in range(BARS)], np.uint8)
    pixels[height // 2 :] = bars[np.arange(width) * BARS // width][:, None]
    file = io.BytesIO()
    Image.fromarray(pixels).convert(MODES[rng.integers(len(MODES))]).save(file, "JPEG", quality=90)
    return file.getvalue()


def label_on(image):
    """The label that the bars of a prepared image say."""
    below = image[image.shape[0] * 3 // 4].mean(-1)
    centres = (np.arange(BARS) + 0.5) * len(below) / BARS
    return sum(int(below[int(centre)] > 127) << bit for bit, centre in enumerate(centres))


def add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def write_archives(folder):
    """Writes both archives with the names and the nesting of the real ones."""
    from tensorflow_datasets.datasets.imagenet2012 import imagenet_common

    rng = np.random.default_rng(0)
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as archive:
        for label, wordnet_id in enumerate(WORDNET_IDS):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as of_class:
                for index in range(TRAIN_PER_CLASS):
                    add(of_class, f"{wordnet_id}_{index}.JPEG", jpeg(label, rng))
            add(archive, f"{wordnet_id}.tar", inner.getvalue())
    labels_file = pathlib.Path(imagenet_common.__file__).with_name("validation_labels.txt")
    wordnet_ids = labels_file.read_text().split()[:VALIDATION_IMAGES]
    drawn = [jpeg(label, rng) for label in range(len(WORDNET_IDS))]
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for number, wordnet_id in enumerate(wordnet_ids, 1):
            add(archive, f"ILSVRC2012_val_{number:08}.JPEG", drawn[WORDNET_IDS.index(wordnet_id)])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """The data folder of TensorFlow Datasets, with `imagenet2012` prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    manual = folder / "downloads" / "manual"
    manual.mkdir(parents=True)
    write_archives(manual)
    program = f"""from tftransfer.data.datasets import open_dataset
open_dataset("imagenet2012", {str(folder)!r})"""
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=root)
    return str(folder)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def configs(data_dir, cache_dir):
    """A narrow network on small images; at 128 pixels the store holds JPEG, as for the paper's 227."""
    options = {**NARROW, "data_dir": data_dir, "cache_dir": cache_dir}
    return {"raw": Config(**options, image_size=64), "jpeg": Config(**options, image_size=128)}


@pytest.fixture(scope="module")
def stores(configs):
    return {encoding: prepared_images.prepare(config) for encoding, config in configs.items()}


def pixels(half, positions):
    if half.encoding == "raw":
        return half.read(positions)
    return np.stack([decode(image) for image in half.read_encoded(positions)])


def test_the_source_has_the_thousand_classes(data_dir):
    dataset = open_dataset("imagenet2012", data_dir)
    assert dataset.class_names == WORDNET_IDS
    assert len(dataset.examples("train")) == TRAIN_PER_CLASS * 1000
    assert len(dataset.examples("val")) == VALIDATION_IMAGES
    assert dataset.native_size is None


@pytest.mark.parametrize(("encoding", "size"), [("raw", 72), ("jpeg", 144)])
def test_every_image_is_prepared_under_its_label(stores, encoding, size):
    store = stores[encoding]
    assert (store.size, store.encoding) == (size, encoding)
    assert store.class_names == WORDNET_IDS
    assert (store.counts("train") == TRAIN_PER_CLASS).all()
    assert store.counts("val").min() >= 1
    assert store.notes["mode_L"] > 100
    assert store.notes["mode_CMYK"] > 100
    for subset in ("train", "val"):
        half = store.select(subset, range(1000))
        labels = [label_on(image) for image in pixels(half, np.arange(len(half)))]
        assert labels == half.labels.tolist(), subset


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize(("kind", "seed"), PAPERS_SPLITS)
def test_halves_are_the_papers_and_hold_their_images_only(stores, kind, seed, encoding):
    store = stores[encoding]
    split = splits.make(kind, store.class_names, store.class_kinds, seed)
    expected = CHECKSUMS[split.name]
    digests = {letter: splits.digest(split.classes(letter)) for letter in "AB"}
    if kind == "random":
        assert digests == {"A": expected["A_sha256"], "B": expected["B_sha256"]}
    else:
        assert digests == {"A": expected["manmade_sha256"], "B": expected["natural_sha256"]}
    for letter in "AB":
        classes = split.classes(letter)
        half = store.select("train", classes)
        assert len(half) == TRAIN_PER_CLASS * len(classes)
        some = np.arange(0, len(half), 37)
        assert [label_on(image) for image in pixels(half, some)] == [classes[label] for label in half.labels[some]]


@pytest.mark.parametrize(("kind", "seed"), PAPERS_SPLITS)
def test_every_split_trains_and_is_evaluated_on_its_half(configs, stores, tmp_path, kind, seed):
    from tftransfer.execution import studies

    config, store = configs["raw"], stores["raw"]
    split = splits.make(kind, store.class_names, store.class_kinds, seed)
    cell = plan.Cell(treatments.base("B"), split, config)
    record = studies.Study(tmp_path / "study", store, say=lambda line: None).ensure(cell).record
    assert record.status == record_files.DONE
    data, cost = record.identity["data"], record.content["cost"]
    assert data["classes_sha256"] == CHECKSUMS[split.name]["B_sha256" if kind == "random" else "natural_sha256"]
    assert cost["train_images"] == TRAIN_PER_CLASS * len(split.b)
    assert cost["validation_images"] == store.counts("val")[list(split.b)].sum()
    assert 0 <= record.result["top1"] <= record.result["top5"] <= 1
    assert np.isfinite(record.result["cross_entropy"])


def test_the_command_runs_a_transfer_from_a_jpeg_store(configs, stores, tmp_path, capsys):
    config = configs["jpeg"]
    options = [f"--{name}={value}" for name, value in NARROW.items()]
    options += [f"--image_size={config.image_size}", f"--data_dir={config.data_dir}", f"--cache_dir={config.cache_dir}"]
    code = run.main(["run.py", "--treatment=AnB", "--n=3", *options, f"--runs_dir={tmp_path}/runs"])
    assert code in (0, command_line.EXIT_FAILED), "after two steps a network may not have left chance"
    table = capsys.readouterr().out
    assert "split      random0 (classes: A 500, B 500)" in table
    (study,) = (tmp_path / "runs").iterdir()
    records = {path.parent.name: record_files.read(path.parent) for path in study.glob(f"*/{record_files.RECORD}")}
    assert set(records) == {f"random0-{name}-seed0" for name in ("baseA", "baseB", "A3B")}
    transfer = records["random0-A3B-seed0"]
    assert transfer.identity["data"]["classes_sha256"] == CHECKSUMS["random0"]["B_sha256"]
    assert records["random0-baseA-seed0"].identity["data"]["classes_sha256"] == CHECKSUMS["random0"]["A_sha256"]
    assert transfer.content["integrity"]["frozen_blocks_unchanged"]
