import json
import os

import numpy as np
import pytest

import fake_study
from tftransfer.records import record_files
from tftransfer.system import untrusted_files

IDENTITY = {"recipe": {"epochs": 12, "width": 0.5}, "seed": 0, "source": {"key": "a"}}
CELL = fake_study.cell("A1B")


def content(**changes):
    return fake_study.content(CELL, 0.5, name="x") | changes


def forged(folder, path, value=None):
    """Changes one part of a record, or leaves it out if the value is `...`; its hashes are right again."""
    whole = json.loads((folder / record_files.RECORD).read_text())
    *outer, last = path.split(".")
    part = whole
    for name in outer:
        part = part[name]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    if isinstance(whole.get("identity"), dict) and path != "key":
        whole["key"] = record_files.key(whole["identity"])
    whole.pop("sha256")
    # As `json.dumps` writes them, so that NaN and numbers of any length get into the file.
    whole["sha256"] = record_files._content_digest(whole)
    (folder / record_files.RECORD).write_text(json.dumps(whole))


def test_what_was_written_is_read(tmp_path):
    written = record_files.write(tmp_path / "x", content())
    found = record_files.read(tmp_path / "x")
    assert found == written
    assert found.key == record_files.key(content()["identity"])
    assert not list((tmp_path / "x").glob(".record*")), "no temporary file stays"
    assert record_files.read_study(tmp_path) == [found]


def test_no_record_means_not_done(tmp_path):
    assert record_files.read(tmp_path / "nothing") is None
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "events").touch()
    assert record_files.read(tmp_path / "begun") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", "\0" * 50, '{"format": 99}', "[" * 100_000])
def test_damaged_records_are_refused(tmp_path, damage):
    record_files.write(tmp_path, content())
    (tmp_path / record_files.RECORD).write_text(damage)
    with pytest.raises(ValueError, match=r"record\.json (is damaged|cannot be used)"):
        record_files.read(tmp_path)


@pytest.mark.parametrize("field", ["name", "key", "status", "identity", "result", "weights"])
def test_records_with_a_missing_or_changed_field_are_refused(tmp_path, field):
    record_files.write(tmp_path, content())
    path = tmp_path / record_files.RECORD
    whole = json.loads(path.read_text())
    for changed in ({k: v for k, v in whole.items() if k != field}, whole | {field: 3}):
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match="cannot be used"):
            record_files.read(tmp_path)


def test_a_changed_identity_no_longer_has_its_key(tmp_path):
    record_files.write(tmp_path, content())
    forged(tmp_path, "key", "0" * 64)
    with pytest.raises(ValueError, match="not the hash"):
        record_files.read(tmp_path)


@pytest.mark.parametrize(("there", "damaged"), [("0.5,", "0.6,"), ('"done"', '"dona"'), ('"x"', '"y"')])
def test_a_change_anywhere_in_the_content_is_noticed(there, damaged, tmp_path):
    record_files.write(tmp_path, content())
    path = tmp_path / record_files.RECORD
    text = json.dumps(json.loads(path.read_text()))
    assert there in text
    path.write_text(text)
    assert record_files.read(tmp_path), "spaces may change"
    path.write_text(text.replace(there, damaged))
    with pytest.raises(ValueError, match="changed or damaged"):
        record_files.read(tmp_path)


@pytest.mark.parametrize("received", [1, 2, 3, 0, 5, "4", True, None, [4], 4.5])
def test_no_other_format_is_believed(tmp_path, received):
    """A record of format 1 had no SHA-256, so that a score could be edited in a record of that format."""
    record_files.write(tmp_path, content())
    path = tmp_path / record_files.RECORD
    whole = json.loads(path.read_text())
    for changed in (whole, {name: value for name, value in whole.items() if name != "sha256"}):
        changed = changed | {"format": received, "result": whole["result"] | {"top1": 0.99}}
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=f"cannot be used: expected format {record_files.FORMAT}, received"):
            record_files.read(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("identity.seed", "0", "identity.seed is wrong: expected a whole number; received '0'"),
        ("cost.seconds", ..., "cost.seconds is missing"),
        ("identity.treatment.target", "C", "the treatment in its identity is wrong: source or target"),
        ("result.top1", 1.5, "its top1 is not from 0 to 1: 1.5"),
    ],
)
def test_parts_of_another_kind_are_named_even_if_all_hashes_are_right(tmp_path, path, value, fault):
    record_files.write(tmp_path, content())
    forged(tmp_path, path, value)
    with pytest.raises(ValueError, match=f"cannot be used: {fault}"):
        record_files.read(tmp_path)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**4000, 2**63, -(2**63)])
@pytest.mark.parametrize("path", ["result.top1", "identity.seed", "machine.anything", "history.loss"])
def test_numbers_that_no_table_can_hold_are_refused(tmp_path, path, number):
    record_files.write(tmp_path, content())
    forged(tmp_path, path, [number] * 4 if path == "history.loss" else number)
    with pytest.raises(ValueError, match=r"is damaged: it holds .* no number that can be used"):
        record_files.read(tmp_path)


def deep(levels):
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [untrusted_files.DEEPEST, 900, 100_000])
def test_deep_nesting_is_refused(tmp_path, levels):
    record_files.write(tmp_path, content())
    path = tmp_path / record_files.RECORD
    path.write_text(path.read_text().replace('"integrity": {', f'"more": {deep(levels)}, "integrity": {{'))
    with pytest.raises(ValueError, match="is damaged: it is nested more than 100 levels deep"):
        record_files.read(tmp_path)


def test_pipes_links_and_huge_files_are_no_records(tmp_path):
    outside = record_files.write(tmp_path / "elsewhere" / "x", content()).folder
    study = tmp_path / "study"
    (study / "pipe").mkdir(parents=True)
    os.mkfifo(study / "pipe" / record_files.RECORD)
    (study / "link").mkdir()
    (study / "link" / record_files.RECORD).symlink_to(outside / record_files.RECORD)
    (study / "folder").symlink_to(outside)
    (study / "device").mkdir()
    (study / "device" / record_files.RECORD).symlink_to("/dev/zero")
    (study / "huge").mkdir()
    with (study / "huge" / record_files.RECORD).open("wb") as file:
        file.truncate(3 * 2**30)
    (study / "place" / record_files.RECORD).mkdir(parents=True)
    reasons = {
        "pipe": "no regular file", "link": "leads out of the study", "folder": "leads out of the study",
        "device": "leads out of the study", "huge": "3,221,225,472 bytes; 20,000,000 are read at most",
        "place": "it is a folder",
    }  # fmt: skip
    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=f"is damaged: .*{reason}"):
            record_files.read(study / name)
    record_files.write(study / "own", content())
    (study / "again").symlink_to("own")
    assert record_files.read(study / "again"), "links inside of a study lead nowhere else"


def test_weights_outside_of_the_study_are_not_those_of_a_record(tmp_path):
    (tmp_path / "secret").touch()
    record = record_files.write(tmp_path / "study" / "x", content(weights={"kept": True, "sha256": "0"}))
    (record.folder / record_files.WEIGHTS).symlink_to(tmp_path / "secret")
    assert record_files.read(record.folder).weights_file is None


@pytest.mark.parametrize("kept", [{}, {"kept": True}, {"kept": 1, "sha256": "0"}, {"kept": True, "sha256": None}])
def test_weights_without_what_they_must_say_are_refused(kept, tmp_path):
    record_files.write(tmp_path, content(weights=kept))
    with pytest.raises(ValueError, match="weights"):
        record_files.read(tmp_path)


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_files.write(tmp_path, content(result={"top1": float("nan")}))
    assert record_files.read(tmp_path) is None


def test_differences_name_both_sides():
    other = {"recipe": {"epochs": 3, "width": 0.5}, "seed": 0, "source": None}
    lines = record_files.differences(other, IDENTITY)
    assert lines == ["recipe.epochs: 3 there, 12 here", 'source: null there, {"key": "a"} here']


def test_weights_digest_sees_every_bit_name_and_shape():
    weights = {"conv1": [np.zeros((2, 3), "float32"), np.zeros(3, "float32")]}
    digest = record_files.weights_digest(weights)
    assert digest == record_files.weights_digest({"conv1": [a.copy() for a in weights["conv1"]]})
    negative_zero = weights["conv1"][0].copy()
    negative_zero[0, 0] = -0.0
    for other in (
        {"conv1": [negative_zero, weights["conv1"][1]]},
        {"conv2": weights["conv1"]},
        {"conv1": [weights["conv1"][0].reshape(3, 2), weights["conv1"][1]]},
    ):
        assert record_files.weights_digest(other) != digest


def test_empty_values_do_not_count_in_keys():
    assert record_files.key({"a": 1, "b": {"c": 0, "d": ""}, "e": None}) == record_files.key({"a": 1})
    assert record_files.key({"a": 1, "b": {"c": 2}}) != record_files.key({"a": 1})


def test_a_replacement_that_fails_brings_back_what_was_there(tmp_path):
    record_files.write(tmp_path / "x", content())

    def replace_and_fail():
        with record_files.replacing(tmp_path / "x"):
            assert record_files.read(tmp_path / "x") is None
            (tmp_path / "x" / "half-written").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_and_fail()
    assert record_files.read(tmp_path / "x").name == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_replacement_that_was_killed_is_undone_and_a_finished_one_kept(tmp_path):
    record_files.write(tmp_path / ".before-x", content())
    (tmp_path / "x").mkdir()
    assert record_files.read_study(tmp_path) == [], "a network set aside is not shown"
    record_files.restore(tmp_path / "x")
    assert record_files.read(tmp_path / "x")
    record_files.write(tmp_path / ".before-x", content(status="diverged"))
    record_files.restore(tmp_path / "x")
    assert record_files.read(tmp_path / "x").status == "done"
    assert not (tmp_path / ".before-x").exists()


def test_published_records_are_not_added_to(tmp_path):
    with pytest.raises(ValueError, match="holds published records"):
        record_files.check_writable(tmp_path / "published")


def test_check_writable(tmp_path):
    record_files.check_writable(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Cannot write into the runs folder"):
        record_files.check_writable(tmp_path / "file" / "below")
    with pytest.raises(ValueError, match=r"Cannot write into the runs folder: .*file is a file\. Use"):
        record_files.check_writable(tmp_path / "file")
