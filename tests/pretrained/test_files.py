"""Files of weights that are broken, or do not belong to their description or network."""

import json
import os

import numpy as np
import pytest

import pretrained_files
from tftransfer.pretrained import description, files

KINDS = (".weights.h5", ".safetensors")


H5 = ".weights.h5"


def fitting():
    return {layer: [(shape, "float32") for shape in shapes] for layer, shapes in pretrained_files.LAYERS.items()}


@pytest.fixture(params=KINDS)
def good(request, tmp_path):
    return pretrained_files.make(tmp_path, request.param)


def test_good_files_of_both_kinds_give_the_same_weights(good):
    described = files.opened(good)
    files.check_fits(good, described, fitting(), head=())
    weights = files.arrays(good, described, list(pretrained_files.LAYERS))
    for layer, of in weights.items():
        for number, array in enumerate(of):
            np.testing.assert_array_equal(array, pretrained_files.arrays()[f"layers/{layer}/vars/{number}"])


@pytest.mark.parametrize("moment", ["before it is read", "while it is read"])
def test_a_file_that_is_exchanged_after_the_check_is_not_used(good, tmp_path, monkeypatch, moment):
    """Its bytes are read once: those that are used are those that are checked, whatever lies there by then."""
    described = files.opened(good)
    content = pretrained_files.arrays()
    content["layers/conv1/vars/1"] += 1
    other = tmp_path / f"other{''.join(good.suffixes)}"
    pretrained_files.write_arrays(other, content)
    assert other.stat().st_size == good.stat().st_size
    if moment == "before it is read":
        os.replace(other, good)
        with pytest.raises(ValueError, match="was changed after it had been checked"):
            files.arrays(good, described, list(pretrained_files.LAYERS))
        return
    check = files.check_listing

    def exchange(*arguments):
        check(*arguments)
        os.replace(other, good)

    monkeypatch.setattr(files, "check_listing", exchange)
    weights = files.arrays(good, described, ["conv1"])
    np.testing.assert_array_equal(weights["conv1"][1], pretrained_files.arrays()["layers/conv1/vars/1"])


@pytest.mark.parametrize("become", ["longer", "gone", "a pipe"])
def test_a_file_that_becomes_something_else_after_the_check_is_not_used(good, become):
    described = files.opened(good)
    if become == "longer":
        good.write_bytes(good.read_bytes() + b"x")
    else:
        good.unlink()
        if become == "a pipe":
            os.mkfifo(good)
    with pytest.raises(ValueError, match=r"was changed after|Cannot read|no regular file"):
        files.arrays(good, described, list(pretrained_files.LAYERS))


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
        pretrained_files.refused(path, message)


def test_what_does_not_belong_to_the_description_is_refused(good):
    whole = good.read_bytes()
    good.write_bytes(whole[:-1])
    pretrained_files.refused(good, "bytes here")
    for place in (0, len(whole) // 2, len(whole) - 1):
        good.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        pretrained_files.refused(good, "or is damaged: SHA-256")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_with_a_description_of_its_own_is_refused(good, keep):
    good.write_bytes(good.read_bytes()[:keep])
    if keep == 0:
        description.beside(good).write_text(
            json.dumps(json.loads(description.beside(good).read_text()) | {"bytes": 1, "sha256": files.digest(good)})
        )
        pretrained_files.refused(good, "cannot be used|bytes here")
        return
    fields = {"layers": {"conv1": [{"name": "x", "shape": [1], "dtype": "float32"}]}, "bytes": good.stat().st_size}
    content = json.loads(description.beside(good).read_text()) | fields | {"sha256": files.digest(good)}
    description.beside(good).write_text(json.dumps(content))
    pretrained_files.refused(good, "that can be used|cannot be used")


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
    pretrained_files.refused(path, message)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(tmp_path, number):
    for kind in KINDS:
        content = pretrained_files.arrays()
        content["layers/conv1/vars/0"][1, 1, 1, 1] = number
        path = pretrained_files.make(tmp_path, kind, content)
        with pytest.raises(ValueError, match='1 weights of "conv1" are NaN or infinite'):
            files.arrays(path, files.opened(path), list(pretrained_files.LAYERS))


def test_another_network_is_refused_with_both_sides_by_layer(good):
    described = files.opened(good)
    other = fitting() | {"conv1": [((3, 3, 3, 16), "float32"), ((16,), "float32")], "conv2": [((9,), "float32")]}
    with pytest.raises(ValueError, match="another network") as error:
        files.check_fits(good, described, other, head=())
    text = str(error.value)
    assert '"conv1": float32 [3, 3, 3, 8], float32 [8] in the file, float32 [3, 3, 3, 16], float32 [16] here' in text
    assert '"conv2": no such layer in the file, float32 [9] here' in text
    body = {"conv1": fitting()["conv1"]}
    with pytest.raises(ValueError, match="no such layer here"):
        files.check_fits(good, described, body, head=())
    files.check_fits(good, described, body, head=set(fitting()) - {"conv1"})


def test_a_named_pipe_and_a_folder_are_refused(good):
    good.unlink()
    os.mkfifo(good)
    pretrained_files.refused(good, "no regular file")
    good.unlink()
    good.mkdir()
    pretrained_files.refused(good, "no regular file")
