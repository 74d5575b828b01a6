"""Archives that are broken, or made to fill the memory."""

import io
import json
import os
import struct
import tracemalloc
import zipfile

import pytest

from tftransfer.models import archive
from tftransfer.system import untrusted_files

GOOD = {"class_name": "Functional", "config": {"layers": []}}
GOOD_TEXT = json.dumps(GOOD)


def write(path, content=GOOD_TEXT, name="config.json", packing=zipfile.ZIP_DEFLATED, more=()):
    with zipfile.ZipFile(path, "w", packing) as made:
        for entry, text in ((name, content), *more):
            made.writestr(entry, text)
    return path


def refused(path, message):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            archive.configuration(path)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.keras"


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_keras_writes_is_read(path, packing):
    more = [("metadata.json", "{}"), ("model.weights.h5", bytes(3_000_000))]
    assert archive.configuration(write(path, packing=packing, more=more)) == GOOD
    with path.open("rb") as file:
        assert archive._Limited(file, 10).read(4) == b"PK\x03\x04"


def test_numbers_that_keras_writes_for_infinity_are_read(path):
    assert archive.configuration(write(path, '{"a": Infinity}')) == {"a": float("inf")}


def test_bombs_are_refused_by_what_the_archive_says_of_them(path):
    refused(write(path, " " * 30_000_000), "has 30,000,000 bytes; 20,000,000 are read at most")
    refused(write(path, json.dumps("a" * 1_000_000)), "has 1,000,002 bytes packed into 1,0.. bytes|shrink by less")
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        refused(write(path, packing=packing), "another method than deflate")


def test_an_archive_that_lies_about_a_size_gives_no_more_than_it_said(path):
    write(path, '{"a": "' + "ab" * 5_000 + '"}', packing=zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    size = struct.pack("<I", 10_009)
    assert whole.count(size) == 2, "before the content, and in the list of files"
    path.write_bytes(whole.replace(size, struct.pack("<I", 100)))
    refused(path, "CRC")


def test_two_descriptions_or_none_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        write(path, more=[("config.json", "{}")])
    refused(path, "holds 2 files config.json; expected one")
    refused(write(path, name="other.json"), "holds 0 files config.json")


def test_a_list_of_a_million_files_is_not_read(path):
    write(path, more=[(f"assets/{number:050}", "") for number in range(12_000)])
    refused(path, "list of files has more than 1,048,576 bytes")


def test_encrypted_and_broken_archives_are_refused(path):
    whole = write(path).read_bytes()
    central = whole.rindex(b"PK\x01\x02")
    encrypted = bytearray(whole)
    encrypted[central + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "encrypted")
    for broken in (b"", b"PK", whole[:-30], whole[:40] + b"\xff" * 5 + whole[45:], io.BytesIO(b"x" * 100).read()):
        path.write_bytes(broken)
        refused(path, ".")


def test_pipes_and_folders_are_refused(path):
    os.mkfifo(path)
    refused(path, "no regular file")
    path.unlink()
    path.mkdir()
    refused(path, "no regular file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 101 + "]" * 101, "100 levels"), ("[" * 100_000 + "]" * 100_000, "100 levels|shrink by less"),
        ("{", "Expecting"), ('{"a": 1, "a": 2}', "twice"),
        ("[" + "[]," * untrusted_files._MOST_CONTAINERS + "1]", "lists and objects|shrink by less"),
    ],
    ids=["deep", "very deep", "broken", "twice", "many"],
)  # fmt: skip
def test_json_is_read_to_a_limit(path, text, message):
    refused(write(path, text, packing=zipfile.ZIP_STORED), message)
