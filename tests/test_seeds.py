import numpy as np

from tftransfer import seeds


def test_derive_is_a_function_of_seed_and_names():
    # Goldens: another value here means that old records can no longer be repeated.
    assert seeds.derive(0, "init", "conv1") == 262056836
    assert seeds.derive(7, "order", "B", 3) == 1775271087
    assert seeds.derive(np.int64(7), np.str_("order"), "B", np.int32(3)) == seeds.derive(7, "order", "B", 3)
    results = {seeds.derive(s, *names) for s in (0, 1) for names in (("a",), ("b",), ("a", "b"), ("ab",), ("a", 1))}
    assert len(results) == 10
    assert all(0 <= result < 2**31 for result in results)


def test_hashed_bits_of_an_id_do_not_depend_on_the_others():
    ids = np.arange(1000)
    together = seeds.hashed(5, ids)
    assert together.dtype == np.uint64
    assert seeds.hashed(0, np.arange(2)).tolist() == [4047728091875069215, 13909686335433150882]
    np.testing.assert_array_equal(together[::-1], seeds.hashed(5, ids[::-1]))
    assert together[17] == seeds.hashed(5, np.array([17]))[0]
    assert len(np.unique(together)) == 1000
    assert not np.any(together == seeds.hashed(6, ids))


def test_hashed_bits_are_balanced():
    bits = np.unpackbits(seeds.hashed(1, np.arange(4096)).view(np.uint8).reshape(-1, 8), axis=1)
    share = bits.mean(axis=0)
    assert np.all(np.abs(share - 0.5) < 0.04)  # five standard deviations of 4096 coin flips
