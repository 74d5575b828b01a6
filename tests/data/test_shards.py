import pathlib

import numpy as np
import pytest

from memory_dataset import contents_of, memory_dataset
from tftransfer.data import shards
from tftransfer.data.store import prepare


def test_an_archive_that_unpacks_to_more_than_itself_is_not_read(own, shared):
    place = pathlib.Path(own.path)
    (place / "store.json").unlink()
    np.savez_compressed(place / "shards/val-00000.npz", labels=np.zeros(10**7, np.int32))
    with pytest.raises(ValueError, match="compressed"):
        shards.ShardIndex.read(str(place / "shards/val-00000"))
    assert contents_of(prepare(memory_dataset(), str(place.parent), size=8)) == contents_of(shared)
