"""The search for a recipe, mostly with trainings that are made up; the real ones are slow."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import fake_trials
import pytest
from fake_trials import Laboratory, needs_keras_tuner

from tftransfer import tune
from tftransfer.cli import command_line
from tftransfer.execution import run_config
from tftransfer.tuning import process, space
from tftransfer.tuning.study import Study, winner

ROOT = pathlib.Path(__file__).parent.parent


def test_models_without_the_searched_options_are_refused():
    with pytest.raises(ValueError, match="which only AlexNet has"):
        tune.main(["tune.py", "--model=ResNet50"])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return fake_trials.write_images(tmp_path_factory.mktemp("photographs"))


@pytest.fixture
def options(tmp_path, photographs):
    return fake_trials.options(tmp_path, photographs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tuner=hyperbend"], "id you mean hyperband"),
        (["--time_budget=20"], "90s, 20m or 2h"),
        (["--target=C"], "one of A, B, all"),
        (["--epochs=0", "--steps=5"], "in epochs"),
        (["--widths=x"], "Bad --widths"),
        (["--trials=-1"], "at least 0"),
        (["--dataset=motif"], "motifs"),
        (["--batch_size=33"], "batch is larger than the half"),
        (["--images_per_class=1"], "class 'class[0-3]' has 1"),
        (["--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
        (["--split=natural_manmade"], "WordNet id"),
    ],
    ids=str,
)
@needs_keras_tuner
def test_bad_input_ends_before_anything_is_trained(arguments, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        tune.main(["tune.py", *options, *arguments])
    assert not list(tmp_path.glob("runs/*"))


def test_what_is_missing_is_named(options, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs keras_tuner. Install: pip install 'tftransfer\[tune\]'"):
        tune.main(["tune.py", *options])
    with pytest.raises(ValueError, match=r"needs keras_tuner and sklearn"):
        tune.main(["tune.py", *options, "--tuner=bayesian"])


def test_options_are_checked_without_tensorflow():
    slow = ("tensorflow", "keras", "keras_tuner", "tensorboard")
    code = f"import sys\nfrom tftransfer import tune\nprint([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@needs_keras_tuner
def test_the_command_writes_table_and_flagfile_and_goes_on(options, tmp_path, monkeypatch, capsys):
    laboratory = Laboratory(fails=lambda recipe: len(laboratory.trained) == 2)
    monkeypatch.setattr(process.Trainer, "train", lambda _, *arguments: laboratory.train(*arguments))
    words = [
        "tune.py",
        *options,
        "--study=mine",
        "--trials=6",
        "--tuner=random",
        "--learning_rates=0.01,0.015,0.02,0.03",
    ]
    assert tune.main(words) == 0
    said = capsys.readouterr()
    study = tmp_path / "runs" / "tune-mine"
    assert f"recipe     {study}/best.flags" in said.out
    assert f"compare    tensorboard --logdir {study}" in said.out
    assert "Half B of folder: 2 classes, 32 images to train on, 8 held out; random, 20m" in said.out
    assert "the starting recipe" in said.out
    assert re.search(r"WARNING: trial 2 failed: ValueError: no such thing", said.err)
    assert len(list(study.glob("events.out.tfevents.*"))) == 1
    assert len(list(study.glob("trials/*/events.out.tfevents.*"))) == 6
    read, _ = command_line.parse(run_config.RunConfig, ["run.py", f"--flagfile={study}/best.flags"], "usage")
    best = winner(Study(study, json.loads((study / "study.json").read_text())["settings"]).trials())
    assert space.tuned(read) == best.recipe
    before = len(laboratory.trained)
    assert tune.main([*words, "--trials=7"]) == 0
    assert len(laboratory.trained) == before + 1
    with pytest.raises(ValueError, match="target"):
        tune.main([*words, "--target=A"])


@needs_keras_tuner
def test_a_search_in_which_nothing_ended_well_has_its_own_exit_code(options, monkeypatch, capsys):
    laboratory = Laboratory(fails=lambda recipe: True)
    monkeypatch.setattr(process.Trainer, "train", lambda _, *arguments: laboratory.train(*arguments))
    assert tune.main(["tune.py", *options]) == command_line.EXIT_FAILED
    assert "no trial ended well" in capsys.readouterr().err


@pytest.mark.slow
@needs_keras_tuner
def test_a_search_of_a_minute_on_motifs(tmp_path):
    """As a user types it; then again, which only prints; then the recipe it found, in `run`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def command(*words):
        words = [sys.executable, "-m", *words, f"--runs_dir={tmp_path}/runs", f"--cache_dir={tmp_path}/cache"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    search = ["tftransfer.tune", "--time_budget=60s", "--images_per_class=60", "--epochs=4", "--width=0.1"]
    text = command(*search)
    print(text)  # shown by pytest -s
    (study,) = (tmp_path / "runs").iterdir()
    trials = [json.loads(path.read_text()) for path in sorted(study.glob("trials/*/trial.json"))]
    assert len(trials) > 2
    assert sum(one["seconds"] for one in trials) < 60 * 1.1 + trials[0]["seconds"]
    again = command(*search)
    assert len(list(study.glob("trials/*/trial.json"))) == len(trials)
    assert text.splitlines()[-4:] == again.splitlines()[-4:]
    assert "baseB" in command(
        "tftransfer.run", f"--flagfile={study}/best.flags", "--treatment=base", "--target=B", "--epochs=1"
    )


def test_a_search_starts_from_the_default_length_also_where_images_are_few():
    options = tune.TuneConfig(time_budget="5m")
    assert options.start().epochs == 12.0
    assert options.start(4000).epochs == 12.0
    assert options.start(128).epochs == 300.0, "600 steps of 64 images"
    assert tune.TuneConfig(time_budget="5m", epochs=3.0).start(128).epochs == 3.0
