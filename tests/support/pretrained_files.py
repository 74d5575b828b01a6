"""Files of weights with their descriptions, as someone else may send them; without TensorFlow."""

import json

import h5py
import numpy as np
import safetensors.numpy

from tftransfer.pretrained import description, files
from tftransfer.pretrained.description import Array, Description

LAYERS = {"conv1": [(3, 3, 3, 8), (8,)], "fc\u0142 \U0001f980": [(5, 4), (4,)]}
"""Shapes by layer; a name may hold emoji."""


def arrays():
    rng = np.random.default_rng(0)
    return {
        f"layers/{layer}/vars/{number}": rng.normal(size=shape).astype("float32")
        for layer, shapes in LAYERS.items()
        for number, shape in enumerate(shapes)
    }


def write_arrays(path, content):
    """Writes arrays as the library of each kind does."""
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in content.items():
                file.create_dataset(name, data=array)
    else:
        safetensors.numpy.save_file(content, path)


def describe(path, **changed):
    """Writes the description that belongs to a file of `LAYERS`, with some fields changed, whatever they say."""
    layers = {
        layer: [Array(f"layers/{layer}/vars/{number}", shape, "float32") for number, shape in enumerate(shapes)]
        for layer, shapes in LAYERS.items()
    }
    told = Description(
        model="AlexNet", architecture=None, image_size=32, classes=4, trained_on=("a", "b", "c", "d"),
        pixel_scale=1 / 64, layers=layers, unused=(), sha256=files.digest(path), bytes=path.stat().st_size,
        provenance="a test",
    )  # fmt: skip
    told.write(path)
    content = json.loads(description.beside(path).read_text()) | changed
    description.beside(path).write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def make(folder, suffix, content=None):
    """Returns a good file, or one with other content, and its description beside it."""
    path = folder / f"base{suffix}"
    write_arrays(path, arrays() if content is None else content)
    describe(path)
    return path
