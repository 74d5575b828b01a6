"""The prepared images of two data sets, read as those of one."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tftransfer.data.store import Half, Store, StoreError


class StorePair:
    """The stores of a target and of a source; the classes of the target come first, then those of the source.

    It has the attributes and methods of a `Store` that studies need. Halves are those of one of the two stores.

    Args:
        target: Images of task B.
        source: Images of task A.

    Attributes:
        stores: Both.
        dataset: Name of the target's data set.
        class_names: Names of all classes by label.
        class_kinds: "manmade", "natural" or None for each.
        fingerprint: SHA-256 of both fingerprints.
        notes: Counts of what users should know, of both.
        left_out: Reasons why images were left out, by path.
    """

    def __init__(self, target: Store, source: Store) -> None:
        self.stores = (target, source)
        self.dataset = target.dataset
        self.class_names = (*target.class_names, *source.class_names)
        self.class_kinds = (*target.class_kinds, *source.class_kinds)
        self.fingerprint = hashlib.sha256(f"{target.fingerprint} {source.fingerprint}".encode()).hexdigest()
        names = dict.fromkeys([*target.notes, *source.notes])
        self.notes = {name: target.notes.get(name, 0) + source.notes.get(name, 0) for name in names}
        self.left_out = {**target.left_out, **source.left_out}

    @property
    def lost(self) -> StoreError | None:
        """The error of the first image that could no longer be read."""
        return next((store.lost for store in self.stores if store.lost), None)

    def counts(self, subset: str) -> np.ndarray:
        """Returns the number of images of each class in `subset`, int64 `(classes,)`."""
        return np.concatenate([store.counts(subset) for store in self.stores])

    def select(self, subset: str, classes: Sequence[int], images_per_class: int | None = None) -> Half:
        """Returns the images of some classes, all of one of the two data sets, as `Store.select` does.

        Raises:
            ValueError: If they are of both.
        """
        target, source = self.stores
        first = len(target.class_names)
        of_source = [index >= first for index in classes]
        if any(of_source) and not all(of_source):
            raise ValueError("Expected classes of one data set. Received classes of both.")
        if any(of_source):
            return source.select(subset, [index - first for index in classes], images_per_class)
        return target.select(subset, classes, images_per_class)


def open_stores(paths: Sequence[str]) -> Store | StorePair:
    """Opens the store in one folder, or the pair in two, the target's first.

    Raises:
        StoreError: If one is unfinished, damaged or of another format.
    """
    stores = [Store.open(path) for path in paths]
    return stores[0] if len(stores) == 1 else StorePair(*stores)
