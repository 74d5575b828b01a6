"""The process of one trial: trains a recipe on a part of the training half and scores it on the rest.

    python -m tftransfer.tuning.trial REQUEST.json ANSWER.json

Whatever goes wrong ends it with a traceback.
"""

import json
import pathlib
import resource
import sys
from collections.abc import Sequence
from typing import Any

from tftransfer.data.store import Store
from tftransfer.experiment.config import Config
from tftransfer.system import atomic, untrusted_files
from tftransfer.training import trainer
from tftransfer.training.group import Network
from tftransfer.tuning import held_out


def task(config: Config, store: Store, split: str, classes: Sequence[int], target: str) -> trainer.Task:
    """Returns the images of a trial: training images of the half, some of them held out for validation."""
    half = store.select("train", classes, config.images_per_class or None)
    training, held = held_out.divide(half, [store.class_names[index] for index in sorted(classes)])
    return trainer.Task(split, target, len(classes), training, held, trainer.view_of(config, training))


def train(config: Config, images: trainer.Task) -> dict[str, Any]:
    """Trains the base network with a recipe; returns fields of a `study.Result`.

    The score is that of the last evaluation, which is the only one.
    """
    (outcome,) = trainer.train(config, images, [Network(name="trial")], {})
    scores = outcome.scores if outcome.diverged_at is None else {"top1": None, "cross_entropy": None}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "top1": scores["top1"],
        "cross_entropy": scores["cross_entropy"],
        "train_images": outcome.train_steps * config.batch_size,
        "images_per_second": round(outcome.images_per_second, 1),
        "trained_parameters": outcome.trained_parameters,
        "peak_memory_mb": round(memory / 1e6, 1),
        "error": "" if outcome.diverged_at is None else f"its loss was not finite at step {outcome.diverged_at}",
    }


def main(request_file: pathlib.Path, answer_file: pathlib.Path) -> None:
    """Trains the recipe of a request and writes the outcome."""
    request = untrusted_files.read_json(request_file)
    config = Config(**request["config"])
    images = task(config, Store.open(request["store"]), request["split"], request["classes"], request["target"])
    atomic.write_text(answer_file, json.dumps(train(config, images), allow_nan=False) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
