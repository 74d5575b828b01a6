"""A search whose trainings are made up: their scores and costs are formulas."""

import importlib.util

import numpy as np
import pytest

from made_images import write_photographs
from tftransfer.experiment.config import Config
from tftransfer.tuning import space
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Result, Study, Trial

IMAGES = 1000
needs_keras_tuner = pytest.mark.skipif(
    importlib.util.find_spec("keras_tuner") is None, reason="keras-tuner is not installed (extra tune)"
)


def trial(number=1, top1=0.5, seconds=10.0, status=OK, **values):
    recipe = space.tuned(Config(**values))
    speed = 1000.0 if status == OK else None
    return Trial(
        number=number, asked=recipe, recipe=recipe, status=status, seconds=seconds,
        top1=top1 if status == OK else None, train_images=8000, images_per_second=speed,
        error="" if status == OK else "bang",
    )  # fmt: skip


class Laboratory:
    """Trains nothing: a recipe's score and cost are a formula; some fail, some diverge."""

    def __init__(self, seconds_per_epoch=2.0, fails=lambda c: False, interrupt_at=None):
        self.now = 0.0
        self.trained = []
        self.said = []
        self._cost, self._fails, self._interrupt_at = seconds_per_epoch, fails, interrupt_at

    def train(self, folder, recipe, limit):
        if len(self.trained) + 1 == self._interrupt_at:
            raise KeyboardInterrupt
        assert recipe.evaluations == 1
        work = recipe.train_steps(IMAGES) * recipe.batch_size
        speed = IMAGES / self._cost * 0.25 / recipe.width
        seconds = 5.0 + work / speed
        self.trained.append((folder, recipe, limit))
        if limit is not None and seconds > limit:
            self.now += limit
            return None
        self.now += seconds
        if self._fails(recipe):
            return Result(status=FAILED, seconds=seconds, error="ValueError: no such thing")
        if recipe.learning_rate > 0.1:
            return Result(status=DIVERGED, seconds=seconds, error="its loss was not finite at step 9")
        score = 1 - abs(np.log(recipe.learning_rate / 0.03)) / 5 - 0.3 / recipe.epochs - 0.1 * recipe.dropout
        return Result(status=OK, seconds=seconds, top1=float(score), train_images=work, images_per_second=speed)

    def search(self, root, seconds=600.0, tuner="hyperband", trials=0, lists=None):
        from tftransfer.tuning import search

        start, choices = space.around(Config(epochs=12.0), lists or {})
        study = Study(root, {"tuner": tuner})
        scope = search.Scope(start, choices, tuner, IMAGES)
        limits = search.Limits(seconds, trials)
        work = search.Search(study, scope, self.train, limits, self.said.append, lambda: self.now)
        work.run()
        return work.trials


def write_images(folder):
    """Writes four classes of 20 training and 4 validation images each; returns the folder."""
    return write_photographs(folder, classes=4, validation=4)


def options(folder, images):
    """Returns the options of a search on images of `write_images`, with its other files below `folder`."""
    return ["--dataset=folder", f"--data_dir={images}", "--image_size=32", f"--cache_dir={folder}/cache",
            f"--runs_dir={folder}/runs", "--width=0.05", "--epochs=2", "--batch_size=8"]  # fmt: skip
