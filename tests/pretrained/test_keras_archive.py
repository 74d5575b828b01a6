"""Weights inside `.keras` files, good ones and such as are made to do harm."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from tftransfer.pretrained import files, keras_archive


def weights(names=("layers/conv/vars/0",)):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for number, name in enumerate(names):
            file[name] = np.full(3, number, "float32")
    return buffer.getvalue()


def write(path, content, packing=zipfile.ZIP_STORED, names=("model.weights.h5",)):
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("config.json", '{"module": "os", "class_name": "system", "config": "touch harmed"}')
        for name in names:
            archive.writestr(name, content)
    return path


def test_arrays_are_read_from_a_path_and_from_bytes(tmp_path):
    path = write(tmp_path / "net.keras", weights(("a/b", "c")))
    for origin in (path, path.read_bytes()):
        assert keras_archive.listing(origin) == {"a/b": ((3,), "float32"), "c": ((3,), "float32")}
        np.testing.assert_array_equal(keras_archive.read(origin, ["c"])["c"], [1, 1, 1])
    assert files.listing(path) == keras_archive.listing(path)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (weights(), {"names": ()}, "it holds 0 files model.weights.h5"),
        (weights(), {"packing": zipfile.ZIP_DEFLATED}, "packed by another method than none, as Keras writes it"),
        (b"no weights", {}, "that can be used"),
    ],
    ids=["none", "packed", "damaged"],
)
def test_what_keras_does_not_write_is_refused(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        files.listing(write(tmp_path / "net.keras", content, **options))


def test_two_files_of_weights_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "net.keras", weights(), names=("model.weights.h5",) * 2)
    with pytest.raises(ValueError, match="it holds 2 files"):
        files.listing(path)


def test_links_out_of_the_weights_are_refused(tmp_path):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["a"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ValueError, match="is a link"):
        files.listing(write(tmp_path / "net.keras", buffer.getvalue()))


def test_an_archive_that_claims_more_than_it_holds_is_refused(tmp_path):
    path = write(tmp_path / "net.keras", weights())
    content = path.read_bytes()
    size = len(weights()).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (2**31).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"2,147,483,648 bytes; .* are read at most"):
        files.listing(path)
