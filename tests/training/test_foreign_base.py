import dataclasses

import pytest

from easy_study import RECIPE
from tftransfer import records
from tftransfer.foreign import files
from tftransfer.training import foreign_base


def test_foreign_weights_of_another_network_are_refused(finished, tmp_path):
    path = tmp_path / "given.safetensors"
    foreign_base.export(records.read(finished / "random0-baseA-seed0"), path, None, "a test").write(path)
    described = files.opened(path)
    for options, message in (
        ({"width": 0.2}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[5, 5, 3, 16\].* here'),
        ({"image_size": 64}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[7, 7, 3, 8\]'),
        ({"pixel_scale": 1.0}, r"times 0\.015625; here .* times 1\. Use --pixel_scale=0\.015625"),
    ):
        with pytest.raises(ValueError, match=message):
            foreign_base.load(path, described, dataclasses.replace(RECIPE, **options))
