import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from tftransfer.data.datasets import DataSetError, describe_classes, open_dataset
from tftransfer.data.datasets import tfds as tfds_source

# A data set of its own in a process of its own, so that the others here can read it from files alone.
MINIATURE = """
import sys
import numpy as np
import tensorflow_datasets as tfds

class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    splits, names, first_label = ("train", "test"), ["b", "a", "c"], 0

    def _info(self):
        label = tfds.features.ClassLabel(names=self.names)
        features = {"image": tfds.features.Image(shape=(12, 12, 3)), "label": label}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label"))

    def _split_generators(self, _):
        return {split: self._generate_examples(count) for split, count in zip(self.splits, (30, 9))}

    def _generate_examples(self, count):
        for index in range(count):
            yield index, {"image": np.full((12, 12, 3), index, np.uint8), "label": self.first_label + index % 3}

class Miniature(Base): pass
class MiniatureWordnet(Base): names = ["n00000003", "n00000001", "n00000002"]
class MiniatureTrainOnly(Base): splits = ("train",)
class MiniatureUnlabelled(Base): first_label = -1

for kind in (Miniature, MiniatureWordnet, MiniatureTrainOnly, MiniatureUnlabelled):
    kind(data_dir=sys.argv[1]).download_and_prepare()
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    (folder / "miniature.py").write_text(MINIATURE)
    subprocess.run([sys.executable, "miniature.py", str(folder)], cwd=folder, check=True, capture_output=True)
    return str(folder)


class TestWithoutTensorFlow:
    def test_names_come_without_it_and_without_network(self, tmp_path):
        program = textwrap.dedent(f"""
            import socket, sys
            def refuse(*arguments, **options):
                raise SystemExit(f"network: {{arguments}}")
            socket.getaddrinfo = socket.socket.connect = refuse
            from tftransfer.data.datasets import describe_classes, known_datasets
            print(len(describe_classes("cifar100", {str(tmp_path)!r})[0]), len(known_datasets()) > 100)
            print(describe_classes("food101", {str(tmp_path)!r})[0][:2])
            assert "tensorflow" not in sys.modules
        """)
        finished = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        assert finished.stdout.split("\n")[:2] == ["100 True", "('apple_pie', 'baby_back_ribs')"]

    @pytest.mark.parametrize("dataset", ["imagenet2012_real", "voc/2007", "celeb_a", "imdb_reviews", "dsprites"])
    def test_other_tasks_are_refused_with_their_features(self, tmp_path, dataset):
        with pytest.raises(DataSetError, match=r"no image-classification set: expected .* Found the features: \w+ \("):
            describe_classes(dataset, str(tmp_path))

    @pytest.mark.parametrize(
        ("dataset", "near"),
        [("cifar_100", "'cifar100'"), ("imagnet2012", "'imagenet2012'"), ("tiny-imagenet", "'tiny_imagenet'")],
    )
    def test_unknown_names_bring_near_ones(self, tmp_path, dataset, near):
        with pytest.raises(
            DataSetError, match=f"Unknown data set. Did you mean .*{near}.*Received: dataset='{dataset}'"
        ):
            open_dataset(dataset, str(tmp_path))

    @pytest.mark.parametrize("dataset", ["", "huggingface:mnist", "mnist/", "a b", "mnist:1", "../x"])
    def test_spellings_that_are_no_name_are_refused(self, tmp_path, dataset):
        with pytest.raises(DataSetError, match="Expected one of motifs, tiny_imagenet, folder, or"):
            open_dataset(dataset, str(tmp_path))

    @pytest.mark.parametrize("dataset", ["imagenet_resized/7x7", "mnist:99.0.0"])
    def test_unknown_configurations_and_versions_are_refused(self, tmp_path, dataset):
        with pytest.raises(DataSetError, match=f"cannot open '{dataset}'"):
            open_dataset(dataset, str(tmp_path))

    def test_a_file_in_place_of_the_folder_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataSetError, match="Expected a folder"):
            open_dataset("mnist", str(tmp_path / "file"))

    def test_imagenet_asks_for_its_archives(self, tmp_path):
        manual = tmp_path / "downloads" / "manual"
        manual.mkdir(parents=True)
        (manual / "ILSVRC2012_img_val.tar").write_text("")
        with pytest.raises(DataSetError, match=r"and ILSVRC2012_img_train.tar cannot be found.*image-net") as caught:
            open_dataset("imagenet2012", str(tmp_path))
        assert str(manual) in str(caught.value)

    def test_other_sets_with_manual_files_bring_their_instructions(self, tmp_path):
        with pytest.raises(DataSetError, match=r"files that only you can get. Put them into .*downloads/manual: "):
            open_dataset("resisc45", str(tmp_path))

    def test_without_network_it_says_so_at_once(self, tmp_path, monkeypatch):
        def fail(*_):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        monkeypatch.setattr(tfds_source.urllib.request, "getproxies", dict)
        with pytest.raises(DataSetError, match=r"'mnist' is not prepared in .* cannot be reached"):
            open_dataset("mnist", str(tmp_path))


@pytest.mark.slow  # imports TensorFlow twice
class TestPrepared:
    def test_examples_come_in_stored_order_with_their_ids(self, data_dir):
        source = open_dataset("miniature", data_dir)
        examples = list(source.examples("train"))
        assert [example.key for example in examples] == [
            f"miniature-train.tfrecord-00000-of-00001__{index}" for index in range(30)
        ]
        assert (source.class_names, source.native_size) == (("b", "a", "c"), 12)
        assert np.bincount([example.label for example in examples]).tolist() == [10, 10, 10]
        for example in examples:
            assert np.array(Image.open(io.BytesIO(example.load())))[0, 0, 0] % 3 == example.label

    def test_the_middle_equals_that_of_the_whole(self, data_dir):
        examples = open_dataset("miniature", data_dir).examples("train")
        assert examples[7:13] == list(examples)[7:13]
        assert examples[29] == list(examples)[29]

    def test_test_serves_as_validation(self, data_dir):
        assert len(open_dataset("miniature:1.0.0", data_dir).examples("val")) == 9

    def test_names_without_images_agree(self, data_dir):
        assert describe_classes("miniature", data_dir) == (("b", "a", "c"), (None,) * 3)

    def test_wordnet_ids_are_sorted(self, data_dir):
        source = open_dataset("miniature_wordnet", data_dir)
        assert source.class_names == ("n00000001", "n00000002", "n00000003")
        for example in source.examples("val"):
            pixel = np.array(Image.open(io.BytesIO(example.load())))[0, 0, 0]
            assert example.label == [2, 0, 1][pixel % 3]

    def test_a_set_without_validation_images_is_refused(self, data_dir):
        with pytest.raises(DataSetError, match=r"one of 'validation', 'test'. Found: train"):
            open_dataset("miniature_train_only", data_dir)

    def test_images_without_a_label_are_refused(self, data_dir):
        with pytest.raises(DataSetError, match="images without a label"):
            list(open_dataset("miniature_unlabelled", data_dir).examples("train"))

    def test_it_is_prepared_like_any_other(self, data_dir, tmp_path):
        from tftransfer.data.store import prepare

        store = prepare(open_dataset("miniature", data_dir), str(tmp_path), size=8)
        assert store.counts("train").tolist() == [10, 10, 10]
        half = store.select("train", [1])
        assert (half.read(np.arange(10))[:, 0, 0, 0] % 3 == 1).all()


def _edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _features(change):
    return lambda root: _edit(root / "features.json", change)


def _info(change):
    return lambda root: _edit(root / "dataset_info.json", change)


def _name_a_class(name):
    def change(content):
        content["featuresDict"]["features"]["label"]["pythonClassName"] = name

    return change


def _damage_records(root):
    (path,) = root.glob("*train.tfrecord*")
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)


HOSTILE = {
    "a module that is run": (_features(_name_a_class("evil.Feature")), r"not of TensorFlow Datasets: evil\.Feature"),
    "a module that is run, old spelling": (
        lambda root: (root / "features.json").write_text(json.dumps({"type": "evil.Feature", "content": {}})),
        r"not of TensorFlow Datasets: evil\.Feature",
    ),
    "a class that is none": (
        _features(_name_a_class("tensorflow_datasets.core.features.image_feature.Nothing")), "cannot open",
    ),
    "more classes than memory holds": (
        _features(lambda c: c["featuresDict"]["features"]["label"]["classLabel"].update(numClasses=str(10**12))),
        "known number of classes|cannot open",
    ),
    "endless nesting": (lambda root: (root / "features.json").write_text("[" * 10**5), "is damaged"),
    "a pipe": (lambda root: [(root / "features.json").unlink(), os.mkfifo(root / "features.json")], "is damaged"),
    "no JSON": (lambda root: (root / "dataset_info.json").write_text("{"), "cannot open"),
    "a number of examples that would be prepared for ever": (
        _info(lambda c: c["splits"][0].update(shardLengths=[str(10**15)])), "says that it has 1,000,000,000,000,000",
    ),
    "fewer than none": (_info(lambda c: c["splits"][0].update(shardLengths=["-5"])), "says that it has -5"),
    "files elsewhere": (
        _info(lambda c: c["splits"][0].update(filepathTemplate="../../../../etc/passwd")), "says that it has|cannot be",
    ),
    "records that are none": (_damage_records, "cannot be read: DataLossError"),
    "records that are missing": (lambda root: next(root.glob("*train*")).unlink(), "says that it has|cannot open"),
    "equal names": (lambda root: (root / "label.labels.txt").write_text("a\na\nb\n"), "for several classes: a"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_prepared_set_ends_in_a_message(data_dir, tmp_path, monkeypatch, kind):
    change, message = HOSTILE[kind]
    shutil.copytree(pathlib.Path(data_dir) / "miniature", tmp_path / "miniature")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    change(tmp_path / "miniature" / "1.0.0")
    with pytest.raises(DataSetError, match=message):
        list(open_dataset("miniature", str(tmp_path)).examples("train"))
    assert not (tmp_path / "was run").exists()
