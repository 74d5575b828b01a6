"""Settings of Keras that are a user's own decide neither what is built nor what is trained."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from made_images import write_photographs
from tftransfer.experiment.config import Config
from tftransfer.models import AlexNet, architectures, keras_settings
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parent.parent.parent
THEIRS = {"floatx": "float64", "epsilon": 1e-3, "backend": "tensorflow", "image_data_format": "channels_first"}


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


def test_our_builder_takes_images_with_channels_last_whatever_the_default(channels_first):
    model = AlexNet((32, 32, 3), classes=5, width=0.1, seed=0)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    outputs = model(images)
    assert keras.config.image_data_format() == "channels_first"
    keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(outputs, AlexNet((32, 32, 3), classes=5, width=0.1, seed=0)(images))


def test_the_identity_of_an_architecture_does_not_depend_on_the_settings(channels_first):
    config = Config(model="MobileNet", image_size=32)
    theirs = architectures.identity(config.architecture)
    architectures._probe_of.cache_clear()
    keras.config.set_image_data_format("channels_last")
    assert architectures.identity(config.architecture) == theirs


def test_settings_come_back_after_an_error():
    before = keras.config.epsilon()
    keras.config.set_epsilon(1e-3)
    try:
        with keras_settings.package_defaults("mixed_bfloat16"):
            assert keras.config.epsilon() == keras_settings.EPSILON
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert keras.config.epsilon() == 1e-3
        with pytest.raises(KeyError), keras_settings.package_defaults("float32"):
            raise KeyError
        assert keras.config.epsilon() == 1e-3
    finally:
        keras.config.set_epsilon(before)


@pytest.mark.slow
def test_a_command_trains_the_same_weights_under_any_keras_json(tmp_path):
    photographs = write_photographs(tmp_path / "photographs", training=12, validation=4)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/keras.json").write_text(json.dumps(THEIRS))
    digests = []
    for name, theirs in (("plain", {}), ("theirs", {"KERAS_HOME": str(tmp_path / "home")})):
        words = [
            sys.executable, "-m", "tftransfer.run", "--treatment=base", "--target=A", "--dataset=folder",
            f"--data_dir={photographs}", "--image_size=32", "--width=0.05", "--steps=4", "--batch_size=16",
            "--warmup_steps=0", "--evaluations=1",
            f"--cache_dir={tmp_path}/cache", f"--runs_dir={tmp_path}/{name}",
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | theirs
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        (study,) = (tmp_path / name).iterdir()
        digests.append({record.name: record.weights_digest for record in record_files.read_study(study)})
    assert digests[0] == digests[1]
