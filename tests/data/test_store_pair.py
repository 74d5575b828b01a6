import numpy as np
import pytest

from tests.support.memory_dataset import memory_dataset
from tftransfer.data import duplicates, progress, store, store_pair
from tftransfer.data.store import StoreError


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    target = store.prepare(memory_dataset(), cache, size=8, workers=1)
    source = store.prepare(memory_dataset(name="other"), cache, size=12, workers=1)
    source.fingerprint = "other"  # of drawn images of the same content
    return target, source


def test_classes_of_the_target_come_first_and_each_half_is_of_one_store(both):
    target, source = both
    pair = store_pair.open_stores([each.path for each in both])
    first = len(target.class_names)
    assert pair.class_names == (*target.class_names, *source.class_names)
    assert len(pair.class_kinds) == len(pair.class_names)
    np.testing.assert_array_equal(pair.counts("val"), [*target.counts("val"), *source.counts("val")])
    of_target, of_source = pair.select("train", [0, 1]), pair.select("train", [first, first + 1], 1)
    assert (of_target.size, of_source.size) == (8, 12), "each data set has a size of its own"
    assert (of_target.store.dataset, of_source.store.dataset) == (target.dataset, "other")
    assert len(of_source) == 2
    np.testing.assert_array_equal(np.unique(of_source.labels), [0, 1])
    with pytest.raises(ValueError, match="classes of both"):
        pair.select("train", [0, first])


def test_the_fingerprint_depends_on_both_and_on_their_order(both):
    target, source = both
    pairs = [store_pair.StorePair(*two).fingerprint for two in ((target, source), (source, target), (target, target))]
    assert len({*pairs, target.fingerprint, source.fingerprint}) == 5


def test_what_was_lost_or_left_out_of_either_is_told(both):
    pair = store_pair.StorePair(*both)
    assert pair.lost is None
    both[1].lost = StoreError("gone")
    assert str(pair.lost) == "gone"
    both[1].lost = None


def test_copies_between_target_and_source_are_told(both):
    target, source = both
    lines = [line for line in progress.notes(store_pair.StorePair(*both)) if "training images of the source" in line]
    assert len(lines) == (1 if np.isin(target.contents("val"), source.contents("train")).any() else 0)
    same = store_pair.StorePair(target, target)
    copies = target.select("val", [0, 1]).copies_in(target.select("train", [0, 1]))
    assert duplicates.near_of(target, source) is not None
    assert len(progress.notes(same)) >= bool(copies)


def test_one_folder_is_a_store(both):
    opened = store_pair.open_stores([both[0].path])
    assert (type(opened), opened.stores) == (store.Store, (opened,))
