import numpy as np

from tftransfer.models.cloning import clone_with_seeds


def test_layers_made_of_others_start_with_different_weights():
    import small_models

    model = small_models.attention((32, 32, 3), 3)
    copies = [clone_with_seeds(model, "x", lambda *names, s=s: s + len(names[0]), lambda name: 0) for s in (1, 1, 2)]
    first, same, other = (copy.get_layer("attention").get_weights() for copy in copies)
    query, key = first[0], first[2]
    assert query.shape == key.shape
    assert not np.array_equal(query, key)
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(query, other[0])
