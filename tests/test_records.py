import json

import numpy as np
import pytest

from tftransfer import records

IDENTITY = {"recipe": {"epochs": 12, "width": 0.5}, "seed": 0, "source": {"key": "a"}}


def content(**changes):
    base = {
        "name": "x", "status": "done", "treatment": {}, "result": {"top1": 0.5}, "integrity": {}, "cost": {},
        "weights": {"kept": False, "sha256": "0"}, "history": {}, "identity": IDENTITY,
    }  # fmt: skip
    return base | changes


def test_what_was_written_is_read(tmp_path):
    written = records.write(tmp_path / "x", content())
    found = records.read(tmp_path / "x")
    assert found == written
    assert found.key == records.key(IDENTITY)
    assert not list((tmp_path / "x").glob(".record*")), "no temporary file stays"
    assert records.read_study(tmp_path) == [found]


def test_no_record_means_not_done(tmp_path):
    assert records.read(tmp_path / "nothing") is None
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "events").touch()
    assert records.read(tmp_path / "begun") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", "\0" * 50, '{"format": 99}', "[" * 100_000])
def test_damaged_records_are_refused(tmp_path, damage):
    records.write(tmp_path, content())
    (tmp_path / records.RECORD).write_text(damage)
    with pytest.raises(ValueError, match=r"record\.json (is damaged|cannot be used)"):
        records.read(tmp_path)


@pytest.mark.parametrize("field", ["name", "key", "status", "identity", "result", "weights"])
def test_records_with_a_missing_or_changed_field_are_refused(tmp_path, field):
    records.write(tmp_path, content())
    path = tmp_path / records.RECORD
    whole = json.loads(path.read_text())
    for changed in ({k: v for k, v in whole.items() if k != field}, whole | {field: 3}):
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match="cannot be used"):
            records.read(tmp_path)


def as_format_1(whole):
    """Returns a record's content as it was written before it had a SHA-256 of its own."""
    return {name: value for name, value in whole.items() if name != "sha256"} | {"format": 1}


def test_a_changed_identity_no_longer_has_its_key(tmp_path):
    records.write(tmp_path, content())
    path = tmp_path / records.RECORD
    path.write_text(json.dumps(as_format_1(json.loads(path.read_text()))).replace('"epochs": 12', '"epochs": 13'))
    with pytest.raises(ValueError, match="not the hash"):
        records.read(tmp_path)


@pytest.mark.parametrize(("there", "damaged"), [("0.5}", "0.6}"), ('"done"', '"dona"'), ('"x"', '"y"')])
def test_a_change_anywhere_in_the_content_is_noticed(there, damaged, tmp_path):
    records.write(tmp_path, content(result={"top1": 0.5}))
    path = tmp_path / records.RECORD
    text = json.dumps(json.loads(path.read_text()))
    assert there in text
    path.write_text(text)
    assert records.read(tmp_path), "spaces may change"
    path.write_text(text.replace(there, damaged))
    with pytest.raises(ValueError, match="changed or damaged"):
        records.read(tmp_path)


def test_the_format_cannot_be_taken_back_by_one_flipped_bit(tmp_path):
    records.write(tmp_path, content())
    path = tmp_path / records.RECORD
    text = path.read_text()
    assert '"format": 2' in text
    for bit in range(8):
        path.write_bytes(text.encode().replace(b'"format": 2', b'"format": ' + bytes([ord("2") ^ 1 << bit])))
        with pytest.raises(ValueError, match=r"cannot be used|is damaged"):
            records.read(tmp_path)


def test_records_of_format_1_stay_readable(tmp_path):
    written = records.write(tmp_path, content())
    path = tmp_path / records.RECORD
    path.write_text(json.dumps(as_format_1(json.loads(path.read_text()))))
    found = records.read(tmp_path)
    assert (found.key, found.result) == (written.key, written.result)


@pytest.mark.parametrize("kept", [{}, {"kept": True}, {"kept": 1, "sha256": "0"}, {"kept": True, "sha256": None}])
def test_weights_without_what_they_must_say_are_refused(kept, tmp_path):
    records.write(tmp_path, content(weights=kept))
    with pytest.raises(ValueError, match="weights without"):
        records.read(tmp_path)


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write(tmp_path, content(result={"top1": float("nan")}))
    assert records.read(tmp_path) is None


def test_differences_name_both_sides():
    other = {"recipe": {"epochs": 3, "width": 0.5}, "seed": 0, "source": None}
    lines = records.differences(other, IDENTITY)
    assert lines == ["recipe.epochs: 3 there, 12 here", 'source: null there, {"key": "a"} here']


def test_weights_digest_sees_every_bit_name_and_shape():
    weights = {"conv1": [np.zeros((2, 3), "float32"), np.zeros(3, "float32")]}
    digest = records.weights_digest(weights)
    assert digest == records.weights_digest({"conv1": [a.copy() for a in weights["conv1"]]})
    negative_zero = weights["conv1"][0].copy()
    negative_zero[0, 0] = -0.0
    for other in (
        {"conv1": [negative_zero, weights["conv1"][1]]},
        {"conv2": weights["conv1"]},
        {"conv1": [weights["conv1"][0].reshape(3, 2), weights["conv1"][1]]},
    ):
        assert records.weights_digest(other) != digest


def test_empty_values_do_not_count_in_keys():
    assert records.key({"a": 1, "b": {"c": 0, "d": ""}, "e": None}) == records.key({"a": 1})
    assert records.key({"a": 1, "b": {"c": 2}}) != records.key({"a": 1})


def test_a_replacement_that_fails_brings_back_what_was_there(tmp_path):
    records.write(tmp_path / "x", content())

    def replace_and_fail():
        with records.replacing(tmp_path / "x"):
            assert records.read(tmp_path / "x") is None
            (tmp_path / "x" / "half-written").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_and_fail()
    assert records.read(tmp_path / "x").name == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_replacement_that_was_killed_is_undone_and_a_finished_one_kept(tmp_path):
    records.write(tmp_path / ".before-x", content())
    (tmp_path / "x").mkdir()
    assert records.read_study(tmp_path) == [], "a network set aside is not shown"
    records.restore(tmp_path / "x")
    assert records.read(tmp_path / "x")
    records.write(tmp_path / ".before-x", content(status="diverged"))
    records.restore(tmp_path / "x")
    assert records.read(tmp_path / "x").status == "done"
    assert not (tmp_path / ".before-x").exists()


def test_published_records_are_not_added_to(tmp_path):
    with pytest.raises(ValueError, match="holds published records"):
        records.check_writable(tmp_path / "published")


def test_check_writable(tmp_path):
    records.check_writable(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Cannot write into the runs folder"):
        records.check_writable(tmp_path / "file" / "below")
