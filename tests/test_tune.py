"""The search for a recipe, mostly with trainings that are made up; the real ones are slow."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from made_images import write_photographs
from tftransfer import tune
from tftransfer.cli import command_line
from tftransfer.data.store import Half
from tftransfer.execution import run_config
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.tuning import budget, flagfile, held_out, process, space, view
from tftransfer.tuning.study import DIVERGED, FAILED, OK, Result, Study, Trial, winner

ROOT = pathlib.Path(__file__).parent.parent
IMAGES = 1000
needs_keras_tuner = pytest.mark.skipif(
    importlib.util.find_spec("keras_tuner") is None, reason="keras-tuner is not installed (extra tune)"
)


def trial(number=1, top1=0.5, seconds=10.0, status=OK, **values):
    recipe = space.tuned(Config(**values))
    speed = 1000.0 if status == OK else None
    return Trial(
        number=number, asked=recipe, recipe=recipe, status=status, seconds=seconds,
        top1=top1 if status == OK else None, train_images=8000, images_per_second=speed,
        error="" if status == OK else "bang",
    )  # fmt: skip


def test_models_without_the_searched_options_are_refused():
    with pytest.raises(ValueError, match="which only AlexNet has"):
        tune.main(["tune.py", "--model=ResNet50"])


# Time


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("2h", 7200), ("0.5m", 30)])
def test_time_budgets(text, seconds):
    assert budget.seconds_of(text) == seconds
    assert budget.expected(text) is None


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "-5m", "5 m", "5d", "1e3s", "infh", "20m "])
def test_what_is_no_time_budget(text):
    with pytest.raises(ValueError, match="90s, 20m or 2h"):
        tune.TuneConfig(time_budget=text)


def test_pace_is_that_of_the_latest_trial_of_the_same_width_and_scaled_from_the_nearest_otherwise():
    slower = dataclasses.replace(trial(2, seconds=26.0, width=0.5), images_per_second=500.0)  # 16 of its 26 seconds
    measured = [trial(1, seconds=10.0), slower, trial(3, status=FAILED, seconds=1e6)]
    pace = budget.Pace(measured)
    assert pace.overhead_seconds == 2.0
    assert pace.seconds(0.25, 1000) == pytest.approx(2 + 1.1)
    assert pace.seconds(0.5, 1000) == pytest.approx(2 + 3.3)
    assert pace.seconds(1.0, 1000) == pytest.approx(2 + 4 * 3.3), "the work grows with the square of the width"
    assert pace.seconds(0.125, 1000) == pytest.approx(2 + 1.1 / 2), "and is not assumed to shrink with it"
    assert budget.Pace([*measured, trial(4, seconds=18.0)]).seconds(0.25, 1000) == pytest.approx(2 + 2.2)
    assert not budget.Pace([measured[2]]).known


# Space


def test_the_space_lies_around_the_start_which_belongs_to_it():
    for start in (
        Config(epochs=12.0),
        Config(optimizer="adamw", learning_rate=1e-3, weight_decay=0.0, width=0.37, epochs=3.0, dropout=0.1),
    ):
        same, choices = space.around(start, {})
        assert same == start
        assert tuple(choices) == space.TUNED
        for field, values in choices.items():
            assert getattr(start, field) in values
            assert len({type(v) for v in values}) == 1
            assert len(values) == len(set(values)) > 2
            for value in values:
                dataclasses.replace(start, **{field: value})


def test_lists_take_the_place_of_our_values():
    start, choices = space.around(
        Config(epochs=12.0), {"widths": "0.5,0.25", "learning_rates": "0.1,0.2", "weight_decays": ""}
    )
    assert choices["width"] == (0.25, 0.5)
    assert start.width == 0.25
    assert choices["learning_rate"] == (0.1, 0.2)
    assert start.learning_rate == 0.1, "nothing outside of the lists is tried"
    assert len(choices["weight_decay"]) > 2


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"widths": "wide"}, "Bad --widths. Expected numbers.*'wide'"),
        ({"widths": "0.25,,0.5"}, "Bad --widths"),
        ({"batch_sizes": "32.5"}, "whole numbers"),
        ({"dropouts": "1.5"}, "Bad --dropout "),
        ({"initializers": "he_normel"}, "id you mean he_normal"),
    ],
)
def test_bad_lists(lists, message):
    with pytest.raises(ValueError, match=message):
        space.around(Config(epochs=12.0), lists)


def test_lengths_are_in_epochs():
    with pytest.raises(ValueError, match="--steps=5"):
        space.around(Config(steps=5), {})


def test_batches_divide_by_the_replicas_and_fit_the_images():
    start, choices = space.around(Config(epochs=12.0, batch_size=6, strategy="mirrored", replicas=2), {})
    assert choices["batch_size"] == (6, 12)  # not 3
    assert space.fitting(choices, 11)["batch_size"] == (6,)
    assert start.batch_size == 6


def test_a_recipe_keeps_the_shares_of_warm_up_and_drops():
    start = Config(epochs=10.0, warmup_steps=100, schedule="step", drop_epochs=4.0, batch_size=50)
    assert space.recipe(start, space.tuned(start), IMAGES) == start
    shorter = space.recipe(start, {"epochs": 5.0, "learning_rate": 0.5}, IMAGES)
    assert (shorter.warmup_steps, shorter.drop_epochs, shorter.learning_rate) == (50, 2.0, 0.5)
    small = space.recipe(start, {"batch_size": 25}, IMAGES)
    assert (small.warmup_steps, small.drop_epochs) == (200, 4.0)
    in_steps = dataclasses.replace(start, drop_steps=60, drop_epochs=0.0)
    assert space.recipe(in_steps, {"epochs": 5.0}, IMAGES).drop_steps == 30


# Held-out images


def half(split="train", counts=(20, 7, 2, 53)):
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    order = np.random.default_rng(0).permutation(len(labels))
    return Half(None, split, labels[order], 3 * np.arange(len(labels), dtype=np.int64))


def test_a_fifth_of_each_class_is_held_out():
    training, held = held_out.divide(half(), "abcd")
    assert not set(training.ids) & set(held.ids)
    assert sorted([*training.ids, *held.ids]) == list(half().ids)
    assert list(np.bincount(held.labels)) == [4, 1, 1, 10]
    label_of = dict(zip(half().ids, half().labels, strict=True))
    for part in (training, held):
        assert part.subset == "train"
        assert list(part.ids) == sorted(part.ids)
        assert all(label_of[i] == label for i, label in zip(part.ids, part.labels, strict=True))


def test_the_same_images_are_held_out_every_time_and_not_the_first():
    first, again = (held_out.divide(half(), "abcd")[1] for _ in range(2))
    assert list(first.ids) == list(again.ids)
    positions = np.flatnonzero(np.isin(half().ids, first.ids))
    assert positions.max() > len(half()) // 2


def test_what_cannot_be_held_out():
    with pytest.raises(ValueError, match=r"class 'c' has 1"):
        held_out.divide(half(counts=(20, 7, 1)), "abc")
    with pytest.raises(ValueError, match="'val'"):
        held_out.divide(half("val"), "abcd")


# Study


def test_the_winner_is_the_best_and_of_equal_ones_the_cheapest():
    trials = [
        trial(1, 0.5, 9.0),
        trial(2, 0.7, 30.0),
        trial(3, 0.7, 20.0),
        trial(4, status=FAILED),
        trial(5, 0.7, 20.0),
    ]
    assert winner(trials).number == 3
    assert winner(trials[:1]).number == 1
    assert winner([trial(status=DIVERGED)]) is None


def test_a_study_is_read_back_and_refuses_other_settings(tmp_path):
    study = Study(tmp_path / "s", {"tuner": "grid", "choices": {"width": (0.25, 0.5)}})
    written = [trial(2, width=0.5), trial(1, status=FAILED)]
    for one in written:
        study.write(one)
    study.bracket = {"longest_epochs": 24.0, "rounds": 3}
    again = Study(tmp_path / "s", {"tuner": "grid", "choices": {"width": (0.25, 0.5)}})
    assert again.trials() == written[::-1]
    assert (again.next_number(), again.bracket) == (3, {"longest_epochs": 24.0, "rounds": 3})
    with pytest.raises(ValueError, match=r"other settings.*tuner: \"grid\" there, \"random\" here.*--study=NAME"):
        Study(tmp_path / "s", {"tuner": "random", "choices": {"width": (0.25, 0.5)}})
    path = tmp_path / "s" / "study.json"
    content = json.loads(path.read_text())
    good = {"longest_epochs": 3.0, "rounds": 2}
    for bracket in ({}, {"rounds": 2}, {**good, "more": 1}, {**good, "rounds": "x"}, {**good, "rounds": 1e300}, [1]):
        path.write_text(json.dumps({**content, "bracket": bracket}))
        with pytest.raises(ValueError, match="damaged: bracket"):
            Study(tmp_path / "s", content["settings"])
    path.write_text(json.dumps({**content, "bracket": good}))
    assert Study(tmp_path / "s", content["settings"]).bracket == good
    with study.locked(), pytest.raises(ValueError, match="Another search"), again.locked():
        pass
    (again.folder(1) / "trial.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        again.trials()


def test_a_trial_is_a_row_of_hparams(tmp_path):
    view.write_study(tmp_path, 1.7e9)
    view.write_study(tmp_path, 1.7e9)
    view.write_trial(tmp_path / "a", trial(7, 0.25), 1.7e9)
    view.write_trial(tmp_path / "a", trial(7, 0.5, 12.0), 1.7e9)
    view.write_trial(tmp_path / "b", trial(8, status=DIVERGED), 1.7e9)

    def read(folder):
        events = EventAccumulator(str(folder)).Reload()
        content = events.PluginTagToContent("hparams").values()
        return events, [plugin_data_pb2.HParamsPluginData.FromString(data) for data in content]

    _, (declared,) = read(tmp_path)
    assert [info.name for info in declared.experiment.hparam_infos] == list(reversed(space.TUNED))
    assert [info.name.tag for info in declared.experiment.metric_infos] == ["tune/top1", "tune/seconds"]
    events, found = read(tmp_path / "a")
    (session,) = [data.session_start_info for data in found if data.HasField("session_start_info")]
    assert set(session.hparams) == set(space.TUNED)
    assert {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]} == {
        "tune/top1": 0.5,
        "tune/seconds": 12,
    }
    events, found = read(tmp_path / "b")
    assert events.Tags()["scalars"] == ["tune/seconds"]
    assert {data.session_end_info.status for data in found if data.HasField("session_end_info")} == {2}, "a failure"


# Flagfile


def test_the_flagfile_is_the_recipe_as_run_reads_it(tmp_path):
    recipe = Config(dataset="cifar100", learning_rate=0.0123456789, width=0.35, epochs=13.37, warmup_steps=7, seed=3,
                    split="file", split_file="/home/me/split.json", data_dir="/home/me/data",
                    lr_multipliers="conv1:0.5", images_per_class=5)  # fmt: skip
    origin = flagfile.Origin(
        file="x.flags", target="A", tuner="hyperband", choices=space.around(Config(epochs=12.0), {})[1],
        trials=[trial(1, 0.5), trial(2, 0.7), trial(3, status=FAILED)], held_out=200,
    )  # fmt: skip
    text = flagfile.text(recipe, trial(2, 0.7), origin)
    path = tmp_path / "x.flags"
    path.write_text(text)
    words = [f"--flagfile={path}", "--split_file=/home/me/split.json", "--data_dir=/home/me/data"]
    options, _ = command_line.parse(run_config.RunConfig, ["run.py", *words, "--treatment=base", "--target=A"], "usage")
    assert tune.TuneConfig.start(options) == recipe
    assert "/home" not in text
    assert len(text.splitlines()) < 30
    for word in ("Command", "Cost", "Expected", "Space", "Trials"):
        assert re.search(f"^# {word} ", text, re.MULTILINE)
    for part in ("top-1 70.0 % (standard error 3.2) on 200 held-out", "the starting recipe: 50.0 %", "2 ended well",
                 "1 failed", "--treatment=base --target=A --data_dir=DATA_DIR --split_file=SPLIT_FILE"):  # fmt: skip
        assert part in text


# Search


class Laboratory:
    """Trains nothing: a recipe's score and cost are a formula; some fail, some diverge."""

    def __init__(self, seconds_per_epoch=2.0, fails=lambda c: False, interrupt_at=None):
        self.now = 0.0
        self.trained = []
        self.said = []
        self._cost, self._fails, self._interrupt_at = seconds_per_epoch, fails, interrupt_at

    def train(self, folder, recipe, limit):
        if len(self.trained) + 1 == self._interrupt_at:
            raise KeyboardInterrupt
        assert recipe.evaluations == 1
        work = recipe.train_steps(IMAGES) * recipe.batch_size
        speed = IMAGES / self._cost * 0.25 / recipe.width
        seconds = 5.0 + work / speed
        self.trained.append((folder, recipe, limit))
        if limit is not None and seconds > limit:
            self.now += limit
            return None
        self.now += seconds
        if self._fails(recipe):
            return Result(status=FAILED, seconds=seconds, error="ValueError: no such thing")
        if recipe.learning_rate > 0.1:
            return Result(status=DIVERGED, seconds=seconds, error="its loss was not finite at step 9")
        score = 1 - abs(np.log(recipe.learning_rate / 0.03)) / 5 - 0.3 / recipe.epochs - 0.1 * recipe.dropout
        return Result(status=OK, seconds=seconds, top1=float(score), train_images=work, images_per_second=speed)

    def search(self, root, seconds=600.0, tuner="hyperband", trials=0, lists=None):
        from tftransfer.tuning import search

        start, choices = space.around(Config(epochs=12.0), lists or {})
        study = Study(root, {"tuner": tuner})
        scope = search.Scope(start, choices, tuner, IMAGES)
        limits = search.Limits(seconds, trials)
        work = search.Search(study, scope, self.train, limits, self.said.append, lambda: self.now)
        work.run()
        return work.trials


@needs_keras_tuner
@pytest.mark.parametrize("tuner", ["hyperband", "random", "grid", pytest.param("bayesian", marks=pytest.mark.slow)])
def test_a_search_tries_the_default_first_ends_in_time_and_not_below_it(tuner, tmp_path):
    if tuner == "bayesian":
        pytest.importorskip("sklearn")
        pytest.importorskip("scipy")
    laboratory = Laboratory()
    trials = laboratory.search(tmp_path, 400.0, tuner)
    assert laboratory.trained[0][1:] == (dataclasses.replace(Config(epochs=12.0), evaluations=1), None)
    assert trials[0].recipe == space.tuned(Config(epochs=12.0))
    assert len(trials) > 5
    assert 300 < laboratory.now <= 400
    assert winner(trials).top1 > trials[0].top1
    recipes = [tuple(one.recipe.values()) for one in trials]
    assert len(set(recipes)) == len(recipes), "nothing is trained twice"
    assert [one.number for one in trials] == list(range(1, len(trials) + 1))


@needs_keras_tuner
def test_brackets_of_hyperband_choose_the_lengths(tmp_path):
    trials = Laboratory().search(tmp_path, 10_000.0, trials=14)
    first_bracket = trials[1:14]
    assert [one.recipe["epochs"] for one in first_bracket] == [2.67] * 9 + [8.0] * 3 + [24.0]

    def values(one):
        return {name: value for name, value in one.recipe.items() if name != "epochs"}

    scores = {tuple(values(one).items()): one.top1 or 0.0 for one in first_bracket[:9]}
    promoted = [scores[tuple(values(one).items())] for one in first_bracket[9:12]]
    assert sorted(promoted) == sorted(scores.values())[-3:]


@needs_keras_tuner
def test_the_length_follows_the_time(tmp_path):
    trials = Laboratory().search(tmp_path / "some", 300.0)
    assert max(one.recipe["epochs"] for one in trials) == 12.0, "a bracket up to 24 epochs would not end in time"
    trials = Laboratory().search(tmp_path / "little", 150.0)
    assert [one.recipe["epochs"] for one in trials[1:4]] == [4.0] * 3, "nor would one of thirteen trials"


@needs_keras_tuner
@pytest.mark.parametrize("tuner", ["hyperband", "random", "grid"])
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(tuner, tmp_path):
    whole = Laboratory().search(tmp_path / "whole", 400.0, tuner)
    for stop in (1, 6):
        root = tmp_path / f"stop{stop}"
        with pytest.raises(KeyboardInterrupt):
            Laboratory(interrupt_at=stop).search(root, 400.0, tuner)
        second = Laboratory()
        assert second.search(root, 400.0, tuner) == whole
        assert len(second.trained) == len(whole) - (stop - 1)
        third = Laboratory()
        assert third.search(root, 400.0, tuner) == whole
        assert not third.trained
        longer = Laboratory()
        assert len(longer.search(root, 600.0, tuner)) > len(whole)
        assert longer.now <= 600 - sum(one.seconds for one in whole)


@needs_keras_tuner
def test_failed_and_diverged_trials_are_named_and_do_not_end_the_search(tmp_path):
    from tftransfer.tuning import search

    laboratory = Laboratory(fails=lambda recipe: recipe.width > 0.4)
    trials = laboratory.search(tmp_path, 800.0, "random")
    status = [one.status for one in trials]
    assert status.count(FAILED) >= 1
    assert status.count(DIVERGED) >= 1
    assert status.count(OK) >= 5
    named = search.failures(trials)
    assert len(named) == status.count(FAILED) + status.count(DIVERGED)
    assert any("ValueError: no such thing" in line and "width 0.5" in line for line in named)
    assert any("FAILED after" in line and "no such thing" in line for line in laboratory.said)
    stored = [json.loads(path.read_text()) for path in tmp_path.glob("trials/*/trial.json")]
    assert sum(one["status"] == "failed" for one in stored) == status.count(FAILED)


@needs_keras_tuner
def test_a_search_in_which_everything_fails_ends_and_tries_the_default_again(tmp_path):
    laboratory = Laboratory(fails=lambda recipe: True)
    trials = laboratory.search(tmp_path)
    assert [one.status for one in trials] == [FAILED] * 3
    assert "3 trials in a row failed" in laboratory.said[-1]
    again = Laboratory().search(tmp_path)
    assert again[0].status == OK
    assert len(again) > 3


@needs_keras_tuner
def test_a_trial_is_cut_to_the_time_that_is_left_or_not_started(tmp_path):
    laboratory = Laboratory()
    trials = laboratory.search(tmp_path, 140.0, "random", lists={"widths": "0.25", "lengths": "12,24"})
    cut = [one for one in trials if one.asked != one.recipe]
    assert laboratory.now <= 140
    for one in cut:
        assert one.asked["epochs"] / 2 <= one.recipe["epochs"] < one.asked["epochs"]
    assert len(Laboratory().search(tmp_path / "short", 20.0)) == 1, "the first is always trained"


@needs_keras_tuner
def test_most_trials_and_a_space_of_one_recipe(tmp_path):
    assert len(Laboratory().search(tmp_path / "few", 1e5, trials=4)) == 4
    one = {"widths": "0.25", "learning_rates": "0.01", "weight_decays": "0", "dropouts": "0", "batch_sizes": "64",
           "initializers": "paper", "lengths": "3"}  # fmt: skip
    for tuner in ("hyperband", "random", "grid"):
        (only,) = Laboratory().search(tmp_path / tuner, 1e5, tuner, lists=one)
        assert only.recipe["learning_rate"] == 0.01


@needs_keras_tuner
def test_a_small_space_is_searched_whole(tmp_path):
    few = {"widths": "0.25", "learning_rates": "0.01,0.03", "weight_decays": "0", "dropouts": "0,0.5",
           "batch_sizes": "64", "initializers": "paper", "lengths": "3"}  # fmt: skip
    assert len(Laboratory().search(tmp_path, 1e5, "grid", lists=few)) == 4


@needs_keras_tuner
def test_a_trial_that_takes_too_long_is_ended_and_a_longer_budget_trains_it(tmp_path):
    class Slowing(Laboratory):
        def train(self, folder, recipe, limit):
            if len(self.trained) == 3:
                self._cost = 1e6  # the machine has other things to do
            return super().train(folder, recipe, limit)

    slowing = Slowing()
    assert len(slowing.search(tmp_path, 400.0)) == 3
    assert slowing.now <= 400 * 1.1
    assert "a longer --time_budget goes on" in slowing.said[-1]
    same = Laboratory()
    assert len(same.search(tmp_path, 400.0)) == 3, "its time counts"
    assert not same.trained
    assert len(Laboratory().search(tmp_path, 800.0)) > 3


# Process


def test_what_a_process_said_last_is_the_reason(tmp_path, monkeypatch):
    def fails(code, text):
        def run(folder, limit):
            (folder / process.LOG).write_text(text)
            return code

        monkeypatch.setattr(process, "run", run)
        return process.Trainer("store", "random0", "B", [0, 1]).train(tmp_path, Config(), None)

    assert fails(1, "Traceback\n  File x\nValueError: no images\n\n").error == "ValueError: no images"
    assert fails(-9, "").error == "ended by signal 9 (SIGKILL), as a system out of memory does"
    assert fails(3, "").error == "ended with exit code 3 and said nothing"
    assert fails(0, "").status == FAILED, "no outcome was written"
    assert fails(None, "") is None


def test_a_trial_does_not_outlive_a_search_that_is_killed():
    trial = "import time\nfrom tftransfer.system import processes\nprocesses.end_with_parent()\n"
    trial += "print(1, flush=True)\ntime.sleep(60)"
    search = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {trial!r}])"
    parent = subprocess.Popen([sys.executable, "-c", search], stdout=subprocess.PIPE, cwd=ROOT)
    with parent:
        assert parent.stdout.readline() == b"1\n"
        parent.kill()
        started = time.monotonic()
        assert parent.stdout.read() == b"", "ends when the trial has closed it, too"
    assert time.monotonic() - started < 30


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of images: four classes, 20 training and 4 validation images each."""
    return write_photographs(tmp_path_factory.mktemp("photographs"), classes=4, validation=4)


@pytest.fixture
def options(tmp_path, photographs):
    return ["--dataset=folder", f"--data_dir={photographs}", "--image_size=32", f"--cache_dir={tmp_path}/cache",
            f"--runs_dir={tmp_path}/runs", "--width=0.05", "--epochs=2", "--batch_size=8"]  # fmt: skip


def test_a_trial_never_reads_validation_images(options, monkeypatch):
    from tftransfer.tuning import trial as worker

    parsed, _ = command_line.parse(tune.TuneConfig, ["tune.py", *options], "usage")
    store = prepared_images.prepare(parsed)
    chosen = []
    select = store.select
    monkeypatch.setattr(store, "select", lambda split, *rest: chosen.append(split) or select(split, *rest))
    images = worker.task(parsed.start(), store, "random0", [1, 3], "B")
    outcome = worker.train(dataclasses.replace(parsed.start(), evaluations=1), images)
    assert chosen == ["train"]
    assert (images.classes, len(images.training), len(images.validation)) == (2, 32, 8)
    assert images.validation.subset == "train"
    assert 0 <= outcome["top1"] <= 1
    assert outcome["train_images"] == 64
    mean = store.read("train", images.training.ids).mean(0)
    np.testing.assert_allclose(images.view.mean, mean, rtol=1e-5), "held-out images are not in the mean"


# Command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tuner=hyperbend"], "id you mean hyperband"),
        (["--time_budget=20"], "90s, 20m or 2h"),
        (["--target=C"], "one of A, B, all"),
        (["--epochs=0", "--steps=5"], "in epochs"),
        (["--widths=x"], "Bad --widths"),
        (["--trials=-1"], "at least 0"),
        (["--dataset=motif"], "motifs"),
        (["--batch_size=33"], "batch is larger than the half"),
        (["--images_per_class=1"], "class 'class[0-3]' has 1"),
        (["--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
        (["--split=natural_manmade"], "WordNet id"),
    ],
    ids=str,
)
@needs_keras_tuner
def test_bad_input_ends_before_anything_is_trained(arguments, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        tune.main(["tune.py", *options, *arguments])
    assert not list(tmp_path.glob("runs/*"))


def test_what_is_missing_is_named(options, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs keras_tuner. Install: pip install 'tftransfer\[tune\]'"):
        tune.main(["tune.py", *options])
    with pytest.raises(ValueError, match=r"needs keras_tuner and sklearn"):
        tune.main(["tune.py", *options, "--tuner=bayesian"])


def test_options_are_checked_without_tensorflow():
    slow = ("tensorflow", "keras", "keras_tuner", "tensorboard")
    code = f"import sys\nfrom tftransfer import tune\nprint([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@needs_keras_tuner
def test_the_command_writes_table_and_flagfile_and_goes_on(options, tmp_path, monkeypatch, capsys):
    laboratory = Laboratory(fails=lambda recipe: len(laboratory.trained) == 2)
    monkeypatch.setattr(process.Trainer, "train", lambda _, *arguments: laboratory.train(*arguments))
    words = [
        "tune.py",
        *options,
        "--study=mine",
        "--trials=6",
        "--tuner=random",
        "--learning_rates=0.01,0.015,0.02,0.03",
    ]
    assert tune.main(words) == 0
    said = capsys.readouterr()
    study = tmp_path / "runs" / "tune-mine"
    assert f"recipe     {study}/best.flags" in said.out
    assert f"compare    tensorboard --logdir {study}" in said.out
    assert "Half B of folder: 2 classes, 32 images to train on, 8 held out; random, 20m" in said.out
    assert "the starting recipe" in said.out
    assert re.search(r"WARNING: trial 2 failed: ValueError: no such thing", said.err)
    assert len(list(study.glob("events.out.tfevents.*"))) == 1
    assert len(list(study.glob("trials/*/events.out.tfevents.*"))) == 6
    read, _ = command_line.parse(run_config.RunConfig, ["run.py", f"--flagfile={study}/best.flags"], "usage")
    best = winner(Study(study, json.loads((study / "study.json").read_text())["settings"]).trials())
    assert space.tuned(read) == best.recipe
    before = len(laboratory.trained)
    assert tune.main([*words, "--trials=7"]) == 0
    assert len(laboratory.trained) == before + 1
    with pytest.raises(ValueError, match="target"):
        tune.main([*words, "--target=A"])


@needs_keras_tuner
def test_a_search_in_which_nothing_ended_well_has_its_own_exit_code(options, monkeypatch, capsys):
    laboratory = Laboratory(fails=lambda recipe: True)
    monkeypatch.setattr(process.Trainer, "train", lambda _, *arguments: laboratory.train(*arguments))
    assert tune.main(["tune.py", *options]) == command_line.EXIT_FAILED
    assert "no trial ended well" in capsys.readouterr().err


@pytest.mark.slow
@needs_keras_tuner
def test_a_trial_in_a_process_of_its_own(options, tmp_path):
    parsed, _ = command_line.parse(tune.TuneConfig, ["tune.py", *options], "usage")
    store = prepared_images.prepare(parsed)
    trainer = process.Trainer(store.path, "random0", "B", [0, 2])
    one = dataclasses.replace(parsed.start(), evaluations=1)
    first, second = (trainer.train(tmp_path / name, one, None) for name in "ab")
    assert first.status == OK, first.error
    assert (first.top1, first.cross_entropy) == (second.top1, second.cross_entropy), "runs repeat"
    assert first.peak_memory_mb > 100
    diverged = trainer.train(tmp_path / "c", dataclasses.replace(one, learning_rate=1e30, warmup_steps=0), None)
    assert diverged.status == DIVERGED
    assert "not finite" in diverged.error
    failed = process.Trainer(str(tmp_path / "nowhere"), "random0", "B", [0, 2]).train(tmp_path / "d", one, None)
    assert failed.status == FAILED
    assert "StoreError" in failed.error
    assert trainer.train(tmp_path / "e", one, 0.5) is None


@pytest.mark.slow
@needs_keras_tuner
def test_a_search_of_a_minute_on_motifs(tmp_path):
    """As a user types it; then again, which only prints; then the recipe it found, in `run`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def command(*words):
        words = [sys.executable, "-m", *words, f"--runs_dir={tmp_path}/runs", f"--cache_dir={tmp_path}/cache"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    search = ["tftransfer.tune", "--time_budget=60s", "--images_per_class=60", "--epochs=4", "--width=0.1"]
    text = command(*search)
    print(text)  # shown by pytest -s
    (study,) = (tmp_path / "runs").iterdir()
    trials = [json.loads(path.read_text()) for path in sorted(study.glob("trials/*/trial.json"))]
    assert len(trials) > 2
    assert sum(one["seconds"] for one in trials) < 60 * 1.1 + trials[0]["seconds"]
    again = command(*search)
    assert len(list(study.glob("trials/*/trial.json"))) == len(trials)
    assert text.splitlines()[-4:] == again.splitlines()[-4:]
    assert "baseB" in command(
        "tftransfer.run", f"--flagfile={study}/best.flags", "--treatment=base", "--target=B", "--epochs=1"
    )


def test_a_search_starts_from_the_default_length_also_where_images_are_few():
    options = tune.TuneConfig(time_budget="5m")
    assert options.start().epochs == 12.0
    assert options.start(4000).epochs == 12.0
    assert options.start(128).epochs == 300.0, "600 steps of 64 images"
    assert tune.TuneConfig(time_budget="5m", epochs=3.0).start(128).epochs == 3.0
