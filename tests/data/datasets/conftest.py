"""A folder of prepared sets of TensorFlow Datasets that tests share."""

import pytest

import miniature_tfds


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return miniature_tfds.prepare(tmp_path_factory.mktemp("tfds"))
