import dataclasses
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from PIL import Image

import tftransfer
from small_models import chain
from tftransfer.advising import candidates, code, export
from tftransfer.advising.candidates import Candidate
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.records import inputs, record_files
from tftransfer.transfer import weights_of

SCORE = (0.9, 0.8, 0.95)


def prepared(size=32):
    mean = np.full((size, size, 3), (1.0, 2.0, 3.0), np.float32)
    return inputs.Preprocessing(("cat", "dog"), size, 36, mean, 0.5, True)


@pytest.fixture
def record(monkeypatch, tmp_path):
    """A trained network, of which only its preprocessing is asked for."""
    monkeypatch.setattr(inputs, "preprocessing", lambda folder: prepared())
    return types.SimpleNamespace(
        folder=tmp_path / "network", result={"top1": 0.9}, content={"cost": {"validation_images": 20}}
    )


def config_of(model, **changes):
    values = {"dataset": "motifs", "model": model, "image_size": 32, "steps": 90, "pretrained": "w.keras"}
    return Config(**values | {"pretrained_preprocessing": "tf"} | changes)


def base_of(model):
    return types.SimpleNamespace(weights={name: of for name, of in weights_of(model).items() if of})


def test_the_network_it_starts_from_has_pretrained_weights_below_a_new_head(tmp_path, record):
    keras.utils.set_random_seed(3)
    pretrained = chain((32, 32, 3), 2)
    chosen = Candidate("k1t1n1", "k1t1n1", candidates.KEEP_TUNE, 0.5)
    found = export.program_of(tmp_path, config_of("small_models:chain"), chosen, base_of(pretrained), record, SCORE)
    start = keras.saving.load_model(tmp_path / export.START)
    for name in ("one", "two"):
        np.testing.assert_array_equal(start.get_layer(name).kernel, pretrained.get_layer(name).kernel)
    assert not np.array_equal(start.get_layer("logits").kernel, pretrained.get_layer("logits").kernel)
    assert [dataclasses.astuple(part) for part in found.parts] == [
        ("keep", 0.0, "one"), ("tune", 0.2, "flat"), ("new", 1.0, "logits")
    ]  # fmt: skip
    assert (found.start, found.imports, found.steps, found.warmup) == ("start.keras", (), 90, 22)
    assert (found.size, found.stored, found.mean, found.scale) == (32, 36, (1.0, 2.0, 3.0), (0.5,) * 3)
    assert found.reverse
    assert "motifs" in found.note


def test_new_blocks_are_new_and_dropped_ones_are_not_there(tmp_path, record):
    pretrained = chain((32, 32, 3), 2)
    dropped = Candidate("k1d1n1", "k1d1n1", candidates.KEEP_DROP, 0.5)
    found = export.program_of(tmp_path, config_of("small_models:chain"), dropped, base_of(pretrained), record, SCORE)
    assert [part.last for part in found.parts] == ["one", "logits"]
    assert found.shortened
    start = keras.saving.load_model(tmp_path / export.START)
    assert [layer.name for layer in start.layers if layer.weights] == ["one", "logits"]
    new = Candidate("k1n2", "k1n2", candidates.KEEP_NEW, 0.5)
    found = export.program_of(tmp_path, config_of("small_models:chain"), new, base_of(pretrained), record, SCORE)
    start = keras.saving.load_model(tmp_path / export.START)
    assert not np.array_equal(start.get_layer("two").kernel, pretrained.get_layer("two").kernel)
    assert [part.decision for part in found.parts] == ["keep", "new", "new"]


def test_every_layer_of_a_residual_network_belongs_to_a_part(tmp_path, record):
    config = config_of("small_models:residual")
    model = architectures.build(config.architecture, 2)
    names = architectures.block_names(config.architecture)
    policy = f"k1t{len(names) - 2}n1"
    chosen = Candidate("decaying", policy, candidates.TUNED, decay=0.9)
    found = export.program_of(tmp_path, config, chosen, base_of(model), record, SCORE)
    layers = [layer.name for layer in model.layers]
    ends = [layers.index(part.last) for part in found.parts]
    assert ends == sorted(set(ends))
    assert ends[-1] == len(layers) - 1
    rates = [part.rate for part in found.parts]
    assert rates[0] == 0
    assert rates[1:-1] == pytest.approx([0.2 * 0.9**n for n in range(len(names) - 2, 0, -1)])
    assert rates[-1] == 1


def test_ones_own_layers_are_imported(tmp_path, record):
    config = config_of("AlexNet", pretrained_preprocessing="pixels")
    model = architectures.build(config.architecture, 2)
    chosen = Candidate("head only", "k7n1", candidates.KEEP_TUNE, 1.0)
    found = export.program_of(tmp_path, config, chosen, base_of(model), record, SCORE)
    assert found.imports == ("tftransfer.models.layers",)
    assert "import tftransfer.models.layers" in code.text(found)


def test_files_are_named(tmp_path, record):
    saved = []
    chosen = Candidate("all tuned", "t2n1", candidates.KEEP_TUNE, 0.0)
    arguments = (tmp_path, config_of("small_models:chain"), chosen, base_of(chain((32, 32, 3), 2)), record)
    assert export.write(*arguments) == {"code_file": str(tmp_path / code.FILE)}
    assert "tftransfer measured 90.0 % (68.3 to 98.8)" in (tmp_path / code.FILE).read_text()
    files = export.write(*arguments, save_model=lambda *places: saved.append(places))
    assert files == {"code_file": str(tmp_path / code.FILE), "model_file": str(tmp_path / export.MODEL)}
    assert saved == [(record.folder, tmp_path / export.MODEL)]
    assert not list(tmp_path.glob(".partial*"))


def test_a_network_that_diverged_leaves_nothing(tmp_path, record):
    record.result["top1"] = None
    chosen = Candidate("all tuned", "t2n1", candidates.KEEP_TUNE, 0.0)
    assert export.write(tmp_path, config_of("small_models:chain"), chosen, base_of(chain((32, 32, 3), 2)), record) == {}


def test_folders_of_photographs_keep_their_names(tmp_path, record):
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    chosen = Candidate("all tuned", "t2n1", candidates.KEEP_TUNE, 0.0)
    config = config_of("small_models:chain", dataset="folder", data_dir=str(tmp_path / "photos"), images_per_class=5)
    base = base_of(chain((32, 32, 3), 2))
    found = export.program_of(tmp_path, config, chosen, base, record, SCORE)
    assert (found.data, found.subsets) == (str(tmp_path / "photos"), ("train", "test"))
    assert "first 5 images" in found.note
    one = dataclasses.replace(config, data_dir=str(tmp_path / "photos" / "train"))
    assert export.program_of(tmp_path, one, chosen, base, record, SCORE).subsets == ()


# Classifies a photograph of any size in a process that cannot import this package.
CLASSIFY = """
import sys
sys.modules["tftransfer"] = None
import keras
model = keras.saving.load_model(sys.argv[1])
image = keras.utils.img_to_array(keras.utils.load_img(sys.argv[2]))
probabilities = model.predict(image[None], verbose=0)[0]
print(*map(float, probabilities))
"""


def test_plain_keras_classifies_a_photograph(finished, tmp_path, monkeypatch):
    plain_model = pytest.importorskip("tftransfer.training.plain_model")
    monkeypatch.setattr(export, "program_of", lambda *arguments: None)
    record = record_files.read(finished / "random0-A4B-seed0")
    files = export.write(
        tmp_path, None, None, None, record, lambda folder, path: plain_model.save(plain_model.of_record(folder), path)
    )
    assert list(files) == ["model_file"]
    Image.new("RGB", (50, 40), (200, 30, 90)).save(tmp_path / "photograph.jpg")
    command = [sys.executable, "-c", CLASSIFY, files["model_file"], str(tmp_path / "photograph.jpg")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    found = [float(word) for word in done.stdout.split()]
    assert sum(found) == pytest.approx(1, abs=1e-5)
    prepared = inputs.preprocessing(record.folder)
    logits = tftransfer.load(record.folder).predict(prepared([tmp_path / "photograph.jpg"]), verbose=0)
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert found == pytest.approx(expected.tolist(), abs=0.02)
