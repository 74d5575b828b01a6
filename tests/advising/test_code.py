import ast
import dataclasses
import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from small_models import chain
from tftransfer.advising import code
from tftransfer.advising.code import Part, Program

# Runs the program as it stands, in a process that cannot import this package.
RUN = """
import runpy, sys
sys.modules["tftransfer"] = None
runpy.run_path(sys.argv[1], run_name="__main__")
"""
PARTS = (Part("keep", 0.0, "one"), Part("tune", 0.2, "two"), Part("new", 1.0, "logits"))
ADVISED = Program(
    "Keep block 1, tune block 2, new head", "chain", "photographs", 2, 32, 36, PARTS, 40, (0.95, 0.7, 1.0),
    start="start.keras", batch=8, rate=0.02, warmup=10, scale=(1 / 64,) * 3, batch_norm_momentum=0.0,
)  # fmt: skip
OF_KERAS = dataclasses.replace(ADVISED, start="", model="MobileNet", without_preprocessing=False)


def write_photographs(root, subsets=("train", "val")):
    """Writes red and blue noise in sizes of all kinds, 20 of each for training and 10 for validation."""
    rng = np.random.default_rng(0)
    for subset, name in itertools.product(subsets, ("blue", "red")):
        folder = root / subset / name
        folder.mkdir(parents=True)
        for n in range(10 if subset == "val" else 20):
            pixels = rng.integers(0, 120, (40 + n, 60 - n, 3), np.uint8)
            pixels[..., 0 if name == "red" else 2] += 110
            Image.fromarray(pixels).save(folder / f"{n}.{'png' if n % 2 else 'jpg'}")


def run(folder):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, code.FILE], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_runs_as_it_stands_and_lands_in_the_interval(tmp_path):
    write_photographs(tmp_path / "photographs")
    keras.utils.set_random_seed(0)
    chain((32, 32, 3), 2).save(tmp_path / "start.keras")
    (tmp_path / code.FILE).write_text(code.text(ADVISED))
    *_, last = run(tmp_path).strip().splitlines()
    assert last.endswith("tftransfer measured 95.0 % (70.0 to 100.0)")
    assert 70 <= float(last.split()[1]) <= 100
    before, after = (keras.saving.load_model(tmp_path / name) for name in ("start.keras", code.SAVED))
    same = {w.path: np.array_equal(w, after.get_layer(w.path.split("/")[0]).weights[n])
            for layer in before.layers for n, w in enumerate(layer.weights)}  # fmt: skip
    assert {path.split("/")[0] for path, kept in same.items() if kept} == {"one"}
    image = np.zeros((1, 32, 32, 3), np.float32)
    assert after.predict(image, verbose=0).sum() == pytest.approx(1)


def test_every_choice_gives_a_program():
    choices = {
        "schedule": ["constant", "step", "cosine"], "release": [0, 12], "subsets": [(), ("train", "test")],
        "crop": [False, True], "mirror": [False, True], "shortened": [False, True], "smoothing": [0.0, 0.1],
        "adapt": [False, True], "precision": ["float32", "mixed_bfloat16"], "start": ["", "start.keras"],
    }  # fmt: skip
    usual = dataclasses.replace(OF_KERAS, drop=(10, 0.1), padding=3)
    for (one, its), (other, values) in itertools.combinations(choices.items(), 2):
        for value, second in itertools.product(its, values):
            text = code.text(dataclasses.replace(usual, **{one: value, other: second}))
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= 120, text


def test_numbers_and_names_stand_in_it():
    text = code.text(OF_KERAS)
    assert "keras.applications.MobileNet(weights='imagenet')" in text
    assert "('tune', 0.2, 'two')," in text
    assert "BATCH, STEPS, WARMUP, RATE = 8, 40, 10, 0.02" in text
    assert "tftransfer measured 95.0 %" in text
    assert "import tftransfer" not in text


def test_nothing_is_downloaded_for_a_network_from_scratch():
    new = tuple(dataclasses.replace(part, decision="new", rate=1.0) for part in PARTS)
    text = code.text(dataclasses.replace(OF_KERAS, parts=new))
    assert "imagenet" not in text
    assert "source" not in text


def test_channels_and_steps_of_the_schedule():
    assert "image[..., ::-1] - MEAN" in code.text(dataclasses.replace(OF_KERAS, reverse=True))
    assert "BGR" in code.text(dataclasses.replace(OF_KERAS, reverse=True))
    assert "** keras.ops.floor(step / 7)" in code.text(dataclasses.replace(OF_KERAS, schedule="step", drop=(7, 0.1)))
    assert "WARMUP, 1)" not in code.text(dataclasses.replace(OF_KERAS, warmup=0))


@pytest.mark.parametrize("field", ["advised", "model", "note", "data"])
def test_texts_from_outside_stay_texts(field):
    hostile = '"""\nimport os; os.abort()\n\\"""\u202e\u2028\''
    names = {"start": "start.keras", field: hostile}
    tree = ast.parse(code.text(dataclasses.replace(ADVISED, **names)))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names == {"math", "pathlib", "keras", "tensorflow"}
    calls = [node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")]
    assert "abort" not in calls


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"adapt": True},
        {"parts": (Part("tune", 0.2, "two"), PARTS[2]), "release": 2, "smoothing": 0.1},
        {"parts": (PARTS[0], Part("new", 1.0, "conv_preds")), "shortened": True, "schedule": "constant", "crop": False},
    ],
    ids=["statistics follow", "head first", "dropped"],
)
def test_programs_of_keras_applications_run(tmp_path, changes):
    write_photographs(tmp_path / "photographs")
    lasts = {"one": "conv1_relu", "two": "conv_pw_13_relu", "logits": "predictions"}
    model = keras.applications.MobileNet(input_shape=(32, 32, 3), weights=None, classes=2, classifier_activation=None)
    lasts["logits"] = model.layers[-1].name
    program = dataclasses.replace(OF_KERAS, steps=4, batch_norm_momentum=0.9, **changes)
    parts = tuple(dataclasses.replace(part, last=lasts.get(part.last, part.last)) for part in program.parts)
    text = code.text(dataclasses.replace(program, parts=parts))
    assert text.count("weights='imagenet'") == 1  # which nothing here can download
    (tmp_path / code.FILE).write_text(text.replace("weights='imagenet'", "weights=None"))
    assert "top-1" in run(tmp_path)
