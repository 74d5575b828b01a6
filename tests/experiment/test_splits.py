import json
import pathlib

import pytest

from tftransfer.data.datasets import synsets
from tftransfer.experiment import splits

CHECKSUMS = json.loads((pathlib.Path(__file__).parents[1] / "support" / "split_checksums.json").read_text())
WNIDS = tuple(synsets.kinds())


@pytest.mark.parametrize("seed", range(4))
def test_random_splits_of_1000_classes_are_the_papers(seed):
    split, expected = splits.random_split(1000, seed), CHECKSUMS[f"random{seed}"]
    assert list(split.a[:10]) == expected["A_first10"]
    assert sum(split.a) == expected["A_sum"]
    assert splits.digest(split.a) == expected["A_sha256"]
    assert splits.digest(split.b) == expected["B_sha256"]


def test_natural_manmade_split_is_the_papers():
    split, expected = splits.make("natural_manmade", WNIDS), CHECKSUMS["natural_manmade"]
    assert len(split.a) == expected["manmade_count"]
    assert len(split.b) == expected["natural_count"]
    assert splits.digest(split.a) == expected["manmade_sha256"]
    assert splits.digest(split.b) == expected["natural_sha256"]


@pytest.mark.parametrize("count", [4, 5, 41, 200])
def test_random_halves_are_disjoint_and_complete(count):
    split = splits.random_split(count, 3)
    assert sorted(split.a + split.b) == list(range(count))
    assert len(split.a) == count // 2
    assert split.classes("all") == tuple(range(count))


def test_kinds_of_the_data_set_come_before_wordnet():
    split = splits.make("natural_manmade", "wxyz", ["manmade", "natural", "manmade", "natural"])
    assert (split.a, split.b) == ((0, 2), (1, 3))


def test_natural_manmade_needs_wordnet_ids():
    with pytest.raises(ValueError, match="2 of 4 classes have another name: 'cat', 'dog'"):
        splits.make("natural_manmade", [*WNIDS[:2], "cat", "dog"])


def write(tmp_path, content):
    path = tmp_path / "split.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_split_file_names_the_classes(tmp_path):
    path = write(tmp_path, {"A": ["d", "a"], "B": ["b", "c"]})
    split = splits.make("file", "abcde", split_file=path)
    assert (split.a, split.b) == ((0, 3), (1, 2))
    same = splits.make("file", "abcde", split_file=write(tmp_path, {"B": ["c", "b"], "A": ["a", "d"]}))
    assert split == same, "the name depends on the classes, not on the file"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Cannot read"),
        ("[" * 100_000, "Cannot read"),
        ("[]", "Received: list"),
        ({"A": ["a", "b"]}, "Received: the keys"),
        ({"A": ["a", "b"], "B": "cd"}, "not a list"),
        ({"A": ["a", "b"], "B": [1, 2]}, "not a list"),
        ({"A": ["a", "x"], "B": ["c", "d"]}, "does not have: 'x'"),
        ({"A": ["a", "b"], "B": ["b", "c"]}, "into both halves: 'b'"),
        ({"A": ["a", "a"], "B": ["b", "c"]}, "twice: 'a'"),
        ({"A": ["a"], "B": ["b", "c"]}, "has 1 class"),
    ],
)
def test_bad_split_files_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        splits.make("file", "abcde", split_file=write(tmp_path, content))


def test_missing_split_file(tmp_path):
    with pytest.raises(ValueError, match="Cannot read"):
        splits.make("file", "abcde", split_file=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="needs --split_file"):
        splits.make("file", "abcde")


def test_unknown_kind_and_too_few_classes():
    with pytest.raises(ValueError, match="Unknown split"):
        splits.make("odd", "abcde")
    with pytest.raises(ValueError, match=r"has 2 classes\. Four are needed at least"):
        splits.make("random", "ab", split_seed=0)
    with pytest.raises(ValueError, match=r"two at least.* Four are needed at least"):
        splits.make("random", "abc")


def test_of_enough_classes_another_split_helps(tmp_path):
    with pytest.raises(ValueError, match=r"has 4 classes\. Use another split"):
        splits.make("file", "abcd", split_file=write(tmp_path, {"A": ["a"], "B": ["b", "c", "d"]}))


NAMES = [f"n{i}" for i in range(6)]


def test_endless_and_huge_split_files_are_refused_soon(tmp_path):
    with pytest.raises(ValueError, match="no regular file"):
        splits.make("file", NAMES, split_file="/dev/zero")
    path = tmp_path / "twice.json"
    path.write_text(json.dumps({"A": [NAMES[0]] * 300_000, "B": [NAMES[1]]}))
    with pytest.raises(ValueError, match="twice"):
        splits.make("file", NAMES, split_file=str(path))


def test_the_classes_of_a_target_are_those_of_its_half():
    split = splits.Split("file-1", (1, 3), (0, 2, 4))
    assert [split.classes(target) for target in ("A", "B", "all")] == [(1, 3), (0, 2, 4), (0, 1, 2, 3, 4)]
