"""Files `.safetensors` that are made to do harm."""

import io
import json
import pathlib
import pickle
import struct
import zipfile

import pytest

import pretrained_files
from tftransfer.pretrained import files, safetensors


def _header(entries, data=b""):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def _pickle():
    class Harm:
        def __reduce__(self):
            return pathlib.Path.touch, (pathlib.Path("harmed"),)

    return pickle.dumps(Harm())


def _zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conv1", bytes(2**27))
    return buffer.getvalue()


SAFE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        _header({"x": SAFE | {"shape": [10**13 // 4], "data_offsets": [0, 10**13]}}, bytes(1000)),
        _header({"x": SAFE | {"shape": [2**62, 2**62]}}, bytes(4)),
        _header({"x": SAFE | {"data_offsets": [4, 0]}}, bytes(4)),
        _header({"x": SAFE | {"data_offsets": [-4, 4]}}, bytes(8)),
        _header({"x": SAFE, "y": SAFE}, bytes(4)),
        _header({"x": SAFE}, bytes(8)),
        _header({"x": SAFE | {"dtype": "O"}}, bytes(4)),
        _header([1], bytes(4)),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**13) + b"{}",
        _pickle(),
        _zip_bomb(),
    ],
    ids=[
        "10 TB", "product overflows", "backwards", "negative", "overlap", "bytes left over", "objects", "list",
        "header of 2**63", "header of 10 TB", "pickle", "zip bomb",
    ],
)  # fmt: skip
def test_harmful_files_that_are_no_safetensors(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    for name in ("base.safetensors", "base.weights.h5"):
        path = tmp_path / name
        path.write_bytes(content)
        layers = {"conv1": [{"name": "x", "shape": [1], "dtype": "float32"}]}
        pretrained_files.describe_anything(path, layers)
        pretrained_files.refused(path, "that can be used")
    assert not (tmp_path / "harmed").exists()


def _empty_entries(count):
    entries = ",".join(f'"{number}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for number in range(count))
    return f"{{{entries}}}".encode()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (_empty_entries(20_001), "its header has 20,002 entries; 20,000 are read at most"),
        (b'{"x":"' + b" " * 8_000_000 + b'"}', "its header has 8,000,008 bytes; 8,000,000 are read at most"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "nested more than 100 levels"),
        (_empty_entries(1)[:-1] + b"," + _empty_entries(1)[1:], "names '0' twice"),
        (b'{"\xff":1}', "no text"),
    ],
    ids=["many", "long", "deep", "twice", "no text"],
)
def test_headers_of_safetensors_are_read_to_a_limit(tmp_path, monkeypatch, header, message):
    """Before the library, which takes 2 GB and half a minute for two million empty arrays, sees them."""
    path = tmp_path / "base.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    pretrained_files.describe_anything(path, {"conv1": [{"name": "x", "shape": [1], "dtype": "float32"}]})
    monkeypatch.setattr(safetensors.safetensors, "safe_open", None)
    monkeypatch.setattr(safetensors.safetensors, "deserialize", None)
    for content in (None, path.read_bytes()):
        with pytest.raises(ValueError, match=message):
            files.listing(path, content)
