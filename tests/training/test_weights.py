import numpy as np
import pytest

import tftransfer


def test_load_gives_the_trained_network_back(finished):
    model = tftransfer.load(finished / "random0-A4B-seed0")
    source = tftransfer.load(finished / "random0-baseA-seed0")
    for name in ("conv1", "conv4"):
        for here, there in zip(model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(here, there)
    with pytest.raises(ValueError, match="were not kept"):
        tftransfer.load(finished / "random0-B4B-tuned-seed0")
    with pytest.raises(ValueError, match="No finished network"):
        tftransfer.load(finished)
