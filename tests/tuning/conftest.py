"""Images and options of searches that tests of trials share."""

import fake_trials
import pytest


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    return fake_trials.write_images(tmp_path_factory.mktemp("photographs"))


@pytest.fixture
def options(tmp_path, photographs):
    return fake_trials.options(tmp_path, photographs)
