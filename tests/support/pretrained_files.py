"""Files of weights with their descriptions, as someone else may send them; without TensorFlow."""

import json
import resource
import tracemalloc

import h5py
import numpy as np
import pytest
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


def describe_anything(path, layers, **more):
    """Writes a description that fits the bytes of a file, whatever they are."""
    content = {
        "format": 1, "model": "AlexNet", "architecture": None, "image_size": 32, "classes": 2, "trained_on": None,
        "pixel_scale": 1.0, "layers": layers, "unused": [], "sha256": files.digest(path),
        "bytes": path.stat().st_size, "provenance": "x",
    }  # fmt: skip
    description.beside(path).write_text(json.dumps(content | more))


def refused(path, message):
    """Asserts that a file is refused in one line, without much memory, and that nothing is written."""
    before = sorted(path.parent.rglob("*"))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as error:
            files.opened(path)
        allocated = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert allocated < 2**24
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 2**17, "KiB"
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 1500
    assert sorted(path.parent.rglob("*")) == before
