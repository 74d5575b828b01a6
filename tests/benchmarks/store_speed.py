"""How fast images are prepared and read. Prints figures, asserts nothing.

    python tests/benchmarks/store_speed.py [--tiny_imagenet=FOLDER]

Without Tiny ImageNet its part is measured on 10,000 drawn images. Run it on an idle machine: the figures depend on what
else runs, so the load is printed with them.
"""

import argparse
import os
import pathlib
import resource
import tempfile
import time

import numpy as np
from PIL import Image

from tftransfer.data.datasets import open_dataset
from tftransfer.data.mean_image import mean_image
from tftransfer.data.store import Store, find, prepare

PHOTO = (375, 500)  # the usual size of an ImageNet photograph


def draw_photos(folder: pathlib.Path, count: int, height: int, width: int) -> None:
    """Writes `count` JPEG files with edges, slopes and noise, in two classes and two splits."""
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        pixels = np.asarray(coarse, np.int16) + rng.integers(-12, 12, (height, width, 1), np.int16)
        path = folder / ("val" if index % 10 == 0 else "train") / "ab"[index // 10 % 2] / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def measure(title: str, dataset: str, data_dir: str, size: int) -> None:
    """Prepares a data set, opens and reads it, and prints how long each took."""
    with tempfile.TemporaryDirectory() as cache_dir:
        started = time.perf_counter()
        source = open_dataset(dataset, data_dir)
        opened = time.perf_counter()
        store = prepare(source, cache_dir, size)
        prepared = time.perf_counter()
        images = sum(len(source.examples(split)) for split in ("train", "val"))
        seconds = prepared - opened
        bytes_used = sum(path.stat().st_size for path in pathlib.Path(store.path).rglob("*"))
        print(f"{title}, {images} images to {size} px {store.encoding}; load {os.getloadavg()[0]:.1f}")
        print(f"  list files {opened - started:.2f} s, prepare {seconds:.1f} s = {images / seconds:.0f} images/s")
        print(f"  {bytes_used / 1e6:.0f} MB on disk, {bytes_used / images / 1e3:.1f} kB an image")
        started = time.perf_counter()
        Store.open(store.path)
        opened = time.perf_counter()
        find(source, cache_dir, size)
        found = time.perf_counter()
        Store.open(store.path, verify=True)
        print(f"  open {1e3 * (opened - started):.0f} ms, find {1e3 * (found - opened):.0f} ms", end=", ")
        print(f"open with verify=True {time.perf_counter() - found:.1f} s")
        half = store.select("train", range(0, len(store.class_names), 2))
        read = half.read if store.encoding == "raw" else half.read_encoded
        rng = np.random.default_rng(0)
        started = time.perf_counter()
        for _ in range(50):
            read(rng.integers(0, len(half), 128))
        print(f"  read {50 * 128 / (time.perf_counter() - started):.0f} images/s in random batches of 128", end=", ")
        started = time.perf_counter()
        mean_image(half)
        print(f"mean of {len(half)} images {time.perf_counter() - started:.2f} s")


def main() -> None:
    """Measures both encodings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny_imagenet", help="folder of the unpacked archive")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, small = pathlib.Path(folder, "photos"), pathlib.Path(folder, "small")
        if arguments.tiny_imagenet:
            kind, where = "tiny_imagenet", arguments.tiny_imagenet
        else:
            kind, where = "folder", str(small)
            draw_photos(small, 10_000, 64, 64)
        for size in (36, 64):
            measure("64-pixel images", kind, where, size)
        draw_photos(photos, 2_000, *PHOTO)
        measure(f"{PHOTO[1]} x {PHOTO[0]} photographs", "folder", str(photos), 256)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"Most memory of this process: {most:.0f} MB, mapped images included; of a worker: {worker:.0f} MB")


if __name__ == "__main__":
    main()
