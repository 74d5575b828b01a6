"""What is seen of a group while it trains, without training one."""

import math
import types

import pytest

from tftransfer.training import history


@pytest.fixture
def watch():
    """The optimizer has done two steps; the rate of the next is another."""
    found = history.TrainingHistory(["one", "two"], steps_per_epoch=4, rate={1: 0.5, 2: 0.25}.get)
    found.set_model(types.SimpleNamespace(optimizer=types.SimpleNamespace(iterations=2), stop_training=False))
    return found


def logs(one, two):
    return {"one_loss": one, "two_loss": two, "val_one_top1": 0.25, "val_two_top1": 0.5}


def test_a_network_that_diverges_leaves_the_others_training(watch):
    for _ in range(25):
        watch.on_train_batch_end(0, logs(math.nan, 1.0))
    watch.on_epoch_end(0, logs(math.nan, 1.0))
    assert watch.diverged == {"one": 25}
    assert not watch.all_diverged
    assert not watch.model.stop_training
    for _ in range(25):
        watch.on_train_batch_end(0, logs(math.inf, math.inf))
    assert watch.diverged == {"one": 25, "two": 50}, "the first step at which it was seen"
    assert watch.all_diverged
    assert watch.model.stop_training
    assert [history["step"] for history in watch.histories.values()] == [[25], [25, 50]], "none after it diverged"


def test_what_was_seen_is_told_again_when_training_goes_on(watch):
    for _ in range(25):
        watch.on_train_batch_end(0, logs(math.nan, 1.0))
    watch.on_epoch_end(0, logs(math.nan, 1.0))
    watch.on_train_batch_end(0, logs(math.nan, 1.0))
    watch.on_epoch_end(1, logs(math.nan, 1.0))
    told = []
    other = history.TrainingHistory(["one", "two"], 4, {}.get, lambda step, rows: told.append((step, *rows)))
    other.resume(watch.state())
    assert told == [(25, "one", "two"), (26, "two")]
    assert (other.histories, other.diverged) == (watch.histories, {"one": 25})


def test_a_row_of_history_is_each_networks_own(watch):
    watch.on_train_batch_end(0, logs(2.0, 1.0))
    watch.on_train_batch_end(0, logs(2.0, 1.0))
    watch.on_epoch_end(0, logs(2.0, math.inf))
    one, two = watch.histories["one"], watch.histories["two"]
    assert (one["step"], one["epoch"], one["learning_rate"]) == ([2], [0.5], [0.5])
    assert (one["loss"], two["loss"]) == ([2.0], [None]), "what is no number cannot stand in a record"
    assert (one["val_top1"], two["val_top1"]) == ([0.25], [0.5])


def test_speed_is_the_median_without_the_first_steps(watch, monkeypatch):
    clock = iter([0.0, *(10.0 * i for i in range(1, 6)), 51.0, 52.0, 53.0, 153.0, 154.0])
    monkeypatch.setattr(history.time, "perf_counter", lambda: next(clock))
    watch.on_train_begin()
    for _ in range(10):
        watch.on_train_batch_end(0, {})
    assert watch.seconds_per_step == 1.0, "compilation and warming up take longer"
    assert watch.train_seconds == 154.0
