"""How fast training gets its images. Prints figures, asserts nothing.

    python tests/benchmarks/pipeline_speed.py [--images=2000] [--repetitions=3]

First the paper's view (a random crop of 227 pixels, mirrored or not, less the mean) of a JPEG store of 256 pixels, in
images per second with nothing else to do (goal: 900 on two cores). Then, for raw stores, the share of a training step
that is spent waiting for its batch (goal: below 5 %). The load is printed: the figures depend on what else runs.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

PAPER_BATCH = 256
ILSVRC_HALF = 640_583  # training images of 500 of the 1000 classes: half of 1,281,167
RAW = {
    "32 px, quarter width, batch 64": {"side": 32, "width": 0.25, "batch": 64, "steps": 120},
    "64 px, half width, batch 128": {"side": 64, "width": 0.5, "batch": 128, "steps": 40},
}


def photographs(count: int, side: int) -> list[np.ndarray]:
    """Returns images with the spectrum of photographs: amplitude falls as 1 / frequency, colours go together."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    made = []
    for _ in range(count):
        grey, *colour = (np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) / frequency) for _ in range(4))
        pixels = np.stack([grey + 0.3 * c for c in colour], -1)
        made.append(np.clip(128 + 55 * pixels / pixels.std(), 0, 255).astype(np.uint8))
    return made


def write_folder(root: pathlib.Path, count: int, side: int = 256) -> None:
    """Writes JPEG files of ten classes and two splits; they repeat some drawn images, shifted and turned over."""
    drawn = photographs(32, side)
    for index in range(count):
        image = np.roll(drawn[index % len(drawn)], (index * 37 % side, index * 61 % side), (0, 1))
        path = root / ("val" if index % 20 < 1 else "train") / f"class{index // 20 % 10}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, ::-1] if index % 2 else image).save(path, quality=90)


def measure_jpeg(source, cache_dir: str, repetitions: int) -> None:
    """Prints images per second out of the training pipeline, and what the order of a large half costs."""
    from tftransfer.data import pipeline
    from tftransfer.data.mean_image import mean_image
    from tftransfer.data.store import prepare

    store = prepare(source, cache_dir, 256)
    half = store.select("train", range(10))
    view = pipeline.View(227, mean_image(half), 1.0)
    sampling = pipeline.Sampling(0, "B", PAPER_BATCH)
    bytes_each = np.mean([len(image) for image in half.read_encoded(np.arange(200))])
    steps, speeds = 24, []
    for _ in range(repetitions):
        started = time.perf_counter()
        for _ in pipeline.training_batches(half, view, sampling, 0, steps):
            pass
        speeds.append(steps * PAPER_BATCH / (time.perf_counter() - started))
    title = f"JPEG store, 256 px, {bytes_each / 1000:.0f} kB each: crop 227, mirror, mean"
    print(f"{title:62}{statistics.median(speeds):7.0f} images/s (from {min(speeds):.0f} to {max(speeds):.0f})")
    large = type("Half", (), {"ids": np.arange(ILSVRC_HALF), "__len__": lambda self: ILSVRC_HALF})()
    started = time.perf_counter()
    for step in range(5):
        sampling.positions(large, step)
    spent = (time.perf_counter() - started) / 5
    print(f"{'  choosing the images of a step among those of an ILSVRC half':62}{1000 * spent:7.0f} ms a step")


def measure_raw(source, cache_dir: str, case: dict) -> tuple[float, float, float]:
    """Returns the share of waiting in a training loop, and images per second of the loop and of the pipeline alone."""
    import keras

    from tftransfer.data import pipeline
    from tftransfer.data.mean_image import mean_image
    from tftransfer.data.store import prepare
    from tftransfer.models import AlexNet
    from tftransfer.training.optimizers import CaffeSGD

    side, warm = case["side"], 6
    store = prepare(source, cache_dir, round(side * 256 / 227))
    half = store.select("train", range(10))
    view = pipeline.View(side, mean_image(half), 1 / 64)
    sampling = pipeline.Sampling(0, "B", case["batch"])
    model = AlexNet((side, side, 3), 100, width=case["width"], initializer="he_normal", seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(CaffeSGD(0.001, l2=5e-4), loss, jit_compile=False)
    batches = iter(pipeline.training_batches(half, view, sampling, 0, warm + case["steps"]))
    for _ in range(warm):
        model.train_on_batch(*next(batches))
    waiting, started = 0.0, time.perf_counter()
    for _ in range(case["steps"]):
        asked = time.perf_counter()
        images, labels = next(batches)
        waiting += time.perf_counter() - asked
        model.train_on_batch(images, labels)
    whole = time.perf_counter() - started
    started = time.perf_counter()
    for _ in pipeline.training_batches(half, view, sampling, 0, case["steps"]):
        pass
    pipeline_seconds = time.perf_counter() - started
    images = case["steps"] * case["batch"]
    return waiting / whole, images / whole, images / pipeline_seconds


def main() -> None:
    """Measures both kinds of stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="images of the temporary store")
    parser.add_argument("--repetitions", type=int, default=3, help="passes over the JPEG store")
    options = parser.parse_args()
    from tftransfer.data.datasets import open_dataset

    with tempfile.TemporaryDirectory() as folder:
        root, cache_dir = pathlib.Path(folder, "photographs"), f"{folder}/cache"
        write_folder(root, options.images)
        source = open_dataset("folder", str(root))
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        print(f"{os.cpu_count()} cores, load {load}")
        measure_jpeg(source, cache_dir, options.repetitions)
        for name, case in RAW.items():
            share, speed, alone = measure_raw(source, cache_dir, case)
            text = f"of {speed:.0f} images/s; the pipeline alone {alone:.0f} images/s"
            print(f"{'Raw store, ' + name + ': waiting':62}{100 * share:7.1f} % {text}", flush=True)


if __name__ == "__main__":
    main()
