import dataclasses

import numpy as np

from tftransfer import tune
from tftransfer.cli import command_line
from tftransfer.experiment import prepared_images


def test_a_trial_never_reads_validation_images(options, monkeypatch):
    from tftransfer.tuning import trial as worker

    parsed, _ = command_line.parse(tune.TuneConfig, ["tune.py", *options], "usage")
    store = prepared_images.prepare(parsed)
    chosen = []
    select = store.select
    monkeypatch.setattr(store, "select", lambda split, *rest: chosen.append(split) or select(split, *rest))
    images = worker.task(parsed.start(), store, "random0", [1, 3], "B")
    outcome = worker.train(dataclasses.replace(parsed.start(), evaluations=1), images)
    assert chosen == ["train"]
    assert (images.classes, len(images.training), len(images.validation)) == (2, 32, 8)
    assert images.validation.subset == "train"
    assert 0 <= outcome["top1"] <= 1
    assert outcome["train_images"] == 64
    mean = store.read("train", images.training.ids).mean(0)
    np.testing.assert_allclose(images.view.mean, mean, rtol=1e-5), "held-out images are not in the mean"
