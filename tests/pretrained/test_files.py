"""Files of weights that are broken, wrong, or made to do harm."""

import io
import json
import os
import pathlib
import pickle
import resource
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

import pretrained_files
from tftransfer.pretrained import description, files, hdf5, safetensors

KINDS = (".weights.h5", ".safetensors")
H5 = ".weights.h5"


def fitting():
    return {layer: [(shape, "float32") for shape in shapes] for layer, shapes in pretrained_files.LAYERS.items()}


@pytest.fixture(params=KINDS)
def good(request, tmp_path):
    return pretrained_files.make(tmp_path, request.param)


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


def test_good_files_of_both_kinds_give_the_same_weights(good):
    told = files.opened(good)
    files.check_fits(good, told, fitting(), head=())
    found = files.arrays(good, told, list(pretrained_files.LAYERS))
    for layer, of in found.items():
        for number, array in enumerate(of):
            np.testing.assert_array_equal(array, pretrained_files.arrays()[f"layers/{layer}/vars/{number}"])


@pytest.mark.parametrize("moment", ["before it is read", "while it is read"])
def test_a_file_that_is_exchanged_after_the_check_is_not_used(good, tmp_path, monkeypatch, moment):
    """Its bytes are read once: those that are used are those that are checked, whatever lies there by then."""
    told = files.opened(good)
    content = pretrained_files.arrays()
    content["layers/conv1/vars/1"] += 1
    other = tmp_path / f"other{''.join(good.suffixes)}"
    pretrained_files.write_arrays(other, content)
    assert other.stat().st_size == good.stat().st_size
    if moment == "before it is read":
        os.replace(other, good)
        with pytest.raises(ValueError, match="was changed after it had been checked"):
            files.arrays(good, told, list(pretrained_files.LAYERS))
        return
    check = files.check_listing

    def exchange(*arguments):
        check(*arguments)
        os.replace(other, good)

    monkeypatch.setattr(files, "check_listing", exchange)
    found = files.arrays(good, told, ["conv1"])
    np.testing.assert_array_equal(found["conv1"][1], pretrained_files.arrays()["layers/conv1/vars/1"])


@pytest.mark.parametrize("become", ["longer", "gone", "a pipe"])
def test_a_file_that_becomes_something_else_after_the_check_is_not_used(good, become):
    told = files.opened(good)
    if become == "longer":
        good.write_bytes(good.read_bytes() + b"x")
    else:
        good.unlink()
        if become == "a pipe":
            os.mkfifo(good)
    with pytest.raises(ValueError, match=r"was changed after|Cannot read|no regular file"):
        files.arrays(good, told, list(pretrained_files.LAYERS))


def test_a_link_to_a_file_is_followed(good, tmp_path):
    """As in the caches of model hubs, where names are links to content."""
    link = tmp_path / f"link{good.name[4:]}"
    link.symlink_to(good)
    description.beside(link).symlink_to(description.beside(good))
    assert files.opened(link) == files.opened(good)


def test_a_link_to_nothing_or_to_a_device_is_refused(tmp_path):
    path = pretrained_files.make(tmp_path, ".safetensors")
    for target, message in (("nowhere", "No such file"), ("/dev/zero", "no regular file"), (path.name, "Cannot read")):
        path.unlink()
        path.symlink_to(target)
        refused(path, message)


def test_what_does_not_belong_to_the_description_is_refused(good):
    whole = good.read_bytes()
    good.write_bytes(whole[:-1])
    refused(good, "bytes here")
    for place in (0, len(whole) // 2, len(whole) - 1):
        good.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(good, "or is damaged: SHA-256")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_with_a_description_of_its_own_is_refused(good, keep):
    good.write_bytes(good.read_bytes()[:keep])
    if keep == 0:
        description.beside(good).write_text(
            json.dumps(json.loads(description.beside(good).read_text()) | {"bytes": 1, "sha256": files.digest(good)})
        )
        refused(good, "cannot be used|bytes here")
        return
    fields = {"layers": {"conv1": [{"name": "x", "shape": [1], "dtype": "float32"}]}, "bytes": good.stat().st_size}
    content = json.loads(description.beside(good).read_text()) | fields | {"sha256": files.digest(good)}
    description.beside(good).write_text(json.dumps(content))
    refused(good, "that can be used|cannot be used")


def changed(**changes):
    content = pretrained_files.arrays()
    for name, array in changes.items():
        content[f"layers/conv1/vars/{name[1:]}"] = array
    return content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(_0=np.zeros((3, 3, 3, 9), "float32")), r"float32 \[3, 3, 3, 9\] in the file, float32 \[3, 3, 3, 8\]"),
        (changed(_0=np.zeros((3, 3, 3, 8), "float64")), r"(F64|float64) \[3, 3, 3, 8\] in the file"),
        (changed(_1=np.zeros(8, "float16")), r"(F16|float16) \[8\] in the file"),
        (changed(_1=np.zeros(8, "int32")), r"int32 \[8\] in the file"),
        (changed(_2=np.zeros(8, "float32")), "vars/2. is not described"),
        ({k: v for k, v in changed().items() if not k.endswith("conv1/vars/1")}, "vars/1. is missing"),
    ],
    ids=["shape", "float64", "float16", "int32", "extra", "missing"],
)
def test_what_the_description_does_not_say_is_refused(tmp_path, kind, content, message):
    path = tmp_path / f"base{kind}"
    pretrained_files.write_arrays(path, content)
    pretrained_files.describe(path)
    refused(path, message)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(tmp_path, number):
    for kind in KINDS:
        content = pretrained_files.arrays()
        content["layers/conv1/vars/0"][1, 1, 1, 1] = number
        path = pretrained_files.make(tmp_path, kind, content)
        with pytest.raises(ValueError, match='1 weights of "conv1" are NaN or infinite'):
            files.arrays(path, files.opened(path), list(pretrained_files.LAYERS))


def test_another_network_is_refused_with_both_sides_by_layer(good):
    told = files.opened(good)
    other = fitting() | {"conv1": [((3, 3, 3, 16), "float32"), ((16,), "float32")], "conv2": [((9,), "float32")]}
    with pytest.raises(ValueError, match="another network") as error:
        files.check_fits(good, told, other, head=())
    text = str(error.value)
    assert '"conv1": float32 [3, 3, 3, 8], float32 [8] in the file, float32 [3, 3, 3, 16], float32 [16] here' in text
    assert '"conv2": no such layer in the file, float32 [9] here' in text
    body = {"conv1": fitting()["conv1"]}
    with pytest.raises(ValueError, match="no such layer here"):
        files.check_fits(good, told, body, head=())
    files.check_fits(good, told, body, head=set(fitting()) - {"conv1"})


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
        _describe_anything(path, layers)
        refused(path, "that can be used")
    assert not (tmp_path / "harmed").exists()


def _describe_anything(path, layers, **more):
    content = {
        "format": 1, "model": "AlexNet", "architecture": None, "image_size": 32, "classes": 2, "trained_on": None,
        "pixel_scale": 1.0, "layers": layers, "unused": [], "sha256": files.digest(path),
        "bytes": path.stat().st_size, "provenance": "x",
    }  # fmt: skip
    description.beside(path).write_text(json.dumps(content | more))


def _good_h5(path):
    pretrained_files.write_arrays(path, pretrained_files.arrays())
    return h5py.File(path, "a")


def _external_link(file, folder):
    (folder / "secret.h5").write_bytes(b"")
    pretrained_files.write_arrays(folder / "secret.h5", {"x": np.zeros((8,), "float32")})
    del file["layers/conv1/vars/1"]
    file["layers/conv1/vars/1"] = h5py.ExternalLink(str(folder / "secret.h5"), "x")


def _external_group(file, folder):
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file, folder):
    del file["layers/conv1/vars/1"]
    file["layers/conv1/vars/1"] = h5py.SoftLink("/layers/fc/vars/1")


def _external_storage(file, folder):
    (folder / "secret.raw").write_bytes(bytes(32))
    del file["layers/conv1/vars/1"]
    file.create_dataset("layers/conv1/vars/1", (8,), "float32", external=[(str(folder / "secret.raw"), 0, 32)])


def _virtual(file, folder):
    pretrained_files.write_arrays(folder / "secret.h5", {"x": np.zeros((8,), "float32")})
    del file["layers/conv1/vars/1"]
    layout = h5py.VirtualLayout((8,), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (8,))
    file.create_virtual_dataset("layers/conv1/vars/1", layout)


def _enormous_chunks(file, folder):
    del file["layers/conv1/vars/1"]
    file.create_dataset("layers/conv1/vars/1", (2**50,), "float32", chunks=(2**20,), compression="gzip")


def _packed(file, folder):
    del file["layers/conv1/vars/1"]
    file.create_dataset("layers/conv1/vars/1", data=np.zeros(8, "float32"), compression="gzip")


def _never_written(file, folder):
    del file["layers/conv1/vars/1"]
    file.create_dataset("layers/conv1/vars/1", (2**50,), "float32")


def _circle(file, folder):
    file["layers/conv1/again"] = file["layers"]


def _twice(file, folder):
    file["layers/conv1/vars/2"] = file["layers/conv1/vars/1"]


def _filtered(file, folder):
    del file["layers/conv1/vars/1"]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((8,))
    made.set_filter(32_000, h5py.h5z.FLAG_OPTIONAL, ())  # a filter of the maker's own, which HDF5 would look for
    group = file["layers/conv1/vars"].id
    h5py.h5d.create(group, b"1", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((8,)), made)


def _compact(file, folder):
    del file["layers/conv1/vars/1"]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_layout(h5py.h5d.COMPACT)
    group = file["layers/conv1/vars"].id
    h5py.h5d.create(group, b"1", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((8,)), made)


def _many_links(file, folder):
    for number in range(hdf5._MOST_ENTRIES + 1):
        file[f"layers/conv1/{number}"] = file["layers/conv1/vars/1"]


def _deep_groups(file, folder):
    file.create_group("/".join("g" * 40))


def _named_type(file, folder):
    file["layers/type"] = np.dtype("float32")


def _objects(file, folder):
    del file["layers/conv1/vars/1"]
    file.create_dataset("layers/conv1/vars/1", (8,), h5py.string_dtype())


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_external_link, "is a link"),
        (_external_group, "is a link"),
        (_soft_link, "is a link"),
        (_external_storage, "lies in another file"),
        (_virtual, "lies in another file"),
        (_enormous_chunks, "packed or in pieces"),
        (_packed, "packed or in pieces"),
        (_never_written, "of which the file does not hold all"),
        (_circle, "leads in circles"),
        (_twice, "is another name of what the file holds already"),
        (_filtered, "packed or in pieces"),
        (_compact, "packed or in pieces"),
        (_many_links, "more than 20,000 entries"),
        (_deep_groups, "more than 32 groups in groups"),
        (_named_type, "neither a group nor an array"),
        (_objects, "does not hold|object"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_harmful_hdf5(tmp_path, harm, message):
    path = tmp_path / "base.weights.h5"
    with _good_h5(path) as file:
        harm(file, tmp_path)
    pretrained_files.describe(path)
    refused(path, message)


def test_entries_are_counted_before_any_is_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "base.weights.h5"
    with _good_h5(path) as file:
        _many_links(file, tmp_path)

    def look(*_):
        raise AssertionError

    monkeypatch.setattr(h5py.Group, "get", look)
    with h5py.File(path) as file, pytest.raises(ValueError, match="more than 20,000 entries"):
        list(hdf5._datasets(file["layers/conv1"]))


@pytest.mark.parametrize("shift", [0, 4, -4])
def test_arrays_that_share_bytes_are_refused(tmp_path, shift):
    path = tmp_path / "base.weights.h5"
    with _good_h5(path) as file:
        file["layers/conv1/vars/2"] = np.ones(8, "float32")
        first, second = (file[f"layers/conv1/vars/{number}"].id.get_offset() for number in (1, 2))
    content = path.read_bytes()
    place = struct.pack("<QQ", second, 32)  # offset and size, as the header of the array has them
    assert content.count(place) == 1
    path.write_bytes(content.replace(place, struct.pack("<QQ", first + shift, 32)))
    pretrained_files.describe(path)
    refused(path, "share bytes of the file")


@pytest.mark.parametrize("offset", [2**64 - 16, 2**63, 2**40])
def test_arrays_outside_of_the_file_are_refused(tmp_path, offset):
    path = tmp_path / "base.weights.h5"
    with _good_h5(path) as file:
        place = struct.pack("<QQ", file["layers/conv1/vars/1"].id.get_offset(), 32)
    content = path.read_bytes()
    path.write_bytes(content.replace(place, struct.pack("<QQ", offset, 32)))
    pretrained_files.describe(path)
    refused(path, "that can be used")


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
    _describe_anything(path, {"conv1": [{"name": "x", "shape": [1], "dtype": "float32"}]})
    monkeypatch.setattr(safetensors.safetensors, "safe_open", None)
    monkeypatch.setattr(safetensors.safetensors, "deserialize", None)
    for content in (None, path.read_bytes()):
        with pytest.raises(ValueError, match=message):
            files.listing(path, content)


def test_a_named_pipe_and_a_folder_are_refused(good):
    good.unlink()
    os.mkfifo(good)
    refused(good, "no regular file")
    good.unlink()
    good.mkdir()
    refused(good, "no regular file")
