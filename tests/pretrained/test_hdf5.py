"""Files of HDF5 that are made to do harm, and the layout before Keras 3."""

import struct

import h5py
import numpy as np
import pytest

import legacy_files
import pretrained_files
from tftransfer.pretrained import files, hdf5


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
    pretrained_files.refused(path, message)


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
    pretrained_files.refused(path, "share bytes of the file")


@pytest.mark.parametrize("offset", [2**64 - 16, 2**63, 2**40])
def test_arrays_outside_of_the_file_are_refused(tmp_path, offset):
    path = tmp_path / "base.weights.h5"
    with _good_h5(path) as file:
        place = struct.pack("<QQ", file["layers/conv1/vars/1"].id.get_offset(), 32)
    content = path.read_bytes()
    path.write_bytes(content.replace(place, struct.pack("<QQ", offset, 32)))
    pretrained_files.describe(path)
    pretrained_files.refused(path, "that can be used")


LEGACY = {"input_1": [], "conv_7": [np.ones((3, 3)), np.zeros(3)], "norm_9": [np.ones(3)]}


@pytest.mark.parametrize("pieces", [0, 1, 2])
@pytest.mark.parametrize("inside", ["", "model_weights"])
def test_the_layout_before_keras_3_lists_layers_and_arrays_in_order(tmp_path, inside, pieces):
    path = legacy_files.write(tmp_path / "base.h5", LEGACY, inside, pieces)
    prefix = f"{inside}/" if inside else ""
    layers = hdf5.legacy_layers(path)
    assert layers == {
        "input_1": [],
        "conv_7": [f"{prefix}conv_7/conv_7/weight_0:0", f"{prefix}conv_7/conv_7/weight_1:0"],
        "norm_9": [f"{prefix}norm_9/norm_9/weight_0:0"],
    }
    assert list(layers) == list(LEGACY)
    assert hdf5.legacy_layers(path.read_bytes()) == layers
    assert {name for names in layers.values() for name in names} == set(hdf5.listing(path))


def test_other_layouts_have_no_such_lists(tmp_path):
    path = tmp_path / "base.weights.h5"
    _good_h5(path).close()
    assert hdf5.legacy_layers(path) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([b"conv_7", b"conv_7"], "'conv_7' twice"),
        ([b"../conv_7"], "no such group"),
        ([b"conv_7/conv_7/weight_0:0"], "no such group"),
        ([7], "is no list of names"),
        (7.5, "is no list of names"),
        (np.zeros(7000, "S8"), "twice"),
    ],
    ids=str,
)
def test_damaged_lists_of_layers_are_refused(tmp_path, names, message):
    path = legacy_files.write(tmp_path / "base.h5", LEGACY)
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names"] = names
    with pytest.raises(ValueError, match=message):
        files.legacy_layers(path)


def test_long_lists_are_not_read(tmp_path, monkeypatch):
    path = legacy_files.write(tmp_path / "base.h5", LEGACY)
    monkeypatch.setattr(hdf5, "_MOST_ENTRIES", 2)
    with pytest.raises(ValueError, match="layer_names has more than 2 entries"):
        hdf5.legacy_layers(path)
