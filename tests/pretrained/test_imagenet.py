"""The ImageNet weights of keras.applications, whose files Keras names; nothing is downloaded here."""

import os

import pytest
from keras.src.utils import file_utils

from tftransfer.models import preprocessing
from tftransfer.pretrained import imagenet
from tftransfer.system.processes import Answer


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Lets Keras fetch a file without network, and returns what it asked for."""
    calls = []

    def fetch(name, url, **options):
        calls.append((name, url, options))
        path = tmp_path / name
        path.write_bytes(b"weights")
        return str(path)

    monkeypatch.setattr(file_utils, "get_file", fetch)
    return calls


def test_keras_names_the_file_and_checks_it(asked, tmp_path):
    before = file_utils.get_file
    path, url = imagenet.asked_of_keras("MobileNetV2")
    ((name, origin, options),) = asked
    assert (path, url) == (tmp_path / name, origin)
    assert name == "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
    assert origin.startswith("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/")
    assert options["cache_subdir"] == "models"
    assert file_utils.get_file is before
    imagenet.asked_of_keras("MobileNetV3Small")
    assert asked[1][2]["file_hash"], "its checksum is Keras' own"


def test_what_is_known_of_the_weights_needs_no_look_into_them(asked):
    path, url = imagenet.asked_of_keras("MobileNetV2")
    described = imagenet.described("MobileNetV2", path, url, 97)
    assert (described.classes, described.image_size, described.layers) == (1000, 97, {})
    assert described.trained_on[:2] == ("n01440764", "n01443537"), "tench and goldfish are the first outputs of Keras"
    assert described.preprocessing == preprocessing.MODES["tf"]
    assert url in described.provenance


def test_without_network_the_message_says_where_to_put_the_file(monkeypatch):
    def fetch(*_, **__):
        raise Exception("URL fetch failure on https://x: None -- [Errno -2] Name or service not known")  # as Keras does

    monkeypatch.setattr(file_utils, "get_file", fetch)
    with pytest.raises(ValueError, match="cannot be downloaded: URL fetch failure") as error:
        imagenet.asked_of_keras("MobileNetV2")
    folder = os.path.expanduser("~/.keras/models") if "KERAS_HOME" not in os.environ else "models"
    for part in ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5", folder, "KERAS_HOME",
                 "https://storage.googleapis.com", "--pretrained=FILE"):  # fmt: skip
        assert part in str(error.value)
    assert file_utils.get_file is fetch


def test_a_dry_run_downloads_nothing(asked, monkeypatch, tmp_path):
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path))
    with pytest.raises(ValueError, match="--dry_run downloads nothing"):
        imagenet.asked_of_keras("MobileNetV2", download=False)
    assert asked == []
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5").touch()
    imagenet.asked_of_keras("MobileNetV2", download=False)
    assert len(asked) == 1, "what is there Keras checks"


def test_other_models_have_no_such_weights():
    with pytest.raises(ValueError, match=r"goes with the models of keras\.applications.*Received: --model=AlexNet"):
        imagenet.check_model("AlexNet")
    imagenet.check_model("ResNet50")


def test_a_keras_that_asks_for_no_file_is_no_success(monkeypatch):
    monkeypatch.setattr("keras.applications.MobileNetV2", lambda **_: None)
    with pytest.raises(ValueError, match="asked for no file"):
        imagenet.asked_of_keras("MobileNetV2")


def test_keras_is_asked_in_a_process_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    with pytest.raises(ValueError, match="--dry_run downloads nothing") as error:
        imagenet.located("MobileNetV2", download=False)
    assert f"in {tmp_path}/models" in str(error.value)
    path = tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
    path.write_bytes(b"weights")
    found, url = imagenet.located("MobileNetV2", download=False)
    assert found == path
    assert url.endswith(path.name)


def test_a_process_that_does_not_answer_is_no_success(monkeypatch):
    monkeypatch.setattr("tftransfer.system.processes.ask", lambda *_, **__: Answer(None, -9, "killed"))
    with pytest.raises(ValueError, match=r"ended without an answer, killed\. Use --pretrained=FILE"):
        imagenet.located("MobileNetV2")
