import keras
import numpy as np
import pytest

from tftransfer.training.evaluation import chance, scores


def test_scores_equal_kerass_metrics():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(200, 12)).astype("float32"), rng.integers(0, 12, 200)
    found = scores(logits, labels)
    top5 = keras.metrics.SparseTopKCategoricalAccuracy(5)
    top5.update_state(labels, logits)
    assert found["top1"] == pytest.approx((logits.argmax(1) == labels).mean())
    assert found["top5"] == pytest.approx(float(top5.result()))
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert found["cross_entropy"] == pytest.approx(float(expected), rel=1e-6)


def test_per_class_top1_weighs_classes_not_images():
    logits = np.array([[1.0, 0.0]] * 9 + [[1.0, 0.0]])
    assert scores(logits, np.array([0] * 9 + [1]))["per_class_top1"] == 0.5
    assert scores(logits, np.array([0] * 9 + [1]))["top1"] == 0.9


def test_a_network_that_says_nothing_scores_chance():
    found = scores(np.zeros((100, 10)), np.arange(100) % 10)
    assert found["top1"] == 0.1
    assert found["top5"] == 0.5
    assert found["cross_entropy"] == pytest.approx(np.log(10))


def test_large_logits_do_not_overflow():
    assert scores(np.array([[1e4, 0.0]]), np.array([1]))["cross_entropy"] == pytest.approx(1e4)


def test_chance_is_that_of_naming_the_most_frequent_class():
    assert chance(np.arange(100) % 20, 20) == 0.05
    assert chance(np.array([0] * 90 + [1] * 10), 2) == 0.9


def test_what_is_no_number_is_wrong():
    logits = np.arange(12.0).reshape(2, 6)
    logits[0] = np.nan
    found = scores(logits, np.array([5, 5]))
    assert (found["top1"], found["top5"]) == (0.5, 0.5)
