import keras
import numpy as np
import pytest

import tftransfer as tt
from tftransfer import export


def test_a_network_becomes_a_file_that_predicts(finished, tmp_path, capsys):
    path = tmp_path / "network.keras"
    assert export.main([f"--network={finished / 'random0-A4B-seed0'}", f"--to={path}"]) == 0
    text = capsys.readouterr().out
    assert f"model      {path}" in text
    assert "needs" not in text, "Keras alone loads it"
    assert f"keras.models.load_model({str(path)!r})" in text
    assert keras.models.load_model(path).predict(np.zeros((2, 50, 40, 3), "uint8"), verbose=0).shape == (2, 3)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="nothing was overwritten"):
        export.main([f"--network={finished / 'random0-A4B-seed0'}", f"--to={path}"])
    assert path.read_bytes() == before


def test_as_a_function_it_returns_the_path(finished, tmp_path):
    path = tt.export(tt.Record(finished / "random0-A4B-seed0"), to=tmp_path / "network.keras")
    assert path == tmp_path / "network.keras"
    assert path.is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Received no --network and no --to"),
        (["--network=x"], "Received no --to"),
        (["--network=x", "--to=x.h5"], "Expected FILE.keras"),
        (["--network=/nowhere", "--to=x.keras"], "No finished network in /nowhere"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        export.main(options)


def test_a_folder_that_cannot_be_written_is_refused_first(finished):
    with pytest.raises(ValueError, match="--to"):
        export.main([f"--network={finished / 'random0-A4B-seed0'}", "--to=/proc/nowhere/x.keras"])
