import pytest

from tftransfer.data import datasets
from tftransfer.data.datasets import default_input_size, follows_images, known_datasets, near_names, study_prefix


def test_known_data_sets_are_ours_and_those_of_tfds():
    assert {*datasets.OWN_DATASETS, "cifar100", "mnist"} <= set(known_datasets())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tiny-imagenet", "tiny_imagenet"), ("Cifar_100", "cifar100"), ("motif", "motifs"), ("array", "arrays")],
)
def test_near_names_are_found(typed, meant):
    assert meant in near_names(typed)


def test_default_sizes_follow_names_or_images():
    assert [default_input_size(name) for name in ("motifs", "cifar10:3.0.2", "tiny_imagenet")] == [32, 32, 56]
    assert [default_input_size(name) for name in ("folder", "arrays", "imagenet2012", "mine:load")] == [227] * 4
    assert [name for name in datasets.OWN_DATASETS if follows_images(name)] == ["folder", "arrays"]
    assert not follows_images("imagenet2012")


def test_studies_begin_with_the_data_set():
    assert study_prefix("imagenet_resized/32x32", "") == "imagenet_resized-32x32"
    assert study_prefix("folder", "/x/arrays-0123456789abcdef") == "folder"
    assert study_prefix("arrays", "/x/arrays-0123456789abcdef/") == "arrays-01234567"
    assert study_prefix("arrays", "/x/arrays-mine") == "arrays"
