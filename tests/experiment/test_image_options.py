import numpy as np
import pytest

from made_images import write_photographs
from tftransfer import run, sweep
from tftransfer.data.datasets import DataSetError, arrays
from tftransfer.execution.run_config import RunConfig
from tftransfer.experiment import image_options
from tftransfer.experiment.config import Config

MODULE = """
import numpy as np
def load():
    return np.random.default_rng(0).integers(0, 256, (400, 64, 64), dtype=np.uint8), np.arange(400) % 4
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def resolved(options, **more):
    said = []
    return image_options.resolve(options, said.append, **more), said


@pytest.mark.parametrize(
    "options", [Config(), Config(dataset="cifar100"), Config(dataset="folder", data_dir="/nowhere", image_size=64)]
)
def test_a_size_that_is_given_or_known_by_name_stays(options):
    assert resolved(options) == (options, [])


def test_a_folders_size_follows_its_images(tmp_path):
    root = write_photographs(tmp_path / "photographs")
    options = RunConfig(dataset="folder", data_dir=str(root), treatment="BnB")
    small, said = resolved(options)
    assert (type(small), small.image_size, small.treatment) == (RunConfig, 32, "BnB")
    assert said == ["input     32 x 32 pixels, as images have about 38 a side; --image_size=N sets another"]
    assert small.study_name() == Config(dataset="folder", image_size=32).study_name()
    assert resolved(Config(dataset="folder", data_dir=str(root), model="InceptionV3"))[0].image_size == 75
    with pytest.raises(DataSetError, match="there is nothing"):
        resolved(Config(dataset="folder", data_dir="/nowhere"))


def test_the_size_of_pretrained_weights_comes_before_that_of_the_images(tmp_path):
    options = Config(dataset="folder", data_dir="/nowhere")
    larger, said = resolved(options, described_size=96)
    assert (larger.image_size, said) == (96, ["input     96 x 96 pixels, as --pretrained is described"])
    assert resolved(Config(image_size=48), described_size=96)[0].image_size == 48


def test_functions_become_arrays_of_their_content(here):
    options, said = resolved(Config(dataset="mine:load", source_dataset="mine:load"))
    assert (options.dataset, options.source_dataset, options.image_size) == ("arrays", "arrays", 56)
    assert options.data_dir == options.source_dir
    assert arrays.is_in_cache(options.data_dir)
    assert str(here / "cache") in options.data_dir
    assert (
        said[0]
        == f"dataset   mine:load was called, its images are kept: --dataset=arrays --data_dir={options.data_dir}"
    )
    assert resolved(options) == (options, [])


def test_studies_of_other_contents_have_other_names(tmp_path):
    y = np.arange(16) % 4
    one, other = (
        arrays.write_to_cache(np.random.default_rng(seed).integers(0, 256, (16, 4, 4), dtype=np.uint8), y, tmp_path)
        for seed in range(2)
    )
    names = [Config(dataset="arrays", data_dir=folder).study_name() for folder in (one, other)]
    assert names[0] != names[1]
    assert all(name.startswith("arrays-") for name in names)
    assert Config(dataset="arrays", data_dir="somewhere").study_name().startswith("arrays-AlexNet-")


@pytest.mark.parametrize(("command", "words"), [(run, ["--treatment=BnB"]), (sweep, ["--treatments=BnB"])])
def test_commands_show_the_size_and_its_reason(here, capsys, command, words):
    assert command.main(["", "--dataset=mine:load", "--n=4", "--dry_run", *words]) == 0
    output = capsys.readouterr().out
    assert "56 x 56 pixels, as images have about 64 a side" in output
    assert "arrays, 4 classes" in output
    assert "held out" in output
