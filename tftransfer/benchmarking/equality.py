"""Do one and two replicas train the same network? Asked before a study relies on it."""

import dataclasses

import numpy as np

from tftransfer.experiment.config import Config
from tftransfer.training import strategies, trainer
from tftransfer.training.group import Network

REPLICAS = 2
_STEPS = 1  # rounding grows from the second step on, differently on each processor


def largest_difference(config: Config, images: trainer.Task) -> dict[str, float | str]:
    """Trains a base for some steps on one device and on two, from equal weights on equal batches.

    Args:
        config: The recipe; its batch must divide by two.
        images: What is trained on.

    Returns:
        "difference", the largest of any weight, relative to the largest weight of its array; "strategy", what the two
        replicas ran on.
    """
    short = dataclasses.replace(config, steps=_STEPS, warmup_steps=0, evaluations=1, schedule="constant",
                                drop_steps=0, drop_epochs=0.0)  # fmt: skip
    mirrored = dataclasses.replace(short, strategy="mirrored", replicas=REPLICAS)
    strategy = strategies.make("mirrored", REPLICAS)  # before TensorFlow starts with one logical CPU
    (two,) = trainer.train(mirrored, images, [Network("base")], {})
    one_device = dataclasses.replace(short, strategy="one_device", replicas=0)
    (one,) = trainer.train(one_device, images, [Network("base")], {})
    pairs = [(a, b) for layer in one.weights for a, b in zip(one.weights[layer], two.weights[layer], strict=True)]
    worst = max(float(np.abs(a - b).max()) / max(float(np.abs(a).max()), 1e-6) for a, b in pairs)
    return {"difference": worst, "strategy": strategies.describe(strategy)}
