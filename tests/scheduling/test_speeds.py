import dataclasses
import json
import math
import pathlib
import threading

import pytest

from tftransfer.experiment.config import Config
from tftransfer.scheduling import speeds
from tftransfer.system import environment


@pytest.fixture
def options(tmp_path):
    return Config(cache_dir=str(tmp_path / "cache"))


def file_of(options):
    return pathlib.Path(options.cache_dir, speeds.FILE)


def test_what_was_measured_is_known_by_kind(options):
    assert speeds.known(options) is None
    speeds.remember(options, speeds.BASE, 0.5, start_seconds=12.0)
    speeds.remember(options, speeds.LOCKSTEP, 1.4, networks=14)
    known = speeds.known(options)
    assert known.seconds_per_step == {"base": 0.5, "lockstep": pytest.approx(0.1)}, "lockstep is for each network"
    assert known.start_seconds == {"base": 12.0}
    assert known.networks == {"base": 1, "lockstep": 14}
    assert set(known.measured) == {"base", "lockstep"}


def test_the_newest_of_a_kind_is_kept(options):
    for seconds in (0.5, 0.7):
        speeds.remember(options, speeds.BASE, seconds, details={"spread": [seconds]})
    assert speeds.known(options).seconds_per_step == {"base": 0.7}
    (entry,) = json.loads(file_of(options).read_text())["entries"].values()
    assert entry["speeds"]["base"]["details"] == {"spread": [0.7]}


@pytest.mark.parametrize(
    "other",
    [{"width": 0.5}, {"batch_size": 32}, {"image_size": 64}, {"precision": "mixed_bfloat16"},
     {"strategy": "one_device"}],
    ids=str,
)  # fmt: skip
def test_another_setting_is_not_known(options, other):
    speeds.remember(options, speeds.BASE, 0.5)
    changed = dataclasses.replace(options, **other)
    assert speeds.known(changed) is None
    speeds.remember(changed, speeds.BASE, 0.9)
    assert speeds.known(options).seconds_per_step == {"base": 0.5}
    assert speeds.known(changed).seconds_per_step == {"base": 0.9}


def test_what_does_not_change_the_size_of_a_step_is_the_same_setting(options):
    speeds.remember(options, speeds.BASE, 0.5)
    same = dataclasses.replace(options, seed=3, epochs=1.0, learning_rate=0.1, image_size=32)
    assert speeds.known(same) == speeds.known(options)


def test_another_machine_is_not_known(options, monkeypatch):
    speeds.remember(options, speeds.BASE, 0.5)
    machine = environment.machine() | {"processor": "another"}
    monkeypatch.setattr(environment, "machine", lambda: machine)
    assert speeds.known(options) is None


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", "\x00\x01", '{"format": 99, "entries": {}}', '{"format": 1, "entries": [1]}',
     '{"format": 1, "entries": {"k": {"setting": {"a": 1}, "speeds": {"base": {"seconds_per_step": -1}}}}}'],
)  # fmt: skip
def test_a_damaged_file_is_ignored_and_rewritten(options, damaged):
    file_of(options).parent.mkdir()
    file_of(options).write_text(damaged)
    assert speeds.known(options) is None
    speeds.remember(options, speeds.BASE, 0.5)
    assert speeds.known(options).seconds_per_step == {"base": 0.5}
    assert len(json.loads(file_of(options).read_text())["entries"]) == 1


def test_a_damaged_entry_does_not_take_the_others_with_it(options):
    speeds.remember(options, speeds.BASE, 0.5)
    content = json.loads(file_of(options).read_text())
    content["entries"]["other"] = {"setting": {"width": 1}, "speeds": {"base": {"seconds_per_step": "fast"}}}
    file_of(options).write_text(json.dumps(content))
    assert speeds.known(options).seconds_per_step == {"base": 0.5}


def test_nothing_is_kept_of_a_training_without_steps_or_of_a_mixed_group(options):
    speeds.remember(options, speeds.BASE, math.nan)
    speeds.remember(options, None, 1.0, networks=2)
    assert speeds.known(options) is None
    with pytest.raises(ValueError, match="base, frozen, lockstep"):
        speeds.remember(options, "quick", 1.0)


def test_a_folder_that_cannot_be_written_is_worth_a_warning(options, caplog):
    pathlib.Path(options.cache_dir).write_text("a file stands in the folder's place")
    speeds.remember(options, speeds.BASE, 0.5)
    assert "cannot be kept" in caplog.text
    assert speeds.known(options) is None


def test_several_writers_lose_nothing(options):
    widths = [0.1 * (i + 1) for i in range(8)]
    settings = [dataclasses.replace(options, width=width) for width in widths]
    threads = [threading.Thread(target=speeds.remember, args=(s, speeds.BASE, s.width)) for s in settings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [speeds.known(s).seconds_per_step["base"] for s in settings] == widths


@pytest.mark.parametrize("damaged", ["[" * 100_000, "1e999", '{"a":' * 100_000])
def test_a_file_nested_too_deeply_is_ignored(options, damaged):
    speeds.path_of(options).parent.mkdir(parents=True, exist_ok=True)
    speeds.path_of(options).write_text(damaged)
    assert speeds.known(options) is None


def test_a_figure_too_large_to_count_with_is_ignored(options):
    speeds.remember(options, "base", 0.125)
    path = speeds.path_of(options)
    path.write_text(path.read_text().replace("0.125", "1" + 400 * "0"))
    assert speeds.known(options) is None or "base" not in speeds.known(options).seconds_per_step
