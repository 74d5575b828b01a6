import datetime
import pathlib

import numpy as np
import pytest

from tftransfer.calls import keywords
from tftransfer.cli import command_line
from tftransfer.execution.run_config import RunConfig
from tftransfer.report import ReportConfig
from tftransfer.scheduling.sweep_config import SweepConfig
from tftransfer.tune import TuneConfig


@pytest.mark.parametrize(
    ("config", "options", "words"),
    [
        (RunConfig, {"treatment": "AnB", "n": 4}, ["--treatment=AnB", "--n=4"]),
        (RunConfig, {"n": "conv3", "keep_weights": True, "force": False}, ["--n=conv3", "--keep_weights", "--noforce"]),
        (RunConfig, {"keep_weights": np.True_, "seed": np.int64(3)}, ["--keep_weights", "--seed=3"]),
        (RunConfig, {"data_dir": pathlib.Path("a b"), "steps": None}, ["--data_dir=a b"]),
        (RunConfig, {"learning_rate": 1e-4, "width": np.float32(0.25)}, ["--learning_rate=0.0001", "--width=0.25"]),
        (RunConfig, {"lr_multipliers": {"conv1": 0, "conv2": 0.5}}, ["--lr_multipliers=conv1:0,conv2:0.5"]),
        (RunConfig, {"steps": 4.0, "blocks": ("conv1", "conv3")}, ["--steps=4", "--blocks=conv1,conv3"]),
        (SweepConfig, {"treatments": ["BnB", "AnB+"], "n": range(1, 4)}, ["--treatments=BnB,AnB+", "--n=1,2,3"]),
        (SweepConfig, {"n": np.arange(1, 3), "seeds": 2}, ["--n=1,2", "--seeds=2"]),
        (
            SweepConfig,
            {"cells": [{"treatments": "AnB", "n": [1, 2]}, "treatments=base"]},
            ["--cells=treatments=AnB n=1,2", "--cells=treatments=base"],
        ),
        (SweepConfig, {"cells": "treatments=base"}, ["--cells=treatments=base"]),
        (ReportConfig, {"study": pathlib.Path("runs/s"), "format": ["html", "md"]}, None),
        (TuneConfig, {"time_budget": datetime.timedelta(minutes=5)}, ["--time_budget=300s"]),
        (RunConfig, {"flagfile": ["demo", pathlib.Path("x.flags")]}, ["--flagfile=demo", "--flagfile=x.flags"]),
    ],
)
def test_python_values_become_the_words_of_a_command_line(config, options, words):
    assert keywords.words(config, options) == (words or ["--study=runs/s", "--format=html,md"])


def test_the_words_are_read_back_as_the_same_values():
    words = keywords.words(SweepConfig, {"treatments": ["BnB"], "n": range(1, 8), "learning_rate": 1 / 3})
    options, given = command_line.parse(SweepConfig, words, "")
    assert (options.treatments, options.n, options.learning_rate) == ("BnB", "1,2,3,4,5,6,7", 1 / 3)
    assert given == {"treatments", "n", "learning_rate"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treatmnt": "BnB"}, r"Unknown option 'treatmnt'\. Did you mean: treatment\?"),
        ({"help": True}, "Unknown option 'help'"),
        ({"keep_weights": "yes"}, "keep_weights is a switch. Expected True or False. Received: 'yes'"),
        ({"force": 1}, "force is a switch"),
        ({"steps": True}, "steps is no switch"),
        ({"n": object()}, "n takes numbers, texts"),
        ({"steps": [1, 2]}, "steps takes numbers"),
    ],
)
def test_what_is_no_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        keywords.words(RunConfig, options)
