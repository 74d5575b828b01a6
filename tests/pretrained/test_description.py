import dataclasses
import json
import os
import re

import pytest

import pretrained_files
from tftransfer.models.preprocessing import Preprocessing
from tftransfer.pretrained import description


@pytest.fixture
def path(tmp_path):
    return pretrained_files.make(tmp_path, ".safetensors")


def test_a_description_can_be_read_back(path):
    described = description.read(path)
    before = description.beside(path).read_text()
    described.write(path)
    assert description.read(path) == described
    assert json.loads(before) == json.loads(description.beside(path).read_text())
    assert described.layers["conv1"][0].nbytes == 3 * 3 * 3 * 8 * 4


def test_names_of_another_vocabulary_say_nothing():
    described = description.Description("AlexNet", None, 32, 2, ("tabby cat", "dog"), 1.0, {}, (), "", 1, "x")
    assert described.classes_in(("n02123045", "n02084071")) is None
    known = dataclasses.replace(described, trained_on=("n01440764", "n01443537"))
    assert known.classes_in(("n02123045", "n02084071")) == frozenset(), "ids of one vocabulary, none in common"


def test_classes_are_known_by_name():
    described = description.Description("AlexNet", None, 32, 2, ("cat", "dog"), 1.0, {}, (), "", 1, "x")
    assert described.classes_in(("horse", "dog", "dog house", "cat")) == {1, 3}
    assert described.classes_in(("Dog", "the_cat", "cow")) == {0}, "but for case, names are compared whole"
    assert description.Description("AlexNet", None, 32, 2, None, 1.0, {}, (), "", 1, "x").classes_in(("cat",)) is None


KNOWN = {"mean": [1, 2.5, 3], "scale": [1, 1, 0.5], "order": "bgr"}


def test_the_input_that_weights_know_is_read_and_written(path):
    pretrained_files.describe(path, pixel_scale=None, preprocessing=KNOWN, classes=None, trained_on=None)
    described = description.read(path)
    assert described.preprocessing == Preprocessing((1, 2.5, 3), (1, 1, 0.5), "bgr")
    assert described.input == "bgr:1,2.5,3:1,1,0.5"
    assert described.classes is None
    described.write(path)
    assert description.read(path) == described


def test_format_1_is_read_as_before(path):
    described = description.read(path)
    pretrained_files.describe(path, format=1, preprocessing=...)
    assert json.loads(description.beside(path).read_text())["format"] == 1
    assert description.read(path) == described
    assert (described.pixel_scale, described.preprocessing, described.input) == (1 / 64, None, "pixels")


def array(**changed):
    return {"conv1": [{"name": "x", "shape": [2], "dtype": "float32"} | changed]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 3}, "the number 1 or 2"),
        ({"format": True}, "the number 1 or 2"),
        ({"format": ...}, "missing: format"),
        ({"extra": 1}, "unknown.*extra"),
        ({"model": 7}, "model"),
        ({"model": " "}, "model"),
        ({"architecture": "f" * 63}, "hexadecimal"),
        ({"image_size": 32.0}, "32 to 1024"),
        ({"image_size": 10**9}, "32 to 1024"),
        ({"classes": "4"}, "whole number"),
        ({"classes": 10**12}, "whole number"),
        ({"classes": 5}, "trained_on names 4 classes, classes says 5"),
        ({"trained_on": "abcd"}, "null or a list"),
        ({"trained_on": ["a", "a", "b", "c"]}, "different"),
        ({"trained_on": ["a", 1, "b", "c"]}, "different"),
        ({"pixel_scale": 0}, "above 0"),
        ({"pixel_scale": 1e7}, "above 0"),
        ({"pixel_scale": False}, "above 0"),
        ({"format": 1}, 'unknown: ."preprocessing"'),
        ({"format": 1, "preprocessing": ..., "classes": None, "trained_on": None}, "not known needs format 2"),
        ({"preprocessing": ...}, "missing: preprocessing"),
        ({"preprocessing": "torch"}, "null or .*mean"),
        ({"preprocessing": KNOWN}, "both preprocessing and pixel_scale"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"order": "gbr"}}, "null or .*mean"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"scale": [1, 1, 0]}}, "null or .*mean"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"scale": [1, 1, True]}}, "null or .*mean"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"mean": [1, 1]}}, "null or .*mean"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"mean": [1, 1, 10**400]}}, "null or .*mean|no JSON"),
        ({"pixel_scale": None, "preprocessing": KNOWN | {"more": 1}}, "null or .*mean"),
        ({"sha256": "0" * 64 + "\n"}, "64 hexadecimal"),
        ({"sha256": None}, "64 hexadecimal"),
        ({"bytes": 0}, "above 0"),
        ({"bytes": 100}, "its layers have 992 bytes, the file that it is about has 100"),
        ({"provenance": ""}, "provenance"),
        ({"provenance": "x" * 10_001}, "provenance"),
        ({"unused": ["a", "a"]}, "different names"),
        ({"unused": ["layers/conv1/vars/0"]}, "named twice"),
        ({"layers": {}}, "layers"),
        ({"layers": []}, "layers"),
        ({"layers": {"conv1": []}}, "layers"),
        ({"layers": array(name="../../etc/passwd")}, "layers"),
        ({"layers": array(name="/absolute")}, "layers"),
        ({"layers": array(name="a\0b")}, "layers"),
        ({"layers": array(name="a\x1b[2Jb")}, "layers"),
        ({"layers": array(name="\ud83e")}, "layers"),
        ({"layers": array(shape=[2.0])}, "layers"),
        ({"layers": array(shape=[-1])}, "layers"),
        ({"layers": array(shape=[0])}, "layers"),
        ({"layers": array(shape=[True])}, "layers"),
        ({"layers": array(shape=[2**40, 2**40])}, "its layers have .* bytes"),
        ({"layers": array(shape=[1] * 40)}, "layers"),
        ({"bytes": 50 * 2**30}, "53,687,091,200 bytes, its layers .*: most of it is something else"),
        ({"layers": array(dtype="object")}, "layers"),
        ({"layers": array(dtype=["float32"])}, "layers"),
        ({"layers": array(code="import os")}, "layers"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(path, changed, message):
    pretrained_files.describe(path, **changed)
    with pytest.raises(ValueError, match=f"(?s)cannot be used: .*{message}") as error:
        description.read(path)
    assert str(error.value).isprintable(), "a message must not steer the terminal"
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "\xff\xfe", "[" * 200_000, '{"format": 1' + "0" * 5000 + "}", "\0", "NaN"],
    ids=lambda text: text[:12],
)
def test_a_damaged_description_is_one_error(path, text):
    description.beside(path).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"is no JSON|is not a JSON object"):
        description.read(path)


def test_a_missing_or_endless_description_is_refused(path):
    beside = description.beside(path)
    beside.unlink()
    with pytest.raises(ValueError, match=r"base\.safetensors\.json: No such file.*tftransfer\.describe"):
        description.read(path)
    os.mkfifo(beside)
    with pytest.raises(ValueError, match="no regular file"):
        description.read(path)
    beside.unlink()
    beside.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="no regular file"):
        description.read(path)
    beside.unlink()
    with beside.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="are read at most"):
        description.read(path)


def test_what_could_not_be_read_is_not_written(path):
    described = description.read(path)
    before = description.beside(path).read_bytes()
    for changed in ({"provenance": ""}, {"classes": 5}, {"pixel_scale": float("inf")}):
        fields = {name: getattr(described, name) for name in described.__dataclass_fields__} | changed
        with pytest.raises(ValueError, match="cannot be described"):
            description.Description(**fields).write(path)
    assert description.beside(path).read_bytes() == before


@pytest.mark.parametrize(
    ("path", "message"),
    [("net.pt", r"FILE\.weights\.h5, FILE\.h5, FILE\.keras or FILE\.safetensors"), ("a\0.safetensors", "NUL"),
     ("ImageNet", r"for a file of that name: \./ImageNet\.weights\.h5")],
)  # fmt: skip
def test_other_kinds_of_files_are_refused_by_name(path, message):
    assert re.search(message, description.suffix_fault(path))
    assert description.suffix_fault("") is None
    for path in ("x/y.weights.h5", "x.h5", "x.keras", "x.safetensors", "imagenet"):
        assert description.suffix_fault(path) is None


def test_weights_are_written_in_two_kinds_only():
    for path in ("", "x.weights.h5", "x.safetensors"):
        assert description.export_fault(path) is None
    for path in ("x.h5", "x.keras", "imagenet", "a\0.safetensors"):
        assert description.export_fault(path) == "FILE.weights.h5 or FILE.safetensors"
    assert "need no description" in description.file_fault("imagenet")
    assert description.file_fault("x.keras") is None
