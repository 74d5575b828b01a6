import io
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from tftransfer.data.datasets import DataSetError, describe_classes, open_dataset
from tftransfer.data.datasets import tfds as tfds_module


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

    @pytest.mark.parametrize("dataset", ["", "hugging-face:mnist", "mnist/", "a b", "mnist:1", "../x"])
    def test_spellings_that_are_no_name_are_refused(self, tmp_path, dataset):
        with pytest.raises(
            DataSetError, match="Expected one of motifs, tiny_imagenet, folder, arrays, module:function, or"
        ):
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
        monkeypatch.setattr(tfds_module.urllib.request, "getproxies", dict)
        with pytest.raises(DataSetError, match=r"'mnist' is not prepared in .* cannot be reached"):
            open_dataset("mnist", str(tmp_path))


@pytest.mark.slow  # imports TensorFlow twice
class TestPrepared:
    def test_examples_come_in_stored_order_with_their_ids(self, data_dir):
        dataset = open_dataset("miniature", data_dir)
        examples = list(dataset.examples("train"))
        assert [example.key for example in examples] == [
            f"miniature-train.tfrecord-00000-of-00001__{index}" for index in range(30)
        ]
        assert (dataset.class_names, dataset.native_size) == (("b", "a", "c"), 12)
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
        dataset = open_dataset("miniature_wordnet", data_dir)
        assert dataset.class_names == ("n00000001", "n00000002", "n00000003")
        for example in dataset.examples("val"):
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
