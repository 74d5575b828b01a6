"""One seed and a name give an independent seed: no global state, no order of calls."""

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """Returns the seed of the thing that `names` spell out.

    Equal arguments give equal results on every machine; different ones give independent results, so that adding a
    layer, a network or an option never changes the randomness of another.

    Args:
        seed: The user's seed, any integer.
        *names: Use of the seed, for example `"init", "top", "B", "conv5"`. Their order and types count.

    Returns:
        An integer from 0 to 2**31 - 1, which every random generator of NumPy, Keras and TensorFlow accepts.

    Example:
        >>> derive(0, "dropout", "fc6") == derive(0, "dropout", "fc6")
        True
        >>> derive(0, "dropout", "fc6") == derive(0, "dropout", "fc7")
        False
    """
    # NumPy's strings and integers have another `repr` than Python's, but must be the same names.
    plain = tuple(str(name) if isinstance(name, str) else int(name) for name in names)
    digest = hashlib.sha256(repr((int(seed), *plain)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def of_split(seed: int, split: str) -> int:
    """Returns the seed of all networks of one split, independent of that of any other split.

    Intervals over splits are right only if splits share neither initial weights nor dropout, order, augmentation or
    random filters. A base on all classes is drawn anew for each split, too: its images are the same.

    Args:
        seed: The user's seed.
        split: Name of the split, which identifies its halves (`random0`, `file-1a2b3c4d`) without the path of a file.
    """
    return derive(seed, "split", split)


def hashed(seed: int, ids: np.ndarray) -> np.ndarray:
    """Returns 64 random bits for each id, a function of (seed, id) alone.

    This is the output function of SplitMix64 (Steele et al. 2014) on a counter; NumPy's generators draw in order,
    so that a value would depend on the number of draws before it.

    Args:
        seed: From `derive`.
        ids: Integers of 0 and more, any shape.

    Returns:
        uint64 array of the same shape.
    """
    start = np.uint64(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "big"))
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is intended
        bits = start + (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
