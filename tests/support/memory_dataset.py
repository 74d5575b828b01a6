"""A small data set in memory, and what a store of it holds."""

import dataclasses
import io
import pathlib

import numpy as np
from PIL import Image

from tftransfer.data.datasets import Dataset, EncodedExample, Examples
from tftransfer.data.datasets.dataset import Digest
from tftransfer.data.decode import decode
from tftransfer.data.shards import SHARD_EXAMPLES
from tftransfer.data.store import Store

TRAIN, VAL, CLASSES = 2 * SHARD_EXAMPLES + 88, 30, 3


def png(index: int) -> bytes:
    image = np.full((8, 8, 3), index % 256, np.uint8)
    image[:4, :, 0] = index // 256 * 100
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(index: int) -> np.ndarray:
    return decode(png(index))


def memory_dataset(change=lambda example: example, **fields) -> Dataset:
    """Returns a data set of three classes in turns, in memory; `change` may replace an example."""

    def examples(subset: str, count: int) -> Examples:
        made = [change(EncodedExample(index % CLASSES, f"{subset}/{index:04d}", png(index))) for index in range(count)]
        return Examples(count, lambda start, stop: iter(made[start:stop]))

    return Dataset(
        **{
            "name": "memory",
            "class_names": ("a", "b", "c"),
            "class_kinds": (None,) * CLASSES,
            "native_size": 8,
            "identity": Digest("memory").hexdigest(),
            "subsets": {"train": examples("train", TRAIN), "val": examples("val", VAL)},
        }
        | fields
    )


def break_some(example):
    number = int(example.key[-4:])
    return dataclasses.replace(example, encoded=example.encoded[:30]) if number % 50 == 7 else example


def contents_of(store: Store) -> dict[str, bytes]:
    root = pathlib.Path(store.path)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
