import numpy as np
import pytest

import tftransfer


def test_load_gives_the_trained_network_back(finished):
    model = tftransfer.load(finished / "random0-A4B-seed0")
    source = tftransfer.load(finished / "random0-baseA-seed0")
    for name in ("conv1", "conv4"):
        for here, there in zip(model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(here, there)
    assert not any(model.get_layer(f"conv{n}").trainable for n in range(1, 5)), "frozen blocks stay frozen"
    assert model.get_layer("conv5").trainable
    assert all(layer.trainable for layer in source.layers)
    with pytest.raises(ValueError, match="were not kept"):
        tftransfer.load(finished / "random0-B4B-tuned-seed0")
    with pytest.raises(ValueError, match="No finished network"):
        tftransfer.load(finished)
