import os
import pickle

import pytest

from tftransfer.data import datasets
from tftransfer.data.datasets import DataSetError, describe_classes, open_dataset


class TestFileExample:
    def test_a_pipe_in_the_place_of_an_image_is_not_waited_for(self, both_subsets):
        example = open_dataset("folder", str(both_subsets)).examples("train")[0]
        os.remove(example.path)
        os.mkfifo(example.path)
        with pytest.raises(OSError, match="no regular file"):
            example.load()

    def test_examples_travel_to_other_processes(self, both_subsets):
        example = pickle.loads(pickle.dumps(open_dataset("folder", str(both_subsets)).examples("train")[0]))
        assert example.load() == (both_subsets / "train/a/0.png").read_bytes()


class TestExamples:
    def test_slices_and_ends_are_those_of_a_sequence(self):
        examples = open_dataset("motifs").examples("train")
        assert examples[-1] == examples[len(examples) - 1]
        assert [example.key for example in examples[3:9:2]] == [examples[index].key for index in (3, 5, 7)]
        with pytest.raises(IndexError):
            examples[len(examples)]

    def test_an_unknown_split_is_refused(self):
        with pytest.raises(ValueError, match="Received: subset='test'"):
            open_dataset("motifs").examples("test")


@pytest.mark.parametrize("dataset", ["folder", "tiny_imagenet"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "needs --data_dir: .*Received: data_dir=None"),
        (lambda path: path / "none", "but there is nothing"),
        (lambda path: path / "file", "but there is a file"),
        (lambda path: path / "empty", "is empty"),
    ],
)
def test_a_folder_that_is_not_there_is_named(tmp_path, dataset, make, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    data_dir = make(tmp_path)
    for function in (open_dataset, describe_classes):
        with pytest.raises(DataSetError, match=message):
            function(dataset, data_dir and str(data_dir))


def test_a_file_too_large_for_an_image_is_not_read(tmp_path, monkeypatch):
    from tftransfer.data.datasets import dataset

    monkeypatch.setattr(dataset, "MOST_BYTES", 10)
    (tmp_path / "large.png").write_bytes(bytes(11))
    with pytest.raises(OSError, match="more than 10 bytes"):
        dataset.FileExample(0, "large.png", str(tmp_path / "large.png")).load()


def test_labels_are_told_where_only_the_examples_know_them():
    dataset = datasets.open_dataset("motifs")
    assert list(dataset.examples("val").labels()) == [example.label for example in dataset.examples("val")]
