import pathlib
import sys
import types

import keras
import numpy as np
import pytest

import small_models
from tftransfer.calls import images, objects
from tftransfer.execution.run_config import RunConfig
from tftransfer.report import ReportConfig
from tftransfer.results import Study


def model(classes=3, side=32):
    layers = [keras.Input((side, side, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(classes)])


def replaced(tmp_path, **options):
    return objects.replaced(RunConfig, {"cache_dir": str(tmp_path), **options})


def test_a_model_in_hand_is_a_file_named_after_its_content(tmp_path):
    first = replaced(tmp_path, model=model())
    again = replaced(tmp_path, model=model())
    other = replaced(tmp_path, model=model(classes=4))
    assert first["model"] == again["model"] != other["model"]
    assert pathlib.Path(first["model"]).parent == tmp_path / "models"
    assert first["image_size"] == 32


def test_the_size_of_images_is_the_models_unless_it_is_given(tmp_path):
    assert replaced(tmp_path, model=model(side=48))["image_size"] == 48
    assert replaced(tmp_path, model=model(side=48), image_size=64)["image_size"] == 64


def test_the_weights_of_a_model_in_hand_may_be_the_source(tmp_path):
    mine = model()
    both = replaced(tmp_path, model=mine, pretrained=True)
    assert replaced(tmp_path, pretrained=mine) == both
    assert both["model"] != both["pretrained"], "other weights are the same architecture"
    kept = keras.models.load_model(both["pretrained"])
    for array, own in zip(kept.get_weights(), mine.get_weights(), strict=True):
        np.testing.assert_array_equal(array, own)
    other = replaced(tmp_path, pretrained=model())
    assert other["model"] == both["model"]
    assert other["pretrained"] != both["pretrained"]


def test_pretrained_true_needs_a_model_in_hand(tmp_path):
    with pytest.raises(ValueError, match="pretrained=True stands for the weights of model="):
        replaced(tmp_path, model="ResNet50", pretrained=True)


def test_names_and_files_stay_as_they_are(tmp_path):
    assert replaced(tmp_path, model="ResNet50", dataset="cifar100", pretrained="w.weights.h5") == {
        "cache_dir": str(tmp_path), "model": "ResNet50", "dataset": "cifar100", "pretrained": "w.weights.h5",
    }  # fmt: skip
    assert objects.replaced(ReportConfig, {"study": "paper"}) == {"study": "paper"}


def build(shape, classes):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)])


def test_functions_of_a_notebook_are_called_here(tmp_path, monkeypatch):
    main = types.ModuleType("__main__")
    main.build = types.FunctionType(build.__code__, {"keras": keras, "__name__": "__main__"}, "build")
    main.build.__module__ = "__main__"
    monkeypatch.setitem(sys.modules, "__main__", main)
    by_name = replaced(tmp_path, model="__main__:build", image_size=40)
    assert by_name == replaced(tmp_path, model=main.build, image_size=40)
    assert keras.models.load_model(by_name["model"]).input_shape == (None, 40, 40, 3)
    with pytest.raises(ValueError, match="no function nothing in this notebook"):
        replaced(tmp_path, model="__main__:nothing")


def test_functions_of_modules_that_other_processes_find_go_by_name(tmp_path, monkeypatch):
    assert replaced(tmp_path, model=small_models.dropping)["model"] != "small_models:dropping", "it is not found"
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(small_models.__file__).parent))
    assert replaced(tmp_path, model=small_models.dropping)["model"] == "small_models:dropping"


def test_a_function_that_fails_says_so(tmp_path):
    def broken(shape, classes):
        return shape + classes

    with pytest.raises(ValueError, match=r"The model of broken cannot be built for images of 32 pixels.*TypeError"):
        replaced(tmp_path, model=broken)
    with pytest.raises(ValueError, match=r"must return a keras.Model. Received: int"):
        replaced(tmp_path, model=lambda shape, classes: 7)


def test_images_in_hand_become_a_folder_of_the_cache(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(images, "kept", lambda value, root: seen.append((value, root)) or "FOLDER")
    pair = (np.zeros((4, 8, 8, 3)), np.arange(4))
    found = replaced(tmp_path, dataset=pair)
    assert (found["dataset"], found["data_dir"]) == ("arrays", "FOLDER")
    assert seen == [(pair, str(tmp_path))]
    assert replaced(tmp_path, dataset=lambda: pair) == found
    assert replaced(tmp_path, source_dataset=pair)["source_dir"] == "FOLDER"


def test_a_folder_of_images(tmp_path, monkeypatch):
    found = replaced(tmp_path, dataset=tmp_path / "photographs")
    assert (found["dataset"], found["data_dir"]) == ("folder", str(tmp_path / "photographs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motifs").mkdir()
    (tmp_path / "mine").mkdir()
    assert replaced(tmp_path, dataset="motifs")["dataset"] == "motifs", "names come before folders"
    assert replaced(tmp_path, dataset="mine")["data_dir"] == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": 7}, "dataset takes a name, a folder.*Received: int"),
        ({"dataset": {"a": 1}}, "Received: dict"),
        ({"dataset": pathlib.Path("x"), "data_dir": "y"}, "Leave data_dir out"),
    ],
)
def test_what_is_no_data_set_is_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        replaced(tmp_path, **options)


def test_results_stand_for_their_folders(tmp_path):
    assert objects.replaced(ReportConfig, {"study": Study(tmp_path)}) == {"study": str(tmp_path)}
    assert objects.replaced(ReportConfig, {"study": Study("paper")}) == {"study": "paper"}
