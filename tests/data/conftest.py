"""Data sets and stores that the tests of data share."""

import pytest

from image_folders import write_subsets, write_tiny_imagenet
from memory_dataset import memory_dataset
from tftransfer.data.store import Store, prepare


@pytest.fixture
def both_subsets(tmp_path):
    return write_subsets(tmp_path)


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_imagenet(tmp_path / "tiny-imagenet-200")


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Store:
    """A store that no test changes."""
    return prepare(memory_dataset(), str(tmp_path_factory.mktemp("shared")), size=8)


@pytest.fixture
def own(tmp_path) -> Store:
    return prepare(memory_dataset(), str(tmp_path), size=8)
