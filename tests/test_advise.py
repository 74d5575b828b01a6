"""The command advise: bad input, a real run, what is left in its folder, and calls that are repeated."""

import dataclasses
import json
import logging
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from simulated_advice import KilledError, Laboratory, best_is

from made_images import write_photographs
from tftransfer import advise, describe, run
from tftransfer.advising import advisor, candidates, schedule
from tftransfer.cli import command_line
from tftransfer.experiment import splits
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Six classes of photographs, and weights of a small AlexNet that was trained on three of them."""
    root = tmp_path_factory.mktemp("given")
    write_photographs(root / "photographs")
    options = [f"--data_dir={root}/photographs", "--dataset=folder", "--image_size=32", "--width=0.05",
               "--batch_size=16", f"--cache_dir={root}/cache"]  # fmt: skip
    words = ["--treatment=base", "--target=A", "--steps=20", "--evaluations=1", f"--runs_dir={root}/runs"]
    assert run.main(["run.py", *options, *words]) == 0
    (base,) = root.glob("runs/*/*baseA-seed0")
    words = [f"--network={base}", f"--to={root}/given.safetensors", "--trained_on=class0,class4,elsewhere"]
    assert describe.main(["describe.py", *words]) == 0
    return root, options


@pytest.fixture
def options(given, tmp_path):
    root, shared = given
    return [*shared, f"--pretrained={root}/given.safetensors", f"--advice_dir={tmp_path}/advice", "--steps=24"]


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    """Returns a function that makes all phases but the last train nothing."""

    def make(**words):
        (tmp_path / "lab").mkdir(exist_ok=True)
        lab = Laboratory(tmp_path / "lab", **words)
        lab.stand_in(monkeypatch)
        return lab

    return make


def main(*words):
    return advise.main(["advise.py", *map(str, words)])


def ended(capsys, *words):
    """Returns the exit code of a command and what it said on standard error."""
    with pytest.raises(SystemExit) as end:
        command_line.main(advise.main, ["advise.py", *map(str, words)])
    return end.value.code, capsys.readouterr().err


def content_of(tmp_path):
    (path,) = tmp_path.glob("advice/*/advice.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pretrained="], "Expected --pretrained=imagenet or --pretrained=FILE. Received none"),
        (["--split=random"], "Leave --split out. Received: random"),
        (["--optimizer=adamw"], "need --optimizer=sgd. Received: --optimizer=adamw"),
        (["--layerwise_lr_decay=0.9"], "Leave --layerwise_lr_decay out. Received: 0.9"),
        (["--tolerance=-1"], "--tolerance"),
        (["--tolerance=nan"], "--tolerance"),
        (["--time_budget=20"], "90s, 20m or 2h"),
        (["--views=0"], "--views"),
        (["--name=a/b"], "--name"),
        (["--treatment=base"], "Unknown command line flag 'treatment'"),
        (["photographs"], "Unexpected argument 'photographs'"),
        (["--images_per_class=1"], "class 'class0' has 1"),
        (["--batch_size=97"], "Use a --batch_size of at most 96"),
        (["--pretrained=/nowhere.safetensors"], "nowhere.safetensors"),
        (["--advice_dir=/proc/nothing"], "/proc/nothing"),
        (["--source_dataset=motifs"], "Leave one of them out"),
    ],
    ids=str,
)
def test_bad_input_ends_in_one_message_before_tensorflow_starts(words, message, options, capsys, monkeypatch):
    monkeypatch.setattr(advise, "_start_tensorflow", lambda options: pytest.fail("TensorFlow was started"))
    code, said = ended(capsys, *options, *words)
    assert (code, said.count("\n")) == (2, 1), said
    assert said.startswith("python -m tftransfer.advise: ")
    assert message in said


def folder_of(root, classes, same=False, first=4):
    for number in range(classes):
        for subset, images in (("train", first if number == 0 else 4), ("val", 2)):
            folder = root / subset / f"class{number}"
            folder.mkdir(parents=True)
            for i in range(images):
                shade = (9, 9, 9) if same else (40 * number, 60 * i, 9)
                Image.new("RGB", (36, 36), shade).save(folder / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"classes": 1}, "class"),
        ({"classes": 2, "first": 1}, "Received: class 'class0' has 1"),
        ({"classes": 2, "same": True}, "All training images are the same, byte for byte"),
    ],
    ids=str,
)
def test_images_that_teach_nothing_are_refused(images, message, options, tmp_path, capsys):
    words = [f"--data_dir={folder_of(tmp_path / 'images', **images)}", "--batch_size=4"]
    code, said = ended(capsys, *options, *words)
    assert code == 2
    assert message in said.splitlines()[-1]
    assert not list(tmp_path.glob("advice/*/advice.json"))


def headless(input_shape, classes):
    """Has no block below its head."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten(name="flat")(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="headless")


def test_a_network_that_cannot_be_cut_is_refused(given, tmp_path, capsys):
    _, shared = given
    headless((32, 32, 3), 3).save_weights(tmp_path / "x.weights.h5")
    words = [word for word in shared if not word.startswith("--width")]
    words += ["--model=test_advise:headless", f"--pretrained={tmp_path}/x.weights.h5", f"--advice_dir={tmp_path}/a"]
    code, said = ended(capsys, *words, "--pretrained_preprocessing=pixels")
    assert code == 2
    assert "head" in said.splitlines()[-1]


def test_a_budget_of_a_second_names_one_that_would_do(options, tmp_path, capsys, laboratory):
    laboratory()
    code, said = ended(capsys, *options, "--time_budget=1s")
    assert code == 2
    assert "1 s were given" in said
    assert "--time_budget=" in said
    assert not list(tmp_path.glob("advice/*/advice.json"))


def test_options_are_checked_without_tensorflow():
    slow = ("tensorflow", "keras", "tensorboard")
    code = f"import sys\nfrom tftransfer import advise\nprint([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_tensorflow_counts_no_traces_to_users():
    advise._start_tensorflow(advise.AdviseConfig(pretrained="x.safetensors"))
    logger = logging.getLogger("tensorflow")
    judged = [all(f(r) for f in logger.filters) for r in map(_line, ("calls triggered tf.function retracing", "x"))]
    assert judged == [False, True]


def _line(text):
    return logging.LogRecord("tensorflow", logging.WARNING, "x.py", 1, text, None, None)


def test_a_dry_run_says_what_would_be_tried_and_leaves_nothing(options, tmp_path, capsys):
    assert main(*options, "--dry_run") == 0
    said = capsys.readouterr().out
    assert "data set  folder, 6 classes" in said
    assert "race      at most 27 candidates on one of 5 folds" in said
    assert "power     24 held-out images" in said
    assert not (tmp_path / "advice").exists()


def test_a_real_advice_from_exported_weights(options, tmp_path, monkeypatch, capsys):
    plan = schedule.Plan(steps=24, cuts=0, singles=0, rates=False, seconds=1.0)
    monkeypatch.setattr(schedule, "fit", lambda *words: plan)
    assert main(*options, "--tolerance=99", "--warmup_steps=0") == 0
    said = capsys.readouterr().out
    content = content_of(tmp_path)
    assert content["chosen"] in {one.name for one in candidates.make((1,) * 8, 0, 0)}
    assert content["chosen"] != "from scratch" or content["top1"] > content["chance"]
    copies = "Warning: it was trained on copies of 48 of its 48 validation images"
    assert any(line.startswith(copies) for line in content["sentences"])
    assert "leak" in content["warnings"]
    for line in content["sentences"]:
        assert line in said
    assert content["interval"][0] <= content["top1"] <= content["interval"][1]
    folder = next(tmp_path.glob("advice/*"))
    record = record_files.read(folder / content["network"])
    assert record.result["top1"] == content["top1"]
    assert record.content["cost"]["train_images"] == 120, "the last training sees all images"
    assert (folder / content["network"] / record_files.WEIGHTS).is_file() or list(
        (folder / content["network"]).glob("*weights*")
    )
    monkeypatch.setattr(advisor, "LiveTraining", lambda *words: pytest.fail("trained again"))
    assert main(*options, "--tolerance=99", "--warmup_steps=0") == 0
    again = content_of(tmp_path)
    assert again | {"seconds": 0} == content | {"seconds": 0}


def test_labels_without_signal_end_with_a_code_of_their_own_and_no_model(options, tmp_path, laboratory, capsys):
    laboratory(quality=lambda one: 0.17)
    assert main(*options) == command_line.EXIT_WARNINGS
    said = capsys.readouterr().out
    assert "Nothing transfers, nothing trains" in said
    assert "Check the labels." in said
    content = content_of(tmp_path)
    assert content["chosen"] == ""
    assert "top1" not in content
    assert not list(tmp_path.glob("advice/*/network*"))


def test_a_call_that_was_killed_goes_on_and_another_budget_begins_anew(options, tmp_path, laboratory, capsys):
    lab = laboratory(quality=best_is("k6t1n1", best=0.95), killed_at=20)
    with pytest.raises(KilledError):
        main(*options)
    lab.killed_at = None
    assert main(*options) == 0
    assert "starting anew" not in capsys.readouterr().out
    scored, first = len(lab.scored), content_of(tmp_path)
    assert main(*options) == 0
    assert len(lab.scored) == scored, "nothing is trained twice"
    assert content_of(tmp_path) | {"seconds": 0} == first | {"seconds": 0}
    for changed in ("--time_budget=40m", "--learning_rate=0.01", "--seed=1", "--tolerance=1"):
        before = len(lab.scored)
        assert main(*options, changed) == 0
        assert "starting anew" in capsys.readouterr().out, changed
        assert len(lab.scored) > before
    before = len(lab.scored)
    assert main(*options) == 0
    assert len(lab.scored) == before, "findings of the first options are still there"


def test_other_images_begin_anew(options, given, tmp_path, laboratory, capsys):
    lab = laboratory(quality=lambda one: 0.17)
    shutil.copytree(given[0] / "photographs", tmp_path / "more")
    words = [*options, f"--data_dir={tmp_path}/more"]
    assert main(*words) == 4
    Image.new("RGB", (40, 36), (1, 2, 3)).save(tmp_path / "more/train/class0/more.png")
    before = len(lab.scored)
    assert main(*words) == 4
    assert "starting anew" in capsys.readouterr().out
    assert len(lab.scored) > before


def test_a_last_training_that_diverged_leaves_an_advice_without_a_score(options, tmp_path, laboratory, monkeypatch):
    laboratory()
    lost = {
        "top1": None,
        "interval": None,
        "validation_images": 48,
        "network": "x",
        "warnings": [],
        "warning_texts": [],
    }
    monkeypatch.setattr(advise, "_finish", lambda *words: lost)
    assert main(*options) == command_line.EXIT_FAILED
    assert "diverged" in content_of(tmp_path)["sentences"][0]


@pytest.mark.parametrize("name", [one.name for one in candidates.make((5, 4, 3, 3, 3, 2, 2, 1))])
def test_the_last_network_is_the_candidate(name):
    (chosen,) = (one for one in candidates.make((5, 4, 3, 3, 3, 2, 2, 1)) if one.name == name)
    config = advise.AdviseConfig(pretrained="x.safetensors", steps=30, learning_rate=0.01, seed=3)
    advice = advisor.Advice((chosen,), None, (), chosen, 3.0, 0.0, {}, None, {}, config)
    described = dataclasses.make_dataclass("D", ["sha256"])("a" * 64)
    file = dataclasses.make_dataclass("F", ["described"])(described)
    cell = advise._cell(config, advice, splits.whole(6), file)
    assert cell.treatment.decisions.ljust(8, "n") == ("n" * 8 if chosen.is_scratch else chosen.decisions)
    assert cell.config.learning_rate == pytest.approx(0.03)
    assert (cell.config.steps, cell.config.seed, cell.config.keep_weights) == (30, 3, True)
    assert cell.config.layerwise_lr_decay == chosen.decay
    assert cell.treatment.release_step == (10 if chosen.release else 0)
    assert cell.source is None
    assert np.isfinite(cell.config.views)
