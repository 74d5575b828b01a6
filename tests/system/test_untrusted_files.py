import os

import pytest

from tftransfer.system import untrusted_files


def test_what_is_small_and_plain_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, -2.5, null, true, "\\u00e4"], "b": {}}')
    assert untrusted_files.read_json(path) == {"a": [1, -2.5, None, True, "ä"], "b": {}}
    (tmp_path / "link").symlink_to(path)
    assert untrusted_files.content(tmp_path / "link") == path.read_bytes()
    with pytest.raises(FileNotFoundError):
        untrusted_files.content(tmp_path / "nothing")


@pytest.mark.parametrize("size", [0, 1, 7, 8])
def test_no_more_is_read_than_allowed(tmp_path, size):
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    assert untrusted_files.content(path, size) == b"x" * size
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=f"it has {size + 1} bytes; {size} are read at most"):
        untrusted_files.content(path, size)


def test_a_file_that_tells_no_size_is_read_to_the_limit():
    assert untrusted_files.content("/proc/self/status").startswith(b"Name:")
    with pytest.raises(ValueError, match="more than 10 bytes"):
        untrusted_files.content("/proc/self/status", 10)


def test_pipes_devices_and_folders_are_refused_though_somebody_writes_into_them(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    keeper = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(keeper, b"{}")
    for path, reason in ((tmp_path / "pipe", "a pipe"), ("/dev/zero", "device"), (tmp_path, "a folder")):
        with pytest.raises(ValueError, match=reason):
            untrusted_files.content(path)
    os.close(keeper)


def test_a_pipe_that_takes_the_place_of_a_file_after_it_was_looked_at_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    os.mkfifo(tmp_path / "pipe")
    found = os.stat(tmp_path / "a")
    monkeypatch.setattr(untrusted_files.os, "stat", lambda path: found)
    with pytest.raises(ValueError, match="a pipe"):
        untrusted_files.content(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"), ("", "Expecting value"), ("{} {}", "Extra data"),
        ('{"a": 1, "a": 1}', "names 'a' twice"), ('[{"b": {"x\\n": 1, "x\\n": 2}}]', r"'x\\n' twice"),
        ("[NaN]", "holds nan"), ("-Infinity", "holds -inf"), ("1e999", "holds inf"), (str(2**63), "no number"),
        ("1" * 5000, "digits"), ("[" * 101 + "]" * 101, "100 levels"), ("[" * 10**6, "100 levels"),
        ('{"a":' * 101 + "1" + "}" * 101, "100 levels"), ("[" + "[]," * 10**6 + "1]", "lists and objects"),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_json_that_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        untrusted_files.parsed(text.encode())


def test_the_deepest_json_and_the_largest_numbers_that_are_read():
    assert untrusted_files.parsed(b"[" * 100 + b"1" + b"]" * 100)
    assert untrusted_files.parsed(str([2**63 - 1, -(2**63) + 1]).encode()) == [2**63 - 1, -(2**63) + 1]
    assert untrusted_files.parsed(b"[Infinity]", infinite=True) == [float("inf")]


def test_links_that_lead_out_of_a_folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "outside").touch()
    (tmp_path / "in" / "out").symlink_to("../outside")
    (tmp_path / "in" / "around").symlink_to("deep")
    (tmp_path / "linked").symlink_to("in")
    assert not untrusted_files.inside(tmp_path / "in" / "out", tmp_path / "in")
    assert not untrusted_files.inside(tmp_path / "in" / ".." / "outside", tmp_path / "in")
    assert untrusted_files.inside(tmp_path / "in" / "around" / "x", tmp_path / "in")
    assert untrusted_files.inside(tmp_path / "linked" / "x", tmp_path / "in"), "the folder itself may be linked"
