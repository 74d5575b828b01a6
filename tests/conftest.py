"""Settings and small networks that tests share."""

import dataclasses
import os
import shutil
import signal

# Before TensorFlow starts: no GPU is needed, and its own log lines are no warnings of ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest
import tensorflow as tf

from made_images import make_half, write_photographs
from tally import Tally

# Two logical CPUs stand for two GPUs. They must be asked for before any test module starts TensorFlow.
LOGICAL_CPUS = 2
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * LOGICAL_CPUS
)


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal():
    """A shell starts background jobs with SIGINT ignored, `nohup` with SIGHUP, and their children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGHUP, before[1])


@pytest.fixture(scope="session")
def task():
    """A target half of five easy classes, 160 training and 53 validation images of 32 pixels."""
    from tftransfer.data import pipeline
    from tftransfer.training import trainer

    training = make_half(160, 5, seed=0)
    mean = training.images.mean(0).astype(np.float32)
    view = pipeline.View(size=32, mean=mean, scale=1 / 64, padding=2)
    return trainer.Task("random0", "B", 5, training, make_half(53, 5, seed=1), view)


@pytest.fixture
def float64(monkeypatch):
    """Trains in float64, in which networks that are equal in theory are equal on any processor.

    Sums round in another order with other threads, instructions and graphs. In float32 that is 1e-7 at first; where a
    rectifier or a maximum then decides otherwise, it grows to 1e-4 within a few steps.
    """
    import keras

    from tftransfer.training import trainer

    policy = trainer.dtype_policy
    monkeypatch.setattr(trainer, "dtype_policy", lambda name: policy("float64"))
    in_top_k = keras.src.ops.in_top_k  # TensorFlow has it for float32 only
    monkeypatch.setattr(keras.src.ops, "in_top_k", lambda y, x, k: in_top_k(y, keras.ops.cast(x, "float32"), k))
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of images: six classes, 20 training and 8 validation images each."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="session")
def recipe():
    """A recipe of a few steps with a tiny AlexNet."""
    from tftransfer.experiment.config import Config

    return Config(width=0.1, batch_size=32, steps=4, learning_rate=0.002, warmup_steps=0, evaluations=1)


@pytest.fixture(scope="session")
def small(recipe):
    """The same with four blocks and dropout, for what does not depend on the network: it is traced in half the time."""
    return dataclasses.replace(recipe, model="small_models:dropping")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Six easy classes in memory."""
    from easy_study import EasyStore

    return EasyStore(tmp_path_factory.mktemp("means"))


@pytest.fixture
def study(tmp_path, store):
    """A study of the easy classes of which nothing is trained."""
    from tftransfer.execution import studies

    return studies.Study(tmp_path / "study", store, say=lambda line: None)


@pytest.fixture
def study_with_bases(study, finished):
    """A study of the easy classes of which both bases are trained: copies of those in `finished`."""
    for letter in "AB":
        name = f"random0-base{letter}-seed0"
        shutil.copytree(finished / name, study.root / name)
    return study


@pytest.fixture(scope="session")
def finished(tmp_path_factory, store):
    """The folder of a study with baseA, baseB, A4B and B4B-tuned; its weights of A4B were kept."""
    from easy_study import cell
    from tftransfer.execution import studies

    study = studies.Study(tmp_path_factory.mktemp("runs") / "study", store, say=lambda line: None)
    study.ensure(cell("A4B", keep_weights=True))
    study.ensure(cell("B4B+"))
    return study.root


_TALLY = Tally()


@pytest.fixture
def tally():
    """Where tests marked `faults` report what they tried and what came of it."""
    _TALLY.start()
    return _TALLY


def pytest_terminal_summary(terminalreporter):
    for line in _TALLY.lines():
        terminalreporter.write_line(line)
