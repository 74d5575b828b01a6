import pytest

from tftransfer.data import datasets
from tftransfer.data.datasets import known_datasets, near_names


def test_known_data_sets_are_ours_and_those_of_tfds():
    assert {*datasets.OWN_DATASETS, "cifar100", "mnist"} <= set(known_datasets())


@pytest.mark.parametrize(
    ("typed", "meant"), [("tiny-imagenet", "tiny_imagenet"), ("Cifar_100", "cifar100"), ("motif", "motifs")]
)
def test_near_names_are_found(typed, meant):
    assert meant in near_names(typed)
