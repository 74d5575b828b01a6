import dataclasses

import pytest

from easy_study import RECIPE
from tftransfer.execution import pretrained_base
from tftransfer.pretrained import files
from tftransfer.records import record_files


def test_pretrained_weights_of_another_network_are_refused(finished, tmp_path):
    path = tmp_path / "given.safetensors"
    pretrained_base.export(record_files.read(finished / "random0-baseA-seed0"), path, None, "a test").write(path)
    described = files.opened(path)
    for options, message in (
        ({"width": 0.2}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[5, 5, 3, 16\].* here'),
        ({"image_size": 64}, r'"conv1": float32 \[5, 5, 3, 8\].* in the file, float32 \[7, 7, 3, 8\]'),
        ({"pixel_scale": 1.0}, r"times 0\.015625; here .* times 1\. Use --pixel_scale=0\.015625"),
    ):
        with pytest.raises(ValueError, match=message):
            pretrained_base.load(path, described, dataclasses.replace(RECIPE, **options))
