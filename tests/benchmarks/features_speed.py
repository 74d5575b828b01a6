"""Seconds of training a new head on a frozen network, features computed once, against one pass over the images.

    python tests/benchmarks/features_speed.py [--full] [--validation=5000] [--cuts=14]

MobileNetV2 at 97 pixels with random weights and images: 500 training images of 5 classes, 8 epochs, 5,000 validation
images, batch 32. Each part runs in a process of its own, in which TensorFlow is loaded before the clock starts, and
prints seconds on the wall and of all cores; the latter tell the work where others share the machine. `pass` builds the
network and predicts all images once, with Keras. Goals: `head` at most 1.3 passes, `probes` (heads on 14 cuts, all in
one group) at most 2.6. `again` finds the features of `head`. `--full` trains `head` from images, too.
"""

import argparse
import dataclasses
import os
import resource
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIDE, CLASSES, TRAINING, BATCH, EPOCHS = 97, 5, 500, 32, 8.0
PARTS = ("pass", "head", "again", "probes")
FROM_IMAGES = "images"


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Random images in memory, as pipelines read them."""

    pixels: object
    labels: object
    ids: object
    size: int = SIDE
    encoding: str = "raw"

    def __len__(self):
        return len(self.ids)

    def read(self, positions):
        return self.pixels[positions]


def drawn(count: int, seed: int) -> Images:
    """Returns random images of classes in turns."""
    import numpy as np

    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    return Images(pixels, np.arange(count, dtype=np.int32) % CLASSES, np.arange(count))


def networks(part: str, cuts: int) -> list:
    """Returns the networks of a part: one head on all blocks, or one on each of some cuts."""
    from tftransfer.models import architectures
    from tftransfer.training.group import Network

    blocks = len(architectures.block_names(config("").architecture)) - 1
    if part != "probes":
        return [Network("head", "s", f"k{blocks}n1")]
    depths = [blocks - round(i * (blocks - 1) / max(1, cuts - 1)) for i in range(cuts)]
    policies = [f"k{n}d{blocks - n}n1" if n < blocks else f"k{n}n1" for n in depths]
    return [Network(f"probe{n}", "s", policy) for n, policy in zip(depths, policies, strict=True)]


def config(cache: str, **options):
    """Returns the recipe."""
    from tftransfer.experiment.config import Config

    return Config(
        model="MobileNetV2", image_size=SIDE, batch_size=BATCH, epochs=EPOCHS, augment="none", cache_dir=cache,
        warmup_steps=0, learning_rate=0.01, **options,
    )  # fmt: skip


def work(part: str, cache: str, validation: int, cuts: int) -> None:
    """Does one part and prints its seconds."""
    import keras
    import numpy as np

    from tftransfer import transfer
    from tftransfer.data import pipeline
    from tftransfer.training import trainer

    recipe = config(cache, cache_limit=0.0 if part == FROM_IMAGES else 10.0)
    view = pipeline.View(SIDE, np.full((SIDE, SIDE, 3), 127, np.float32), 1 / 64)
    task = trainer.Task("drawn", "B", CLASSES, drawn(TRAINING, 0), drawn(validation, 1), view)
    keras.utils.set_random_seed(0)  # the same source in every process
    sources = {"s": transfer.weights_of(trainer.build_model(recipe, 1000, seed=0))}
    group = networks(part, cuts)
    started, before = time.perf_counter(), _cpu_seconds()
    if part == "pass":
        model = trainer.build_model(recipe, 1000, seed=0)
        for half in (task.training, task.validation):
            batches = pipeline.evaluation_batches(half, view, 64)
            model.predict(batches.map(lambda x, y, w: x), verbose=0)
        used = "all images once, predicted"
    else:
        stages = []
        outcomes = trainer.train(recipe, task, group, sources, stage=stages.append)
        passes = sum("computing features" in text for text in stages)
        used = f"{len(outcomes)} network(s), {outcomes[0].train_steps} steps; halves passed through the trunk: {passes}"
    wall, cpu = time.perf_counter() - started, _cpu_seconds() - before
    print(f"{part:<8}{wall:>8.1f} s wall {cpu:>8.1f} s of all cores   {used}", flush=True)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--validation", type=int, default=5000)
    parser.add_argument("--cuts", type=int, default=14)
    parser.add_argument("--part")
    parser.add_argument("--cache")
    options = parser.parse_args()
    if options.part:
        work(options.part, options.cache, options.validation, options.cuts)
        return
    sizes = [f"--validation={options.validation}", f"--cuts={options.cuts}"]
    with tempfile.TemporaryDirectory() as cache:
        for part in (*PARTS, *((FROM_IMAGES,) * options.full)):
            own = os.path.join(cache, "probes" if part == "probes" else "head")
            command = [sys.executable, __file__, f"--part={part}", f"--cache={own}", *sizes]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
