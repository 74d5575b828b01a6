import re

import fake_trials
import pytest
from fake_trials import trial

from tftransfer import tune
from tftransfer.cli import command_line
from tftransfer.execution import run_config
from tftransfer.experiment.config import Config
from tftransfer.tuning import flagfile, space
from tftransfer.tuning.study import FAILED


def test_the_flagfile_is_the_recipe_as_run_reads_it(tmp_path):
    recipe = Config(dataset="cifar100", learning_rate=0.0123456789, width=0.35, epochs=13.37, warmup_steps=7, seed=3,
                    split="file", split_file="/home/me/split.json", data_dir="/home/me/data",
                    lr_multipliers="conv1:0.5", images_per_class=5)  # fmt: skip
    origin = flagfile.Origin(
        file="x.flags", target="A", tuner="hyperband", choices=space.around(Config(epochs=12.0), {})[1],
        trials=[trial(1, 0.5), trial(2, 0.7), trial(3, status=FAILED)], held_out=200,
    )  # fmt: skip
    text = flagfile.text(recipe, trial(2, 0.7), origin)
    path = tmp_path / "x.flags"
    path.write_text(text)
    words = [f"--flagfile={path}", "--split_file=/home/me/split.json", "--data_dir=/home/me/data"]
    options, _ = command_line.parse(run_config.RunConfig, ["run.py", *words, "--treatment=base", "--target=A"], "usage")
    assert tune.TuneConfig.start(options) == recipe
    assert "/home" not in text
    assert len(text.splitlines()) < 30
    for word in ("Command", "Cost", "Expected", "Space", "Trials"):
        assert re.search(f"^# {word} ", text, re.MULTILINE)
    for part in ("top-1 70.0 % (standard error 3.2) on 200 held-out", "the starting recipe: 50.0 %", "2 ended well",
                 "1 failed", "--treatment=base --target=A --data_dir=DATA_DIR --split_file=SPLIT_FILE"):  # fmt: skip
        assert part in text


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return fake_trials.write_images(tmp_path_factory.mktemp("photographs"))


@pytest.fixture
def options(tmp_path, photographs):
    return fake_trials.options(tmp_path, photographs)
